/* What a run says beside its numbers: warnings, each with its step, and notes. */
import { h, setText } from "../lib/dom.js";

/** @typedef {{ step: number, kind: string, text: string }} Alarm */

export function runMessages() {
  const alarms = h("ul", "wb-notes wb-live-alarms"),
    notes = h("details", "wb-live-notes"),
    summary = h("summary"),
    list = h("ul");
  alarms.setAttribute("role", "alert");
  notes.append(summary, list);

  /** @param {Alarm} alarm */
  function alarmItem({ step, text }) {
    const item = h("li", "wb-note is-warn");
    item.append(h("strong", "", `Step ${step}`), h("span", "", text));
    return item;
  }

  return {
    nodes: [alarms, notes],

    /**
     * @param {Alarm[]} warnings
     * @param {string[]} texts
     */
    draw(warnings, texts) {
      if (alarms.childElementCount !== warnings.length) alarms.replaceChildren(...warnings.map(alarmItem));
      alarms.hidden = !warnings.length;
      notes.hidden = !texts.length;
      setText(summary, texts.length === 1 ? "1 note" : `${texts.length} notes`);
      if (list.childElementCount !== texts.length) list.replaceChildren(...texts.map((text) => h("li", "", text)));
    },

    clear() {
      alarms.replaceChildren();
      list.replaceChildren();
      alarms.hidden = notes.hidden = true;
    },
  };
}
