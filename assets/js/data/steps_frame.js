/* Part of DataSteps: the bar above the steps, their list, and what is said of them as a whole. */
import { button, emptyState, h, setText } from "../lib/dom.js";

/**
 * How the steps stand: `busy` says what is being done, '' nothing; `problems` and `kept` (applied changes that can be
 * taken back) are counts; `rows` those of the dataset, by split.
 * @typedef {{
 *   busy: string, isUnsaved: boolean, problems: number, kept: number, rows: { train?: number, eval?: number },
 * }} Standing
 */

/**
 * What the bar says when nothing is being done.
 * @param {Standing} standing
 */
export function standingText({ isUnsaved, problems, rows: { train = 0, eval: held = 0 } }) {
  if (isUnsaved) return `Changed, ${problems ? `${problems} to put right` : "not applied yet"}`;
  return `${train.toLocaleString("en-US")} train${held ? ` + ${held.toLocaleString("en-US")} eval` : ""} rows, all applied`;
}

/**
 * @param {HTMLElement} root
 * @param {string[]} emptyLines
 * @param {{ menu: { button: HTMLElement, node: HTMLElement }, below: HTMLElement[] }} parts
 * @param {{ undo: () => void, discard: () => void, apply: () => void }} act
 */
export function stepsFrame(root, emptyLines, { menu, below }, act) {
  const empty = h("div"),
    body = h("div", "wb-builder-body wb-ds"),
    bar = h("div", "wb-ds-bar"),
    said = h("span", "wb-ds-said"),
    problem = h("div", "wb-note is-error"),
    list = h("ol", "wb-ds-list");
  const none = h(
    "div",
    "wb-ds-none",
    "No steps yet: the rows are as they were read. Add one, such as exact duplicates.",
  );
  const undo = button("wb-button", "Undo", act.undo, "Back to the steps there were before the last change"),
    discard = button("wb-button", "Discard", act.discard, "Back to the steps as they are applied"),
    apply = button("wb-button is-primary", "Apply", act.apply, "Make the dataset anew with these steps");
  apply.id = "apply-steps";
  said.setAttribute("role", "status");
  bar.append(menu.button, said, undo, discard, apply);
  body.append(bar, menu.node, problem, none, list, ...below);
  empty.append(emptyState(emptyLines));
  root.append(empty, body);
  empty.hidden = problem.hidden = body.hidden = true;

  /** @param {HTMLElement[]} nodes the steps */
  function drawList(nodes) {
    if (nodes.length !== list.childElementCount || nodes.some((node, place) => list.children[place] !== node)) {
      list.replaceChildren(...nodes);
    }
    none.hidden = Boolean(nodes.length);
  }

  /** @param {Standing} standing */
  function drawBar(standing) {
    const { isUnsaved, kept } = standing,
      isBusy = Boolean(standing.busy);
    bar.classList.toggle("is-unsaved", isUnsaved && !isBusy);
    root.classList.toggle("is-busy", isBusy);
    root.dataset.state = isBusy ? "busy" : isUnsaved ? "unsaved" : "applied";
    setText(said, standing.busy || standingText(standing));
    said.classList.toggle("is-running", isBusy);
    apply.disabled = discard.disabled = isBusy || !isUnsaved;
    undo.disabled = isBusy || isUnsaved || !kept;
    undo.title = isUnsaved
      ? "Apply or discard first"
      : kept
        ? `Back to the steps before the last change (${kept} kept)`
        : "Nothing was changed yet";
  }

  /** @param {string} text what went wrong, '' for all is well */
  function fail(text) {
    problem.hidden = !text;
    setText(problem, text);
  }
  /** @param {string} text */
  const say = (text) => setText(said, text);
  return { empty, body, drawList, drawBar, fail, say };
}
