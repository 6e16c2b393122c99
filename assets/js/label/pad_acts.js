/* Part of VotePad: what a person can do on it besides pressing keys. */
import { storage } from "../lib/browser.js";
import { composedVote, editOf, missingParts, openRow, pickPosition } from "./ballot.js";
import { rowStop } from "./pad_keys.js";

/** @import { Cast } from "./ballot.js" */
/** @import { Side } from "./drafts.js" */
/** @import { Act, DialogName, State } from "./pad_state.js" */
/**
 * What the acts are made of: the state with the function that draws its changes, and the calls to the server.
 * @typedef {{
 *   state: State, update: (changes?: Partial<State>, focus?: string) => void, cast: (cast: Cast) => void,
 *   undo: (event?: number) => void, load: () => void, open: (name: DialogName) => void, close: () => void,
 *   goOn: () => void,
 * }} Means
 */

const LETTERS = "workbench.letter-keys";

/** Whether single letters and digits vote. Who speaks to the computer, or slips on the keyboard, can switch that off;
    it stays so in this browser. */
export const hasLetters = () => storage.get(LETTERS) !== "off";

/**
 * @param {Means} means
 * @returns {Act}
 */
export function padActs({ state, update, cast, undo, load, open, close, goOn }) {
  /** @type {Act} */
  const act = {
    cast: (choice) => cast({ choice }),
    undo: () => undo(),
    takeBack(event) {
      close();
      undo(event);
    },
    save() {
      const { pair, draft } = state;
      if (state.busy || state.failed || state.feedback || !pair) return;
      const missing = missingParts(state.ask, pair, draft);
      const row = openRow(state.ask, draft, 0);
      if (missing.length) update({ missing, row: Math.max(0, row) }, pair.ranked || row < 0 ? "" : rowStop(row));
      else cast(composedVote(state.ask, pair, draft));
    },
    pick(row, position) {
      if (!state.busy) update({ draft: pickPosition(state.ask, state.draft, row, position), row }, rowStop(row));
    },
    setRow(row) {
      if (row !== state.row) update({ row });
    },
    change(draft) {
      const edits = { ...state.draft.edits, ...draft.edits };
      const answer = state.current >= 0 && draft.ranking ? `[data-answer="${state.current}"]` : "";
      update({ draft: { ...state.draft, ...draft, edits } }, answer);
    },
    toggleBad() {
      const choice = state.draft.choice === "both_bad" ? "" : "both_bad";
      update({ draft: { ...state.draft, choice, strength: 0 } });
    },
    flag() {
      const reason = state.draft.flag.trim();
      if (!reason || state.busy) return;
      close();
      cast({ choice: "flag", ballot: { reason } });
    },
    edit(side) {
      const { pair, draft } = state;
      if (!pair || pair.ranked || !state.ask.edits) return;
      const text = draft.edits[side] ?? pair.answers[side === "left" ? 0 : 1].text;
      update({ editing: side, draft: { ...draft, editedSide: side, edits: { ...draft.edits, [side]: text } } });
    },
    endEdit() {
      if (state.pair && !editOf(state.pair, state.draft)) act.dropEdit();
      else update({ editing: "" }, rowStop(state.row));
    },
    dropEdit() {
      const edits = { ...state.draft.edits };
      delete edits[/** @type {Side} */ (state.draft.editedSide)];
      update({ editing: "", draft: { ...state.draft, editedSide: "", edits } }, rowStop(state.row));
    },
    setCurrent(answer) {
      if (answer !== state.current) update({ current: answer });
    },
    open,
    closed: () => update({ dialog: "" }),
    pause() {
      if (!state.pair || state.busy || state.failed || state.feedback) return;
      if (state.isPaused) load();
      else update({ isPaused: true, said: "" }, "[data-anchor]");
    },
    goOn,
    retry() {
      if (state.busy || !state.failed) return;
      const { again } = state.failed;
      update({ failed: null });
      again();
    },
    drop() {
      update({ failed: null, sent: "" });
      load();
    },
    setLetters(isOn) {
      storage.set(LETTERS, isOn ? "on" : "off");
      update({ letters: isOn });
    },
  };
  return act;
}
