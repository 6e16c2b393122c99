/* ShelfTable: a shelf's rows a page at a time, searched and sorted. props.drawing says how.
   server.rows_of({search, page, sort, descending, have}) gives {have, total, page, pages, moving, rows: [{key, cells, tags}]}, or only {have, moving}
   when the page is as it was. A click on a row sets the value to {key} and triggers 'input'. */

import { rootOf } from "../lib/component.js";
import { button, emptyState, h, setText, statusChip } from "../lib/dom.js";
import { poll } from "../lib/polling.js";
import { timeNode } from "../lib/time.js";
import { shelf } from "./mark.js";
import { tagList } from "./tags.js";

/** @typedef {{ title: string, kind: "text" | "number" | "status" | "time", sorts: boolean }} Column */
/** @typedef {{ key: string, cells: string[], tags: string[] }} Row */
/** @typedef {{ page: number, pages: number, total: number, rows: Row[] }} Page */

/** @param {import("../lib/component.js").Scope<{ key: string } | null, { drawing: Column[] }>} scope */
export function mount({ element, props, server, trigger }) {
  const root = rootOf(element, "wb-shelf-table");
  const columns = props.drawing;
  const PAUSE = 400,
    MOVING = 2000;

  let have = "",
    mark = /** @type {string | null} */ (null),
    moving = false,
    asked = 0,
    at = 0,
    total = 0,
    sort = /** @type {number | null} */ (null),
    descending = false;

  const search = h("input", "wb-input");
  Object.assign(search, { type: "search", placeholder: "Search", maxLength: 200 });
  search.setAttribute("aria-label", "Search the list");
  const back = button("wb-button", "‹", () => turn(at - 1), "Page before"),
    on = button("wb-button", "›", () => turn(at + 1), "Next page"),
    place = h("span", "wb-hint");
  const bar = h("div", "wb-st-bar"),
    body = h("div");
  bar.append(search, back, place, on);
  bar.hidden = true; // a short list has none
  root.append(bar, body);

  /** @param {number} to */
  function turn(to) {
    at = to;
    have = "";
    tick();
  }

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let typing;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => turn(0), 200);
  });

  /**
   * @template {HTMLElement} Node
   * @param {Node} node
   * @param {number} column
   */
  function side(node, column) {
    if (columns[column]?.kind === "number") node.className = "is-number";
    return node;
  }

  /**
   * @param {string} text
   * @param {number} column
   */
  function cell(text, column) {
    const node = side(h("td"), column),
      kind = columns[column]?.kind;
    if (kind === "status") node.append(statusChip(text, text));
    else if (kind === "time") node.append(timeNode(text));
    else setText(node, text);
    return node;
  }

  /**
   * The heading of a column; a click sorts by it, a second the other way round, a third not at all.
   * @param {Column} column
   * @param {number} number
   */
  function heading({ title, kind, sorts }, number) {
    const node = side(h("th"), number),
      isSorted = sort === number;
    if (!sorts) {
      setText(node, title);
      return node;
    }
    const firstDown = kind === "number" || kind === "time"; // the largest and the newest are looked for first
    const order = button("wb-sort", title, () => {
      if (!isSorted) [sort, descending] = [number, firstDown];
      else if (descending === firstDown) descending = !firstDown;
      else sort = null;
      turn(0);
    });
    order.dataset.sort = String(number);
    if (isSorted) node.setAttribute("aria-sort", descending ? "descending" : "ascending");
    node.append(order);
    return node;
  }

  /** @param {string} tag */
  function find(tag) {
    search.value = `#${tag}`;
    bar.hidden = false;
    search.focus();
    turn(0);
  }

  /** @param {Row} row */
  function line(row) {
    const node = h("tr");
    node.tabIndex = 0;
    node.dataset.key = row.key;
    node.append(...row.cells.map(cell));
    if (row.tags.length) node.cells[0]?.append(tagList(row.tags, find, (tag) => `Show only what is tagged ${tag}`));
    const choose = () => {
      props.value = { key: row.key };
      trigger("input");
    };
    node.addEventListener("click", choose);
    node.addEventListener("keydown", (event) => {
      if (event.key === "Enter") choose();
    });
    return node;
  }

  /** @param {Page} reply */
  function draw(reply) {
    at = reply.page;
    total = reply.total;
    bar.hidden = !search.value && reply.pages === 1 && total <= 10;
    back.disabled = at === 0;
    on.disabled = at >= reply.pages - 1;
    back.hidden = on.hidden = reply.pages === 1;
    setText(place, reply.pages === 1 ? `${total}` : `Page ${at + 1} of ${reply.pages} · ${total}`);
    if (!total) {
      body.replaceChildren(
        emptyState(search.value ? ["Nothing found", "No row has all these words.", ""] : props.empty),
      );
      return;
    }
    const head = h("tr"),
      rows = h("tbody"),
      top = h("thead"),
      table = h("table", "wb-table"),
      box = h("div", "wb-table-box");
    head.append(...columns.map(heading));
    rows.append(...reply.rows.map(line));
    top.append(head);
    table.append(top, rows);
    box.append(table);
    const held = document.activeElement,
      inside = held instanceof HTMLElement && body.contains(held),
      key = inside ? held.dataset.key : undefined,
      by = inside ? held.dataset.sort : undefined;
    body.replaceChildren(box);
    if (by !== undefined) /** @type {HTMLElement | null} */ (head.querySelector(`[data-sort="${by}"]`))?.focus();
    if (key !== undefined) rows.querySelectorAll("tr")[reply.rows.findIndex((row) => row.key === key)]?.focus();
  }

  /** Asks when the shelf changed, when another page is wanted, and now and then while something on the page moves. */
  const tick = poll(root, async () => {
    const now = shelf.mark,
      due = moving && performance.now() - asked >= MOVING;
    if (have && now === mark && !due) return PAUSE;
    asked = performance.now();
    const query = { search: search.value, page: at, sort, descending, have },
      reply = await server.rows_of(query);
    if (!reply || reply.error) return MOVING;
    const isWanted = search.value === query.search && at === query.page && have === query.have;
    if (!isWanted || sort !== query.sort || descending !== query.descending) return 1; // another one is wanted
    mark = now;
    moving = reply.moving;
    if (reply.rows) draw(reply);
    have = reply.have;
    return PAUSE;
  });
}
