/* Part of VotePad: what a key does to the state of the pad. */
import { digitPosition, keySide, openRow, pickPosition, stepped } from "./ballot.js";
import { modeOf } from "./pad_dialogs.js";
import { moveAnswer, shareAbove, togglePlace } from "./ranking.js";
import { keyAction, keyName } from "./vote_keys.js";

/** @import { Act, State } from "./pad_state.js" */
/** @import { Action } from "./vote_keys.js" */
/**
 * What keys need besides what a person can press: to change the draft and have the focus follow.
 * @typedef {{ state: State, act: Act, update: (changes: Partial<State>, focus: string) => void }} Keyed
 */

/** The place of the keyboard in a row. @param {number} row */
export const rowStop = (row) => `[data-row="${row}"] [tabindex="0"]`;

/**
 * Whether a key belongs to what has the focus: a button's own Enter, arrows in a text longer than its box.
 * @param {KeyboardEvent} event
 */
function isNative({ target, key }) {
  if (!(target instanceof HTMLElement)) return false;
  if (key === "Enter") return target.matches("button:not([role=radio]):not(.wb-rank-chip), a, summary");
  const isLong = target.matches(".wb-vote-text, .wb-vote-prompt") && target.scrollHeight > target.clientHeight;
  return isLong && /^Arrow(Up|Down)$/.test(key);
}

/**
 * Keys of a vote that is put together.
 * @param {Action} action
 * @param {string} key
 * @param {Keyed} keyed
 */
function composedKey(action, key, { state, act, update }) {
  const { ask, draft, row } = state;
  const end = ask.aspects.length;
  if (action === "previous" || action === "next")
    update({ draft: stepped(ask, draft, row, action === "next" ? 1 : -1) }, rowStop(row));
  else if (action === "up" || action === "down") {
    const next = Math.max(0, Math.min(end, row + (action === "down" ? 1 : -1)));
    update({ row: next }, rowStop(next));
  } else if (action === "digit" || action === "tie") {
    const position = action === "tie" ? 0 : digitPosition(ask, row, Number(key));
    if (position === null) return;
    const picked = pickPosition(ask, draft, row, position);
    const open = openRow(ask, picked, row);
    const next = open < 0 ? row : open;
    update({ draft: picked, row: next }, rowStop(next));
  } else if (action === "edit") act.edit(keySide(draft));
}

/**
 * Keys that put answers in order.
 * @param {Action} action
 * @param {string} key
 * @param {Keyed} keyed
 */
function rankedKey(action, key, { state, update }) {
  const { draft, current, pair } = state;
  const answer = action === "digit" ? Number(key) - 1 : current;
  if (!pair || answer < 0 || answer >= pair.answers.length) return;
  const ranking =
    action === "digit"
      ? togglePlace(draft.ranking, answer)
      : action === "same_place"
        ? shareAbove(draft.ranking, answer)
        : moveAnswer(draft.ranking, answer, action === "up" ? -1 : 1);
  update({ draft: { ...draft, choice: "", ranking }, current: answer }, `[data-answer="${answer}"]`);
}

/**
 * Does what a key says; false when it is no key of the pad.
 * @param {KeyboardEvent} event
 * @param {Keyed} keyed
 */
export function pressKey(event, keyed) {
  const { state, act } = keyed;
  const mode = modeOf(state);
  const action = keyAction(event.key, mode);
  if (state.failed) {
    if (keyName(event.key) === "r") act.retry();
    return keyName(event.key) === "r";
  }
  if (isNative(event)) return false;
  if (state.feedback && event.key === "Enter") act.goOn();
  else if (!action) return false;
  else if (action === "own_votes" || action === "keys" || action === "guidelines") act.open(action);
  else if (state.feedback) return false;
  else if (action === "undo") act.undo();
  else if (!state.pair) return false;
  else if (action === "pause") act.pause();
  else if (state.isPaused) return false;
  else if (action === "flag") act.open("flag");
  else if (action === "skip") act.cast("skip");
  else if (mode === "plain") act.cast(/** @type {import("./vote_keys.js").PlainChoice} */ (action));
  else if (action === "save") act.save();
  else if (action === "both_bad") act.toggleBad();
  else if (action === "reason") return focusReason(event);
  else if (mode === "ranked") rankedKey(action, event.key, keyed);
  else composedKey(action, event.key, keyed);
  return true;
}

/** @param {KeyboardEvent} event */
function focusReason(event) {
  const field = [...document.querySelectorAll(".wb-ballot-reason")].find((node) => node.checkVisibility());
  if (!(field instanceof HTMLElement)) return false;
  event.preventDefault();
  field.focus();
  return true;
}
