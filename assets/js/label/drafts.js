/* What was entered for the open pair and is not saved yet: it outlives a reload, in this browser. */

/** @typedef {"left" | "right"} Side */
/** @typedef {"" | Side | "tie" | "both_bad"} Picked */
/**
 * `strength` is 1 to 3, 0 for none; `aspects` a side or 'tie' by aspect; `edits` rewritten answers by side, of which
 * `editedSide` counts; `ranking` groups of equal answers by index, best first; `flag` what is wrong with the pair.
 * @typedef {{
 *   choice: Picked, strength: number, aspects: Record<string, Side | "tie">, reason: string,
 *   edits: Partial<Record<Side, string>>, editedSide: "" | Side, ranking: number[][], flag: string,
 * }} Draft
 */
/** @typedef {{ get: (key: string) => string | null, set: (key: string, value: string) => void }} Store */

/** @returns {Draft} */
export const newDraft = () => ({
  choice: "",
  strength: 0,
  aspects: {},
  reason: "",
  edits: {},
  editedSide: "",
  ranking: [],
  flag: "",
});

/**
 * Whether nothing was entered.
 * @param {Draft} draft
 */
export const isEmpty = (draft) => JSON.stringify(draft) === JSON.stringify(newDraft());

/** @param {string} session */
const keyOf = (session) => `workbench.draft.${session}`;

/**
 * The draft for this pair of the session, empty if there is none: one is kept a session, since one pair is open.
 * @param {Store} store
 * @param {string} session
 * @param {string} token
 * @returns {Draft}
 */
export function readDraft(store, session, token) {
  try {
    const entry = JSON.parse(store.get(keyOf(session)) || "null");
    if (entry?.token === token) return { ...newDraft(), ...entry.draft };
  } catch {
    /* written by something else */
  }
  return newDraft();
}

/**
 * @param {Store} store
 * @param {string} session
 * @param {string} token
 * @param {Draft} draft
 */
export const writeDraft = (store, session, token, draft) => store.set(keyOf(session), JSON.stringify({ token, draft }));

/**
 * @param {Store} store
 * @param {string} session
 */
export const dropDraft = (store, session) => store.set(keyOf(session), "");
