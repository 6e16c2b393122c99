// @ts-nocheck
/* js_on_load of ShelfTable. props: drawing ({columns, numbers, chip}), empty.
   server.rows_of({search, page, have}) gives {have, total, page, pages, moving, rows: [{key, cells}]}, or only {have, moving}
   when the page is as it was. A click on a row sets the value to {key} and triggers 'input'. */

import { emptyState, h, setText, statusChip } from "../lib/dom.js";
import { poll } from "../lib/polling.js";
import { shelf } from "./mark.js";

export function mount({ element, props, server, trigger }) {
  const root = element.querySelector(".wb-shelf-table");
  const { columns, numbers, chip: status } = props.drawing;
  const PAUSE = 400,
    MOVING = 2000;

  let have = "",
    mark = null,
    moving = false,
    asked = 0,
    at = 0,
    total = 0;

  const search = h("input", "wb-mb-input");
  Object.assign(search, { type: "search", placeholder: "Search", maxLength: 200 });
  search.setAttribute("aria-label", "Search the list");
  const back = h("button", "wb-button", "‹"),
    on = h("button", "wb-button", "›"),
    place = h("span", "wb-hint");
  [
    [back, "Page before"],
    [on, "Next page"],
  ].forEach(([button, name]) => {
    button.type = "button";
    button.setAttribute("aria-label", name);
  });
  const bar = h("div", "wb-st-bar"),
    body = h("div");
  bar.append(search, back, place, on);
  root.append(bar, body);

  function turn(to) {
    at = to;
    have = "";
    tick();
  }

  let typing = 0;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => turn(0), 200);
  });
  back.addEventListener("click", () => turn(at - 1));
  on.addEventListener("click", () => turn(at + 1));

  function side(node, column) {
    if (numbers.includes(column)) node.className = "is-number";
    return node;
  }

  function cell(text, column) {
    const node = side(h("td"), column);
    if (column === status) node.append(statusChip(text, text));
    else setText(node, text);
    return node;
  }

  function line(row) {
    const node = h("tr");
    node.tabIndex = 0;
    node.dataset.key = row.key;
    node.append(...row.cells.map(cell));
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
      table = h("table", "wb-table"),
      box = h("div", "wb-table-box");
    head.append(...columns.map((name, column) => side(h("th", "", name), column)));
    rows.append(...reply.rows.map(line));
    table.append(h("thead"), rows);
    table.tHead.append(head);
    box.append(table);
    const focused = body.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    body.replaceChildren(box);
    if (focused) [...rows.children].find((node) => node.dataset.key === focused)?.focus();
  }

  /** Asks when the shelf changed, when another page is wanted, and now and then while something on the page moves. */
  const tick = poll(root, async () => {
    const now = shelf.mark,
      due = moving && performance.now() - asked >= MOVING;
    if (have && now === mark && !due) return PAUSE;
    asked = performance.now();
    const query = { search: search.value, page: at, have },
      reply = await server.rows_of(query);
    if (!reply || reply.error) return MOVING;
    if (search.value !== query.search || at !== query.page || have !== query.have) return 1; // another one is wanted
    mark = now;
    moving = reply.moving;
    if (reply.rows) draw(reply);
    have = reply.have;
    return PAUSE;
  });
}
