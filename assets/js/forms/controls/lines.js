/* Texts, one a line. Where there is a list of what they may be, its entries can be added; others can be written. */
import { createElement, html } from "../../lib/preact.js";
import { MOST_LISTED_CHOICES, Picker } from "./picker.js";
import { LinesArea } from "./text.js";

/** @import { Choice } from "../settings.js" */
/** @import { ControlProps } from "./control.js" */

/** @param {ControlProps} props */
export function LinesControl({ values: _, lists, ...props }) {
  const { field, value, set, aria } = props;
  const offered = lists[field.list ?? ""] || [],
    lines = /** @type {string[]} */ (value || []);
  const written = new Set(lines.map((line) => line.toLowerCase())),
    known = new Set(offered.map(([, name]) => name.toLowerCase()));
  const left = offered.filter(([, name]) => !written.has(name.toLowerCase())),
    unknown = lines.filter((line) => !known.has(line.toLowerCase()));
  /** @param {string} name */
  function add(name) {
    set([...lines, name]);
    if (left.length === 1) document.getElementById(aria.id)?.focus(); // the list goes away
  }
  return [
    createElement(LinesArea, props),
    left.length > 0 &&
      createElement(Picker, {
        field: { ...field, label: `Add to ${field.label}` },
        choices: left,
        value: "",
        blank: "Add from the list",
        hasBlank: false,
        isSearched: offered.length > MOST_LISTED_CHOICES,
        pick: add,
        aria: { id: `${aria.id}-add`, "aria-label": `Add to ${field.label}` },
        isBad: false,
        byHand: true,
      }),
    offered.length > 0 &&
      unknown.length > 0 &&
      html`<small class="wb-hint">Not in the list: ${unknown.join(", ")}</small>`,
  ];
}
