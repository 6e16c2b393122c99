/* Which conversation is this browser's: its id is made here and remembered, so that a reload finds it again. */
import { storage, uuid } from "../lib/browser.js";

const KEY = "workbench.chat";

/** @returns {string} */
export function chatId() {
  const id = storage.get(KEY) || uuid();
  storage.set(KEY, id);
  return id;
}

/**
 * An event's values with the conversation in the first: what is sent before the grid is drawn has none yet.
 * @param {[{ chat?: string } | null, ...unknown[]]} values
 * @returns {unknown[]}
 */
export function withChat([grid, ...rest]) {
  return [grid?.chat ? grid : { chat: chatId() }, ...rest];
}
