/* Part of VotePad: what each key does. */

/** @import { Vote } from "./pad_frame.js" */

/** @type {Record<string, Vote | "undo">} */
const KEYS = {
  ArrowLeft: "left",
  1: "left",
  a: "left",
  ArrowRight: "right",
  2: "right",
  l: "right",
  ArrowDown: "tie",
  t: "tie",
  b: "both_bad",
  s: "skip",
  u: "undo",
  Backspace: "undo",
};

/**
 * A key as it is compared: 'R' and 'r' are one.
 * @param {string} key
 */
export const keyName = (key) => (key.length === 1 ? key.toLowerCase() : key);

/**
 * The vote a key gives, 'undo', or nothing.
 * @param {string} key
 * @returns {Vote | "undo" | undefined}
 */
export const keyAction = (key) => KEYS[keyName(key)];

/**
 * Whether keys are text there, not votes.
 * @param {EventTarget | null} target
 */
export function isTyping(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement && target.type === "checkbox") return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}
