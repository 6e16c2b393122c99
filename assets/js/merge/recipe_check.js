/* Part of MergeBuilder: what is wrong with the recipe, what is worth knowing of it, and what it will make. */
import { button, h, setText } from "../lib/dom.js";

/** @typedef {{ field?: string, message: string, remedy?: string }} Remark */
/** @typedef {{ problems?: Remark[], notes?: Remark[], facts?: [name: string, value: string][] }} Found */

/**
 * @param {"div" | "li"} tag
 * @param {string} className
 * @param {Remark} remark
 */
function line(tag, className, { field: where, message, remedy }) {
  const node = h(tag, className);
  if (where) node.append(h("code", "", where), " ");
  node.append(message);
  if (remedy) node.append(" ", h("span", "wb-merge-remedy", remedy));
  return node;
}

/**
 * The result of the check; the builder's `data-checked` says it too.
 * @param {HTMLElement} root
 * @param {() => void} startOver
 */
export function recipeCheck(root, startOver) {
  const node = h("div", "wb-merge-check"),
    head = h("div", "wb-merge-check-head"),
    state = h("span", "wb-chip"),
    problemList = h("div", "wb-notes"),
    noteList = h("ul", "wb-merge-notes"),
    factList = h("dl", "wb-kv");
  state.setAttribute("role", "status");
  head.append(state, button("wb-link", "Start over", startOver, "Two models that fit, by SLERP"));
  node.append(head, problemList, noteList, factList);

  function showChecking() {
    setText(state, "Checking …");
    state.className = "wb-chip is-queued";
    delete root.dataset.checked;
  }

  /** @param {Found} found */
  function show({ problems = [], notes = [], facts = [] }) {
    const count = problems.length === 1 ? "One thing" : `${problems.length} things`;
    setText(state, problems.length ? `${count} to put right` : "Ready to merge");
    state.className = `wb-chip ${problems.length ? "is-failed" : "is-done"}`;
    problemList.replaceChildren(...problems.map((one) => line("div", "wb-note is-error", one)));
    noteList.replaceChildren(...notes.map((one) => line("li", "", one)));
    factList.replaceChildren(...facts.flatMap(([name, value]) => [h("dt", "", name), h("dd", "", value)]));
    root.dataset.checked = problems.length ? "problems" : "ready";
  }

  return { node, showChecking, show };
}
