/* Part of VotePad: what a vote is put together from: the scale, a row for each aspect, a reason; and the buttons. */
import { classes, createElement, html } from "../lib/preact.js";
import { isComposed, positionIn, reach } from "./ballot.js";

/** @import { Act, State } from "./pad_state.js" */
/** @import { PlainChoice } from "./vote_keys.js" */
/** @import { Words } from "./words.js" */

/** @type {[choice: PlainChoice, key: string][]} */
const CHOICES = [
  ["left", "←"],
  ["tie", "↓"],
  ["both_bad", "B"],
  ["skip", "S"],
  ["right", "→"],
];

/** Keys whose sign is not their name. @type {Record<string, string>} */
const SPOKEN = { "←": "ArrowLeft", "↓": "ArrowDown", "→": "ArrowRight" };

/**
 * @param {{
 *   choice: string, text: string, shortcut: string, onClick: () => void, disabled: boolean, chosen?: boolean,
 *   pressed?: boolean,
 * }} props
 */
function VoteButton({ choice, text, shortcut, onClick, disabled, chosen = false, pressed }) {
  return html`<button type="button" class=${classes("wb-vote-button", `is-${choice}`, chosen && "is-chosen")}
    data-choice=${choice} aria-keyshortcuts=${SPOKEN[shortcut] ?? shortcut} disabled=${disabled} onClick=${onClick} aria-pressed=${pressed}>
    <span>${text}</span><kbd aria-hidden="true" class=${shortcut.length === 1 && /\w/.test(shortcut) ? "is-letter" : ""}>${shortcut}</kbd>
  </button>`;
}

/**
 * The buttons of a vote that is one key, with undo and flag.
 * @param {{ state: State, act: Act }} props
 */
export function PlainButtons({ state, act }) {
  const { words, pair, failed, busy, sent, canUndo, feedback } = state;
  const off = Boolean(failed || feedback) || !pair;
  return html`<div class="wb-vote-buttons" role="group" aria-label=${words("question")}>
    ${CHOICES.map(([choice, shortcut]) =>
      createElement(VoteButton, {
        key: choice,
        choice,
        text: words(choice),
        shortcut,
        onClick: () => act.cast(choice),
        disabled: off,
        chosen: failed?.choice === choice || (busy && sent === choice),
      }),
    )}
    ${createElement(CommonButtons, { state, act, off, canUndo: canUndo && !failed && !feedback })}
  </div>`;
}

/** @param {{ state: State, act: Act, off: boolean, canUndo: boolean }} props */
function CommonButtons({ state: { words }, act, off, canUndo }) {
  return html`
    ${createElement(VoteButton, { choice: "flag", text: words("flag"), shortcut: "F", onClick: () => act.open("flag"), disabled: off })}
    ${createElement(VoteButton, { choice: "undo", text: words("undo"), shortcut: "U", onClick: act.undo, disabled: !canUndo })}`;
}

/**
 * What stands at a position of a row: its sign, its word under it, and all of it for those who hear the page.
 * @param {Words} words
 * @param {number} position
 * @param {number} end
 */
export function positionTexts(words, position, end) {
  if (position === 0) return { sign: "=", word: words("equal"), name: words("tie") };
  const side = position < 0 ? "left" : "right";
  const size = Math.abs(position);
  const sign = (position < 0 ? "←" : "→").repeat(end === 1 ? 1 : size);
  if (end === 1) return { sign, word: words(`side_${side}`), name: words(side) };
  return { sign, word: words(`grade_${size}`), name: words(`${side}_${size}`) };
}

/**
 * A row to choose in; the whole row is one stop of the keyboard, as radio buttons are.
 * @param {{ row: number, label: string, state: State, act: Act }} props
 */
