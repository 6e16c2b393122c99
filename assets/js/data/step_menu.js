/* Part of DataSteps: the menu of the steps that can be added. */
import { button, h } from "../lib/dom.js";

/** @import { StepInfo } from "./step_row.js" */
/** @typedef {{ groups: { title: string, steps: string[] }[], steps: Record<string, StepInfo> }} Catalogue */

/**
 * `choose(method)` adds one. Returns {node, open(kind), close(), button}.
 * @param {Catalogue} catalogue
 * @param {(method: string) => void} choose
 */
export function stepMenu(catalogue, choose) {
  const node = h("div", "wb-dm"),
    list = h("div", "wb-dm-list");
  const opener = button("wb-button is-primary", "Add a step", () => (node.hidden ? open() : close()));
  const find = Object.assign(h("input", "wb-input"), { type: "search", placeholder: "Find a step …" });
  let kind = "";
  find.setAttribute("aria-label", "Find a step");
  opener.setAttribute("aria-expanded", "false");
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", "Steps to add");
  node.append(find, list);
  node.hidden = true;
  find.addEventListener("input", draw);
  find.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      usable()[0]?.click();
    }
  });
  node.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      close();
      opener.focus();
    }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") walk(event);
  });

  const usable = () => [...list.querySelectorAll("button")].filter((one) => !one.disabled);

  /** @param {KeyboardEvent} event */
  function walk(event) {
    const items = [find, ...usable()];
    const at = /** @type {(Element | null)[]} */ (items).indexOf(document.activeElement);
    items[Math.max(0, Math.min(items.length - 1, at + (event.key === "ArrowDown" ? 1 : -1)))].focus();
    event.preventDefault();
  }

  function draw() {
    const wanted = find.value.trim().toLowerCase();
    /** @param {string} name */
    const fits = (name) => {
      const { title, summary, kinds } = catalogue.steps[name];
      return (!kind || kinds.includes(kind)) && `${title} ${summary} ${name}`.toLowerCase().includes(wanted);
    };
    const groups = catalogue.groups.map(({ title, steps }) => ({ title, steps: steps.filter(fits) }));
    list.replaceChildren(...groups.filter(({ steps }) => steps.length).map(({ title, steps }) => group(title, steps)));
    if (!list.childElementCount) list.append(h("div", "wb-hint", "No step of that name works on these rows."));
  }

  /**
   * @param {string} title
   * @param {string[]} steps
   */
  function group(title, steps) {
    const part = h("div", "wb-dm-group"),
      grid = h("div", "wb-dm-grid");
    grid.append(...steps.map(item));
    part.append(h("div", "wb-dm-title", title), grid);
    return part;
  }

  /** @param {string} name */
  function item(name) {
    const info = catalogue.steps[name];
    const one = button("wb-dm-item", "", () => {
      close();
      choose(name);
    });
    one.append(h("b", "", info.title), h("span", "", info.unavailable || info.summary));
    one.disabled = Boolean(info.unavailable);
    one.dataset.method = name;
    return one;
  }

  function open() {
    node.hidden = false;
    opener.setAttribute("aria-expanded", "true");
    find.value = "";
    draw();
    find.focus({ preventScroll: true });
  }

  function close() {
    node.hidden = true;
    opener.setAttribute("aria-expanded", "false");
  }

  return {
    node,
    button: opener,
    close,
    /**
     * Shows the steps for rows of this kind.
     * @param {string} of
     */
    suit(of) {
      if (of !== kind) {
        kind = of;
        draw();
      }
    },
  };
}
