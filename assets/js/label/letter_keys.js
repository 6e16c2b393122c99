/* Whether single letters and digits vote. Who speaks to the computer, or slips on the keyboard, can switch that off;
   it stays so in this browser. */
import { storage } from "../lib/browser.js";
import { h } from "../lib/dom.js";

const KEY = "workbench.letter-keys";

/**
 * The switch, and whether it is on; the pad's `data-letters` says so too.
 * @param {HTMLElement} pad
 */
export function letterKeys(pad) {
  const node = h("label", "wb-vote-letters"),
    box = h("input");
  box.type = "checkbox";
  box.checked = storage.get(KEY) !== "off";
  const tell = () => {
    pad.dataset.letters = box.checked ? "on" : "off";
  };
  box.addEventListener("change", () => {
    storage.set(KEY, box.checked ? "on" : "off");
    tell();
  });
  tell();
  node.append(box, h("span", "", "Letters and digits vote"));
  return { node, isOn: () => box.checked };
}