function ScaleRow({ row, label, state, act }) {
  const { ask, draft, words, failed } = state;
  const end = reach(ask, row);
  const chosen = positionIn(ask, draft, row);
  const positions = Array.from({ length: 2 * end + 1 }, (_, index) => index - end);
  const stop = chosen ?? (draft.choice === "both_bad" && row === 0 ? 0 : -1);
  return html`<div class=${classes("wb-ballot-row", row === 0 && "is-overall", state.row === row && "is-current")}>
    <span class="wb-ballot-label" id=${`wb-ballot-${row}`}>${label}</span>
    <div class=${classes("wb-scale", end > 1 && "is-graded")} role="radiogroup" data-row=${row}
      aria-labelledby=${`wb-ballot-${row}`} aria-required="true" onFocusIn=${() => act.setRow(row)}>
      ${positions.map((position, index) => {
        const { sign, word, name } = positionTexts(words, position, end);
        return html`<button type="button" role="radio" key=${position} class="wb-scale-step" data-position=${position}
          aria-checked=${String(chosen === position)} aria-label=${name} title=${name}
          tabindex=${position === stop ? 0 : -1} disabled=${Boolean(failed)}
          onClick=${() => act.pick(row, position)}>
          <span class="wb-scale-sign" aria-hidden="true">${sign}</span>
          <span class="wb-scale-word">${word}</span>
          <kbd class="is-letter" aria-hidden="true">${index + 1}</kbd>
        </button>`;
      })}
    </div>
  </div>`;
}

/** @param {{ state: State, act: Act }} props */
export function ReasonField({ state: { ask, words, draft, failed }, act }) {
  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      act.save();
    } else if (event.key === "Escape" && event.target instanceof HTMLElement) event.target.blur();
  }
  const label = words(ask.rationale === "required" ? "reason" : "reason_optional");
  return html`<label class="wb-ballot-row is-reason">
    <span class="wb-ballot-label">${label}<kbd aria-hidden="true" class="is-letter">R</kbd></span>
    <textarea class="wb-input wb-ballot-reason" rows="2" maxlength="2000" value=${draft.reason} onKeyDown=${onKey}
      disabled=${Boolean(failed)} placeholder=${words("reason_hint")} aria-label=${label}
      aria-required=${String(ask.rationale === "required")}
      onInput=${(/** @type {{ currentTarget: HTMLTextAreaElement }} */ { currentTarget }) =>
        act.change({ reason: currentTarget.value })}></textarea>
  </label>`;
}

/**
 * The rows of a vote that is put together.
 * @param {{ state: State, act: Act }} props
 */
export function BallotRows({ state, act }) {
  const { ask, words } = state;
  return html`
    ${createElement(ScaleRow, { row: 0, label: words(ask.aspects.length ? "overall" : "question"), state, act })}
    ${ask.aspects.map((name, index) => createElement(ScaleRow, { key: name, row: index + 1, label: name, state, act }))}
    ${ask.rationale !== "off" && createElement(ReasonField, { state, act })}`;
}

/**
 * The buttons under what is put together.
 * @param {{ state: State, act: Act }} props
 */
export function ComposedButtons({ state, act }) {
  const { words, pair, draft, failed, canUndo, feedback } = state;
  const off = Boolean(failed || feedback) || !pair;
  const isBad = draft.choice === "both_bad";
  return html`<div class="wb-vote-buttons is-composed">
    ${createElement(VoteButton, { choice: "both_bad", text: words(pair?.ranked ? "all_bad" : "both_bad"), shortcut: "B", onClick: act.toggleBad, disabled: off, chosen: isBad, pressed: isBad })}
    ${createElement(VoteButton, { choice: "skip", text: words("skip"), shortcut: "S", onClick: () => act.cast("skip"), disabled: off })}
    ${createElement(CommonButtons, { state, act, off, canUndo: canUndo && !failed && !feedback })}
    ${createElement(VoteButton, { choice: "save", text: words("save"), shortcut: "Enter", onClick: act.save, disabled: off })}
  </div>`;
}

/**
 * Everything a vote on this pair is given with.
 * @param {{ state: State, act: Act }} props
 */
export function Ballot({ state, act }) {
  const { ask, pair, words, canUndo, failed } = state;
  if (!pair)
    return html`<div class="wb-vote-buttons">
      ${createElement(VoteButton, { choice: "undo", text: words("undo"), shortcut: "U", onClick: act.undo, disabled: !canUndo || Boolean(failed) })}
    </div>`;
  if (!isComposed(ask, pair)) return createElement(PlainButtons, { state, act });
  return html`
    ${!pair.ranked && createElement(BallotRows, { state, act })}
    ${pair.ranked && ask.rationale !== "off" && createElement(ReasonField, { state, act })}
    ${createElement(ComposedButtons, { state, act })}`;
}
