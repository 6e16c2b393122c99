/* What a session asks for with a vote, and how a draft becomes one. */
import { isComplete } from "./ranking.js";

/** @import { Draft, Side } from "./drafts.js" */
/** @import { Pair } from "./pad_state.js" */
/**
 * What the session asks for; `guidelines` is their version, 0 for none.
 * @typedef {{
 *   graded: boolean, aspects: string[], rationale: "off" | "optional" | "required", edits: boolean, ranking: boolean,
 *   raw_text: boolean, language: string, guidelines: number,
 * }} Ask
 */
/** @typedef {{ choice: string, ballot?: Record<string, unknown> }} Cast */

/** @type {Ask} */
export const PLAIN = {
  graded: false,
  aspects: [],
  rationale: "off",
  edits: false,
  ranking: false,
  raw_text: false,
  language: "en",
  guidelines: 0,
};

/**
 * Whether more than one key is asked for, so that a vote is put together and then saved.
 * @param {Ask} ask
 * @param {Pair} pair
 */
export const isComposed = (ask, pair) =>
  Boolean(pair.ranked || ask.graded || ask.aspects.length || ask.rationale !== "off" || ask.edits);

/**
 * The end of a row on either side of 'equal': 3 for grades, else 1. Row 0 is the vote, the others are aspects.
 * @param {Ask} ask
 * @param {number} row
 */
export const reach = (ask, row) => (row === 0 && ask.graded ? 3 : 1);

/**
 * What is chosen in a row, from −reach (left) over 0 (equal) to reach (right); null while nothing is.
 * @param {Ask} ask
 * @param {Draft} draft
 * @param {number} row
 */
export function positionIn(ask, draft, row) {
  const value = row === 0 ? draft.choice : draft.aspects[ask.aspects[row - 1]];
  if (value === "tie") return 0;
  const size = row === 0 && ask.graded ? draft.strength : 1;
  return value === "left" ? -size : value === "right" ? size : null;
}

/**
 * The draft with a position chosen in a row.
 * @param {Ask} ask
 * @param {Draft} draft
 * @param {number} row
 * @param {number} position
 * @returns {Draft}
 */
export function pickPosition(ask, draft, row, position) {
  const side = position < 0 ? "left" : position > 0 ? "right" : "tie";
  if (row > 0) return { ...draft, aspects: { ...draft.aspects, [ask.aspects[row - 1]]: side } };
  return { ...draft, choice: side, strength: ask.graded ? Math.abs(position) : 0 };
}

/**
 * One step to the left (−1) or right (1); from nothing to the nearest on that side.
 * @param {Ask} ask
 * @param {Draft} draft
 * @param {number} row
 * @param {-1 | 1} by
 */
export function stepped(ask, draft, row, by) {
  const end = reach(ask, row);
  const position = Math.max(-end, Math.min(end, (positionIn(ask, draft, row) ?? 0) + by));
  return pickPosition(ask, draft, row, position);
}

/**
 * The position a digit stands for, counted from the left; null when the row is shorter.
 * @param {Ask} ask
 * @param {number} row
 * @param {number} digit
 */
export function digitPosition(ask, row, digit) {
  const end = reach(ask, row);
  return digit >= 1 && digit <= 2 * end + 1 ? digit - end - 1 : null;
}

/**
 * The first row without a choice, from `start` on and then from the top; −1 when there is none.
 * @param {Ask} ask
 * @param {Draft} draft
 * @param {number} start
 */
export function openRow(ask, draft, start) {
  const rows = [0, ...ask.aspects.map((_, index) => index + 1)];
  const isOpen = (/** @type {number} */ row) =>
    row === 0 ? draft.choice === "" : draft.aspects[ask.aspects[row - 1]] === undefined;
  return [...rows.slice(start), ...rows.slice(0, start)].find(isOpen) ?? -1;
}

/**
 * What keeps a draft from being saved: keys of the pad's words, or names of aspects.
 * @param {Ask} ask
 * @param {Pair} pair
 * @param {Draft} draft
 */
export function missingParts(ask, pair, draft) {
  const isBad = draft.choice === "both_bad";
  const missing = [];
  if (pair.ranked && !isBad && !isComplete(draft.ranking, pair.answers.length)) missing.push("rank_title");
  if (!pair.ranked && draft.choice === "") missing.push("question");
  if (!pair.ranked) missing.push(...ask.aspects.filter((name) => draft.aspects[name] === undefined));
  if (ask.rationale === "required" && !draft.reason.trim()) missing.push("reason");
  return missing;
}

/**
 * The side whose answer the key for editing opens: the one that was rewritten, else the better one.
 * @param {Draft} draft
 * @returns {Side}
 */
export const keySide = (draft) => draft.editedSide || (draft.choice === "right" ? "right" : "left");

/**
 * The rewritten answer, if it says something else than the answer.
 * @param {Pair} pair
 * @param {Draft} draft
 */
export function editOf(pair, draft) {
  const side = draft.editedSide;
  if (!side) return null;
  const text = draft.edits[side] ?? "";
  const before = pair.answers[side === "left" ? 0 : 1].text;
  return text.trim() && text !== before ? { text, side } : null;
}

/**
 * The vote of a complete draft.
 * @param {Ask} ask
 * @param {Pair} pair
 * @param {Draft} draft
 * @returns {Cast}
 */
export function composedVote(ask, pair, draft) {
  const reason = ask.rationale === "off" ? "" : draft.reason.trim();
  if (pair.ranked) {
    const isBad = draft.choice === "both_bad";
    return {
      choice: isBad ? "both_bad" : "ranking",
      ballot: { reason, ...(isBad ? {} : { ranking: draft.ranking }) },
    };
  }
  const edit = ask.edits ? editOf(pair, draft) : null;
  const aspects = Object.fromEntries(ask.aspects.map((name) => [name, draft.aspects[name]]));
  const ballot = { strength: draft.strength, aspects, reason };
  return {
    choice: draft.choice,
    ballot: edit ? { ...ballot, edited_text: edit.text, edited_side: edit.side } : ballot,
  };
}
