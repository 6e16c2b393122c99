/* Part of DataRows: the line one searches with, the pager and the place of the rows; `draw` shows where one is. */
import { button, emptyState, h, select, setText } from "../lib/dom.js";

/** @import { BadRow, Card } from "./row_cards.js" */
/** @typedef {"train" | "eval" | "bad"} Split */
/**
 * Which rows are shown: `count` of them from `start`, in all or only those with `words` in the turns of `part`.
 * @typedef {{
 *   split: Split, start: number, count: number, words: string, regex: boolean, case: boolean, part: string,
 *   dataset?: string,
 * }} View
 */
/** @typedef {"conversation" | "preference" | "unpaired" | "text" | "prompts"} RowKind */
/**
 * What there is: `total` counts rows, bad rows or the hits so far; `undo` says what can be taken back.
 * @typedef {{
 *   kind: RowKind, splits: { train: number, eval: number }, bad: number, undo: string, total: number, complete: boolean,
 *   rows: Card[], badRows: BadRow[],
 * }} Found
 */
/**
 * @typedef {{
 *   look: () => void, turnTo: (start: number) => void, showSplit: (split: Split) => void, undo: () => void,
 *   writeNew: () => void, downloadBad: () => void,
 * }} FrameActions
 */

const SIZES = [5, 10, 20, 50];

/** @param {number} count */
const written = (count) => count.toLocaleString("en-US");

/**
 * What is said when there are no rows: title, sentence, what to do.
 * @param {View} view
 */
function nothing({ words, split }) {
  if (split === "bad") return ["No bad rows", "Everything in the source could be read.", ""];
  if (words) return [`No row of ${split} has that`, "Search for less, in all turns, or in the other split.", ""];
  if (split === "eval") return ["Nothing is held back for evaluation", "", "Use 'Split again or delete' above."];
  return ["No rows", `The ${split} split of this dataset is empty.`, ""];
}

/**
 * '11–20 of 4,000+ hits'; '' when none are shown.
 * @param {View} view
 * @param {Found} found
 * @param {number} shown
 */
export function placeText({ split, start, words }, { total, complete }, shown) {
  const what = split === "bad" ? "bad rows" : words ? "hits" : "rows";
  if (!shown) return "";
  return `${written(start + 1)}–${written(start + shown)} of ${written(total)}${complete ? "" : "+"} ${what}`;
}

/**
 * Words to search for, where, and how; Enter or a short rest begin the search.
 * @param {View} view
 * @param {() => void} look
 */
function searchBar(view, look) {
  const node = h("span", "wb-dr-search"),
    words = Object.assign(h("input", "wb-input"), { type: "search", placeholder: "Search the rows", maxLength: 1000 });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const part = select(
    [
      ["all", "everywhere"],
      ["user", "user"],
      ["assistant", "assistant"],
      ["system", "system"],
      ["tool", "tool"],
    ],
    "all",
    "Search in the turns of",
  );
  /**
   * @param {string} text
   * @param {string} title
   * @param {"case" | "regex"} name
   */
  function toggle(text, title, name) {
    const one = button("wb-dr-toggle", text, () => search({ [name]: !view[name] }), title);
    one.setAttribute("aria-label", title);
    return one;
  }
  const toggles = {
    case: toggle("Aa", "Upper and lower case matter", "case"),
    regex: toggle(".*", "Regular expression (RE2)", "regex"),
  };
  words.setAttribute("aria-label", "Search the rows");
  words.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, 250);
  });
  words.addEventListener("keydown", (event) => {
    if (event.key === "Enter") search();
  });
  part.addEventListener("change", () => search());
  node.append(words, part, toggles.case, toggles.regex);

  /** @param {Partial<View>} [news] */
  function search(news) {
    clearTimeout(timer);
    Object.assign(view, news, { words: words.value, part: part.value, start: 0 });
    look();
  }

  /** Shows how the view searches; `isTaken`: it came from elsewhere, so its words do too. */
  function draw(isTaken = false) {
    if (isTaken) [words.value, part.value] = [view.words, view.part];
    toggles.case.setAttribute("aria-pressed", String(view.case));
    toggles.regex.setAttribute("aria-pressed", String(view.regex));
  }
  return { node, draw };
}

