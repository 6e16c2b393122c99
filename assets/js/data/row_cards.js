/* Part of DataRows: one row as a card. Texts come as pieces, each second one found; all become text nodes. */
import { button, h } from "../lib/dom.js";

/**
 * @typedef {{
 *   role: string, look: string, beside?: string, thought?: string, pieces: string[], before?: number, after?: number,
 *   calls?: { name: string[], pieces: string[] }[],
 * }} Turn
 */
/**
 * @typedef {{
 *   place: number, id: number | string, turns: Turn[], cut?: boolean, more?: number, metadata?: string,
 *   tools: { name: string, text: string }[],
 * }} Card
 */
/** @typedef {{ file?: string, line: number, reason: string, raw: string }} BadRow */
/** @typedef {(card: Card, node: HTMLElement) => void} Action */
/** @typedef {{ edit: Action, remove: Action, open: Action }} Actions */

/**
 * Pieces as nodes in `place`, the found ones marked.
 * @param {HTMLElement} place
 * @param {string[]} list
 */
export function pieces(place, list) {
  list.forEach((piece, at) => {
    if (piece) place.append(at % 2 ? h("mark", "", piece) : piece);
  });
}

/**
 * @param {number} count
 * @param {string} word
 */
export const many = (count, word) => `${count.toLocaleString("en-US")} ${word}${count === 1 ? "" : "s"}`;

/** @param {Turn} turn */
function turnNodes(turn) {
  const name = h("dt", `is-${turn.look}`, turn.role),
    text = h("dd");
  if (turn.beside) name.append(h("small", "", turn.beside));
  if (turn.thought) text.append(h("span", "wb-dr-thought", turn.thought));
  if (turn.before) text.append(h("span", "wb-dr-cut", `… ${many(turn.before, "character")} before …\n`));
  pieces(text, turn.pieces);
  if (turn.after) text.append(h("span", "wb-dr-cut", `\n… ${many(turn.after, "character")} more …`));
  for (const call of turn.calls || []) {
    const node = h("div", "wb-dr-call"),
      name = h("b", "", "calls "),
      code = h("pre");
    pieces(name, call.name);
    pieces(code, call.pieces);
    node.append(name, code);
    text.append(node);
  }
  return [name, text];
}

/**
 * What is seldom looked at, folded away.
 * @param {string} title
 * @param {string} text
 */
function folded(title, text) {
  const node = h("details", "wb-dr-fold");
  node.append(h("summary", "", title), h("pre", "", text));
  return node;
}

/** @param {Card} card */
function foldsOf(card) {
  const folds = [];
  if (card.tools.length) {
    const names = card.tools.map((tool) => tool.name).join(", ");
    folds.push(folded(`${many(card.tools.length, "tool")}: ${names}`, card.tools.map((tool) => tool.text).join("\n")));
  }
  if (card.metadata) folds.push(folded("metadata", card.metadata));
  return folds;
}

/**
 * Scrolls a long text to what was found in it.
 * @param {Element} text
 */
function toMark(text) {
  const mark = text.querySelector("mark");
  if (mark) text.scrollTop += mark.getBoundingClientRect().top - text.getBoundingClientRect().top - 40;
}

/**
 * The card; `on` has what can be done with it: edit, remove, open.
 * @param {Card} card
 * @param {Actions} on
 * @returns {HTMLElement}
 */
export function cardNode(card, on) {
  const node = h("article", "wb-row wb-dr-card"),
    head = h("div", "wb-dr-head"),
    list = h("dl");
  const number = (card.place + 1).toLocaleString("en-US");
  node.setAttribute("aria-label", `Row ${number}`);
  const tools = h("span", "wb-dr-actions");
  if (card.cut) tools.append(button("wb-link", "Show all", () => on.open(card, node)));
  const edit = button("wb-link", "Edit", () => on.edit(card, node));
  const remove = button("wb-link is-bad", "Delete", () => on.remove(card, node));
  edit.setAttribute("aria-label", `Edit row ${number}`);
  remove.setAttribute("aria-label", `Delete row ${number}`);
  tools.append(edit, remove);
  head.append(h("span", "wb-dr-number", number), tools);
  for (const turn of card.turns) list.append(...turnNodes(turn));
  node.append(head, list);
  if (card.more) node.append(h("div", "wb-hint", `… ${many(card.more, "further turn")}`));
  node.append(...foldsOf(card));
  requestAnimationFrame(() => list.querySelectorAll("dd:has(mark)").forEach(toMark));
  return node;
}

/**
 * A row that could not be read.
 * @param {BadRow} row
 */
export function badNode(row) {
  const node = h("article", "wb-row wb-dr-bad"),
    head = h("div", "wb-dr-head");
  head.append(
    h("b", "", `${row.file ? `${row.file} ` : ""}line ${row.line.toLocaleString("en-US")}`),
    h("span", "", row.reason),
  );
  node.append(head, h("pre", "", row.raw));
  return node;
}
