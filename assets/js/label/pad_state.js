/* What VotePad shows at a moment; the controller changes it and has it drawn. */
import { PLAIN } from "./ballot.js";
import { newDraft } from "./drafts.js";
import { wordsOf } from "./words.js";

/** @import { Ask, Cast } from "./ballot.js" */
/** @import { Draft, Side } from "./drafts.js" */
/** @import { Mode, PlainChoice } from "./vote_keys.js" */
/** @import { Words, WordTable } from "./words.js" */

/**
 * A pair without names, or answers to be ranked. Done, total and remaining count votes of the session.
 * @typedef {{
 *   token: string, prompt: { role: string, content: string }[], answers: { text: string, cut_off: boolean }[],
 *   done: number, total: number, remaining_for_you?: number, ranked: boolean, training: boolean,
 * }} Pair
 */
/** @typedef {{ right: boolean, better: Side | "tie", explanation: string }} Feedback */
/** @typedef {{ event: number, choice: string, strength: number, created: string, prompt: string }} OwnVote */
/** @typedef {"" | "guidelines" | "own_votes" | "keys" | "flag"} DialogName */
/**
 * What the server answers: `error`, or the pair and what may be done. `wait` is the seconds after which it is worth asking
 * again, 0 for never; `held` answers whether the pair still lies open here; `unreached` says that no server answered.
 * @typedef {{
 *   error?: string | null, unreached?: boolean, item?: Pair | null, title?: string, message?: string, wait?: number, can_undo?: boolean,
 *   note?: string, saved?: boolean, next_error?: string, held?: boolean, ask?: Ask, words?: WordTable,
 *   pace?: { judged: number, seconds: number }, feedback?: Feedback | null, votes?: OwnVote[], version?: number,
 *   text?: string,
 * }} Reply
 */
/**
 * `lines` are shown in place of a pair; `row` is where keys choose; `current` the ranked answer that keys move; `failed`
 * what waits for another try, by itself if `isRetrying`.
 * @typedef {{
 *   words: Words, language: string, ask: Ask, pair: Pair | null, draft: Draft, row: number, current: number,
 *   lines: string[] | null, hasBody: boolean, note: string, said: string, news: string, missing: string[],
 *   failed: { text: string, again: () => void, choice: string, isRetrying: boolean } | null, busy: boolean, sent: string,
 *   canUndo: boolean,
 *   pace: { judged: number, seconds: number }, isPaused: boolean, editing: "" | Side, feedback: Feedback | null,
 *   dialog: DialogName, guidelines: string, guidelinesChanged: boolean, ownVotes: OwnVote[], letters: boolean,
 *   share: number,
 * }} State
 */
/**
 * What a person can do on the pad.
 * @typedef {{
 *   cast: (choice: PlainChoice) => void, undo: () => void, takeBack: (event: number) => void, save: () => void,
 *   pick: (row: number, position: number) => void, setRow: (row: number) => void, change: (draft: Partial<Draft>) => void,
 *   toggleBad: () => void, flag: () => void, edit: (side: Side) => void, endEdit: () => void, dropEdit: () => void,
 *   setCurrent: (answer: number) => void, open: (name: DialogName) => void, closed: () => void, pause: () => void,
 *   goOn: () => void, retry: () => void, drop: () => void, setLetters: (isOn: boolean) => void,
 * }} Act
 */

/**
 * @param {WordTable} table
 * @returns {State}
 */
export const firstState = (table) => ({
  words: wordsOf(table),
  language: "en",
  ask: PLAIN,
  pair: null,
  draft: newDraft(),
  row: 0,
  current: -1,
  lines: null,
  hasBody: false,
  note: "",
  said: "",
  news: "",
  missing: [],
  failed: null,
  busy: false,
  sent: "",
  canUndo: false,
  pace: { judged: 0, seconds: 0 },
  isPaused: false,
  editing: "",
  feedback: null,
  dialog: "",
  guidelines: "",
  guidelinesChanged: false,
  ownVotes: [],
  letters: true,
  share: 0,
});
