/* Part of VotePad: what each key does. */

/** @typedef {"left" | "right" | "tie" | "both_bad" | "skip"} PlainChoice */
/**
 * @typedef {PlainChoice | "flag" | "undo" | "guidelines" | "own_votes" | "keys" | "pause" | "previous" | "next" | "up"
 *   | "down" | "digit" | "reason" | "edit" | "save" | "same_place"} Action
 */
/** @typedef {"plain" | "composed" | "ranked"} Mode */

/** @type {Record<string, Action>} */
const COMMON = {
  b: "both_bad",
  s: "skip",
  f: "flag",
  u: "undo",
  Backspace: "undo",
  g: "guidelines",
  v: "own_votes",
  p: "pause",
  "?": "keys",
};
/** @type {Record<Mode, Record<string, Action>>} */
const KEYS = {
  plain: {
    ...COMMON,
    ArrowLeft: "left",
    1: "left",
    a: "left",
    ArrowRight: "right",
    2: "right",
    l: "right",
    ArrowDown: "tie",
    t: "tie",
  },
  composed: {
    ...COMMON,
    ArrowLeft: "previous",
    ArrowRight: "next",
    ArrowUp: "up",
    ArrowDown: "down",
    t: "tie",
    r: "reason",
    e: "edit",
    Enter: "save",
  },
  ranked: {
    ...COMMON,
    ArrowLeft: "up",
    ArrowRight: "down",
    ArrowUp: "up",
    ArrowDown: "down",
    t: "same_place",
    "=": "same_place",
    r: "reason",
    Enter: "save",
  },
};

/**
 * A key as it is compared: 'R' and 'r' are one.
 * @param {string} key
 */
export const keyName = (key) => (key.length === 1 ? key.toLowerCase() : key);

/**
 * What a key does where votes are cast at once, put together, or answers ranked; nothing for others.
 * @param {string} key
 * @param {Mode} [mode]
 * @returns {Action | undefined}
 */
export function keyAction(key, mode = "plain") {
  if (mode !== "plain" && /^[1-9]$/.test(key)) return "digit";
  return KEYS[mode][keyName(key)];
}

/**
 * The keys of a mode for the list of them: what is pressed, and the word that says what for.
 * @param {Mode} mode
 * @param {{ edits: boolean, hasReason: boolean, reach: number }} asked
 * @returns {[keys: string, word: string][]}
 */
export function keyList(mode, { edits, hasReason, reach }) {
  /** @type {[string, string][]} */
  const plain = [
    ["←  1  A", "left"],
    ["→  2  L", "right"],
    ["↓  T", "tie"],
  ];
  /** @type {[string, string][]} */
  const composed = [
    ["←  →", "keys_move"],
    ["↑  ↓", "keys_rows"],
    [`1 – ${2 * reach + 1}`, "keys_digits"],
    ["T", "tie"],
  ];
  /** @type {[string, string][]} */
  const ranked = [
    ["1 – 9", "keys_place"],
    ["↑  ↓", "keys_shift"],
    ["T  =", "keys_same"],
  ];
  const own = { plain, composed, ranked }[mode];
  if (mode !== "plain" && hasReason) own.push(["R", "reason"]);
  if (mode === "composed" && edits) own.push(["E", "edit"]);
  if (mode !== "plain") own.push(["Enter", "save"]);
  return [
    ...own,
    ["B", mode === "ranked" ? "all_bad" : "both_bad"],
    ["S", "skip"],
    ["F", "flag"],
    ["U", "undo"],
    ["V", "own_votes"],
    ["G", "guidelines"],
    ["P", "pause"],
    ["?", "keys"],
  ];
}

/**
 * Whether keys are text there, not votes.
 * @param {EventTarget | null} target
 */
export function isTyping(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement && target.type === "checkbox") return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}
