/* Part of DataSteps: the rows a step removed, changed or flagged, a page at a time, each with a way back. */
import { button, h, setText } from "../lib/dom.js";
import { formatNumber } from "../lib/format.js";
import { compared, marked, pairedParts, partsOf } from "./row_texts.js";

/** @import { Row } from "./row_texts.js" */
/** @typedef {"removed" | "changed" | "flagged"} What */
/** @typedef {{ id: number, row: Row, after?: Row | null, reason: string, found?: string[], restored: boolean }} TouchedRow */
/** @typedef {(what: What, start: number, count: number) => Promise<{ error?: string, total: number, rows: TouchedRow[] }>} Ask */
/** @typedef {(ids: number[], back: boolean) => Promise<string>} Restore */

const PAGE_ROWS = 10;
const BACK = {
  removed: ["Restore", "Take out again", "Restore"],
  changed: ["Undo the change", "Change it again", "Undo"],
  flagged: ["Remove the flag", "Flag it again", "Remove the flags of"],
};

/**
 * The page of one step. `ask(what, start, count)` resolves to {total, rows}; `restore(ids, back)` to an error text
 * or ''. `close()` is called by the button. Returns {node, show(what)}.
 * @param {{ ask: Ask, restore: Restore, close: () => void }} act
 */
export function touchedPage({ ask, restore, close }) {
  const node = h("section", "wb-dt"),
    head = h("div", "wb-dt-head"),
    list = h("div", "wb-dt-rows");
  const title = h("b"),
    said = h("span", "wb-hint"),
    foot = h("div", "wb-dt-foot");
  const view = { what: /** @type {What} */ ("removed"), start: 0, total: 0, asked: 0 };
  /** @type {TouchedRow[]} */
  let touched = [];
  const all = button("wb-link", "", () =>
    turn(
      touched.filter((row) => !row.restored),
      true,
    ),
  );
  said.setAttribute("role", "status");
  head.append(title, said, all, button("wb-icon", "✕", close, "Close"));
  const back = button("wb-button", "Back", () => go(view.start - PAGE_ROWS));
  const next = button("wb-button", "Next", () => go(view.start + PAGE_ROWS));
  const where = h("span", "wb-hint");
  foot.append(back, where, next);
  node.append(head, list, foot);

  /** @param {number} start */
  async function go(start) {
    const mine = ++view.asked;
    view.start = Math.max(0, start);
    setText(said, "Reading …");
    const reply = await ask(view.what, view.start, PAGE_ROWS);
    if (mine !== view.asked) return;
    if (reply.error) {
      setText(said, "");
      list.replaceChildren(h("div", "wb-note is-warn", reply.error));
      foot.hidden = all.hidden = true;
      return;
    }
    [view.total, touched] = [reply.total, reply.rows];
    draw();
  }

  function draw() {
    setText(title, `${formatNumber(view.total)} ${view.what}`);
    setText(said, "");
    list.replaceChildren(...touched.map(card));
    if (!touched.length) list.append(h("div", "wb-hint", "There are none."));
    const last = view.start + touched.length;
    setText(where, `${formatNumber(view.start + 1)}–${formatNumber(last)} of ${formatNumber(view.total)}`);
    foot.hidden = view.total <= PAGE_ROWS;
    back.disabled = view.start === 0;
    next.disabled = last >= view.total;
    const left = touched.filter((row) => !row.restored).length;
    all.hidden = left < 2;
    setText(all, `${BACK[view.what][2]} all ${left} shown`);
  }

  /** @param {TouchedRow} row */
  function card(row) {
    const box = h("article", "wb-dt-row"),
      top = h("div", "wb-dt-why");
    box.classList.toggle("is-restored", row.restored);
    const word = button("wb-button", BACK[view.what][row.restored ? 1 : 0], () => turn([row], !row.restored));
    top.append(
      h("span", "wb-dt-number", row.id < 0 ? "new" : `row ${formatNumber(row.id)}`),
      h("span", "wb-dt-reason", row.restored ? `Restored. ${row.reason}` : row.reason),
      word,
    );
    box.append(top, row.after ? changes({ ...row, after: row.after }) : texts(row));
    return box;
  }

  /**
   * @param {TouchedRow[]} rows
   * @param {boolean} on
   */
  async function turn(rows, on) {
    setText(said, on ? "Restoring …" : "Taking it back …");
    node.querySelectorAll("button").forEach((one) => {
      one.disabled = true;
    });
    const error = await restore(
      rows.map((row) => row.id),
      on,
    );
    node.querySelectorAll("button").forEach((one) => {
      one.disabled = false;
    });
    if (error) {
      setText(said, error);
      return;
    }
    for (const row of rows) row.restored = on;
    const place = touched.indexOf(rows[0]);
    draw();
    setText(said, rows.length > 1 ? `${rows.length} rows restored.` : on ? "Restored." : "Taken back.");
    list.children[place]?.querySelector("button")?.focus();
  }

  /** @param {What} what */
  const show = (what) => {
    view.what = what;
    list.replaceChildren();
    return go(0);
  };
  return {
    node,
    show,
    get what() {
      return view.what;
    },
  };
}

/**
 * The texts of a row with what was found marked.
 * @param {TouchedRow} row
 */
function texts(row) {
  const list = h("dl", "wb-dt-parts");
  for (const [label, text] of partsOf(row.row)) {
    const place = h("dd");
    marked(place, text, row.found);
    list.append(h("dt", `is-${label}`, label), place);
  }
  return list;
}

/**
 * Before and after of a changed row; parts that stay the same are shown once, in grey.
 * @param {TouchedRow & { after: Row }} row
 */
function changes(row) {
  const list = h("dl", "wb-dt-parts");
  for (const [label, before, after] of pairedParts(row.row, row.after)) {
    const place = h("dd");
    if (before === after) place.append(h("div", "wb-dt-text is-same", before));
    else place.append(pairOf(before, after, row.found));
    list.append(h("dt", `is-${label}`, label), place);
  }
  return list;
}

/**
 * @param {string | null} before
 * @param {string | null} after
 * @param {string[] | undefined} found
 */
function pairOf(before, after, found) {
  const node = h("div", "wb-dt-pair");
  const [old, fresh] = compared(before ?? "", after ?? "");
  if (after === null && before !== null) {
    old.replaceChildren();
    marked(old, before, found, "is-out");
  }
  node.append(
    side("before", before === null ? h("div", "wb-hint", "not there") : old),
    side("after", after === null ? h("div", "wb-hint", "taken out") : fresh),
  );
  return node;
}

/**
 * @param {string} name
 * @param {Node} text
 */
export function side(name, text) {
  const node = h("div", `wb-dt-side is-${name}`);
  node.append(h("span", "wb-dt-when", name), text);
  return node;
}