/**
 * The frame of the rows of `view`, drawn into `root`; the view is changed in place.
 * @param {HTMLElement} root
 * @param {View} view
 * @param {string[]} emptyLines
 * @param {FrameActions} act
 */
export function rowsFrame(root, view, emptyLines, act) {
  const empty = h("div"),
    body = h("div", "wb-builder-body wb-dr"),
    splits = h("div", "wb-segmented"),
    problem = h("div", "wb-note is-error"),
    rows = h("div", "wb-rows"),
    said = h("div", "wb-dr-said"),
    where = h("span", "wb-dr-where"),
    searchLine = h("div", "wb-dr-line"),
    pagerLine = h("div", "wb-dr-line is-pager"),
    tools = h("span", "wb-dr-tools"),
    search = searchBar(view, act.look);
  const back = button("wb-button", "←", () => act.turnTo(view.start - view.count), "The page before"),
    forth = button("wb-button", "→", () => act.turnTo(view.start + view.count), "The next page"),
    undo = button("wb-button", "Undo", act.undo),
    add = button("wb-button", "Add a row", act.writeNew),
    save = button("wb-button", "Download all", act.downloadBad);
  const go = Object.assign(h("input", "wb-input is-number"), {
    type: "number",
    min: "1",
    step: "1",
    placeholder: "row",
  });
  go.setAttribute("aria-label", "Go to row");
  go.addEventListener("change", () => {
    if (go.value) act.turnTo(Math.max(0, Math.floor(Number(go.value)) - 1));
    go.value = "";
  });
  const count = select(
    SIZES.map((size) => [size, `${size} a page`]),
    10,
    "Rows a page",
  );
  count.addEventListener("change", () => {
    view.count = Number(count.value);
    act.turnTo(view.start);
  });
  splits.setAttribute("role", "group");
  splits.setAttribute("aria-label", "Which rows");
  said.setAttribute("role", "status");
  tools.append(undo, add, save);
  searchLine.append(splits, search.node);
  pagerLine.append(back, forth, where, go, count, tools, said);
  empty.append(emptyState(emptyLines));
  body.append(searchLine, pagerLine, problem, rows);
  root.append(empty, body);
  body.hidden = problem.hidden = true;

  /**
   * @param {Split} split
   * @param {string} title
   * @param {number} size
   */
  function splitButton(split, title, size) {
    const node = button("", title, () => act.showSplit(split));
    node.append(h("small", "", written(size)));
    node.setAttribute("aria-pressed", String(view.split === split));
    node.classList.toggle("is-on", view.split === split);
    return node;
  }

  /**
   * @param {Found} found
   * @param {HTMLElement[]} nodes the rows
   */
  function draw(found, nodes) {
    const isBad = view.split === "bad";
    rows.replaceChildren(...nodes);
    if (!nodes.length) rows.append(emptyState(nothing(view)));
    setText(where, placeText(view, found, nodes.length));
    back.disabled = view.start === 0;
    forth.disabled = view.start + nodes.length >= found.total && found.complete;
    search.node.hidden = add.hidden = isBad;
    save.hidden = !isBad || !found.total;
    undo.hidden = !found.undo;
    setText(undo, `Undo ${found.undo}`);
    undo.title = `Takes back: ${found.undo}`;
    search.draw();
    count.value = String(view.count);
    splits.replaceChildren(
      splitButton("train", "Train", found.splits.train),
      splitButton("eval", "Eval", found.splits.eval),
      ...(found.bad || isBad ? [splitButton("bad", "Bad rows", found.bad)] : []),
    );
  }

  /** @param {string | null | undefined} text what went wrong, nothing for all is well */
  function fail(text) {
    problem.hidden = !text;
    setText(problem, text);
  }
  /** @param {string} text */
  const say = (text) => setText(said, text);
  return { empty, body, rows, said, undo, draw, drawSearch: () => search.draw(true), fail, say };
}
