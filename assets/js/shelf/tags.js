/* Tags as small labels: in rows of tables and results, where a click looks for the tag, and in the panel of a thing. */
import { button, h } from "../lib/dom.js";

/**
 * A list of tags; `onClick` gets the one that is pressed.
 * @param {string[]} tags
 * @param {(tag: string) => void} onClick
 * @param {(tag: string) => string} title what pressing it does
 */
export function tagList(tags, onClick, title) {
  const list = h("span", "wb-tags");
  list.append(
    ...tags.map((tag) => {
      const node = button("wb-tag", tag, (event) => {
        event.stopPropagation();
        onClick(tag);
      });
      node.title = title(tag);
      node.addEventListener("keydown", (event) => event.stopPropagation()); // Enter is the tag's, not the row's
      return node;
    }),
  );
  return list;
}
