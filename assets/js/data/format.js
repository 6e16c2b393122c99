/* DataFormat: which format the rows have and what becomes of their columns; a change by hand is followed by the event
   'submit'. */
import { rootOf } from "../lib/component.js";
import { createElement, render } from "../lib/preact.js";
import { FormatView } from "./format_view.js";

/** @import { Format } from "./column_roles.js" */
/** @import { FormatValue } from "./format_view.js" */

/** @param {import("../lib/component.js").Scope<FormatValue, { catalogue: Format[] }>} scope */
export function mount({ element, props, trigger, watch }) {
  const root = rootOf(element, "wb-data-format");
  let value = /** @type {FormatValue} */ ({}),
    sent = "",
    turn = 0;

  /** @param {Partial<FormatValue>} news */
  function change(news) {
    value = { ...value, ...news, detected: false, turn: ++turn };
    publish();
    draw();
    trigger("submit");
  }

  function publish() {
    sent = JSON.stringify(value);
    props.value = JSON.parse(sent);
  }

  function draw() {
    const focused = document.activeElement;
    root.hidden = Boolean(value.hidden);
    render(createElement(FormatView, { formats: props.catalogue, value, change }), root);
    // a line that moves to another place of the account would take the focus from what is in it
    if (focused instanceof HTMLElement && root.contains(focused)) focused.focus({ preventScroll: true });
  }

  /** Take over a value from Python; an answer to an earlier change must not undo a later one. */
  function begin() {
    if ((props.value?.turn ?? turn) < turn) {
      publish();
      return;
    }
    value = structuredClone(props.value || {});
    turn = Math.max(turn, value.turn || 0);
    draw();
  }

  begin();
  watch("value", () => {
    if (JSON.stringify(props.value) !== sent) begin();
  });
}
