/* The pad's texts, in the language of the session. */

/** @typedef {Record<string, string>} WordTable */
/** @typedef {(key: string, values?: Record<string, string | number>) => string} Words */

/**
 * The text under a key, with `{name}` filled in; the key itself where there is none.
 * @param {WordTable} table
 * @returns {Words}
 */
export const wordsOf =
  (table) =>
  (key, values = {}) =>
    (table[key] ?? key).replace(/\{(\w+)\}/g, (slot, name) => String(values[name] ?? slot));

/**
 * Texts of the page around the pad, which carry their key as `data-word`.
 * @param {Words} words
 */
export function translatePage(words) {
  for (const node of document.querySelectorAll("[data-word]"))
    node.textContent = words(node.getAttribute("data-word") ?? "");
}
