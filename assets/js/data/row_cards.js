// @ts-nocheck
/* Part of DataRows: one row as a card. Texts come as pieces, each second one found; all become text nodes. */
import { button, h } from "../lib/dom.js";

/** Pieces as nodes in `place`, the found ones marked. */
export function pieces(place, list) {
  list.forEach((piece, at) => {
    if (piece) place.append(at % 2 ? h("mark", "", piece) : piece);
  });
}

export const many = (count, word) => `${count.toLocaleString("en-US")} ${word}${count === 1 ? "" : "s"}`;

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

/** What is seldom looked at, folded away. */
function folded(title, text) {
  const node = h("details", "wb-dr-fold");
  node.append(h("summary", "", title), h("pre", "", text));
  return node;
}

function foldsOf(card) {
  const folds = [];
  if (card.tools.length) {
    const names = card.tools.map((tool) => tool.name).join(", ");
    folds.push(folded(`${many(card.tools.length, "tool")}: ${names}`, card.tools.map((tool) => tool.text).join("\n")));
  }
  if (card.metadata) folds.push(folded("metadata", card.metadata));
  return folds;
}

/** Scrolls a long text to what was found in it. */
function toMark(text) {
  const mark = text.querySelector("mark");
  text.scrollTop += mark.getBoundingClientRect().top - text.getBoundingClientRect().top - 40;
}

/** The card; `on` has what can be done with it: edit, remove, open. */
export function cardNode(card, on) {
  const node = h("article", "wb-row wb-dr-card"),
    head = h("div", "wb-dr-head"),
    list = h("dl");
  const number = (card.place + 1).toLocaleString("en-US");
  node.setAttribute("aria-label", `Row ${number}`);
  const tools = h("span", "wb-dr-actions");
  if (on) {
    if (card.cut) tools.append(button("wb-mb-link", "Show all", () => on.open(card, node)));
    const edit = button("wb-mb-link", "Edit", () => on.edit(card, node));
    const remove = button("wb-mb-link is-bad", "Delete", () => on.remove(card, node));
    edit.setAttribute("aria-label", `Edit row ${number}`);
    remove.setAttribute("aria-label", `Delete row ${number}`);
    tools.append(edit, remove);
  }
  head.append(h("span", "wb-dr-number", number), tools);
  for (const turn of card.turns) list.append(...turnNodes(turn));
  node.append(head, list);
  if (card.more) node.append(h("div", "wb-hint", `… ${many(card.more, "further turn")}`));
  node.append(...foldsOf(card));
  requestAnimationFrame(() => list.querySelectorAll("dd:has(mark)").forEach(toMark));
  return node;
}

/** A row that could not be read. */
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
