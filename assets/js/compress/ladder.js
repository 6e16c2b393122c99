/* The ladder of the Compress tab: every quantizer a row with what it would make of the chosen model, to be ticked.
   props: value ({model, quantizers: [{method, type?, …settings}]}), catalogue, empty. server.estimates({model, settings})
   says what each would make; server.fit({model, gigabytes, settings}) which rung fits. */
import { rootOf } from "../lib/component.js";
import { emptyState, h } from "../lib/dom.js";
import { unreachedText } from "../lib/login.js";
import { createElement, render } from "../lib/preact.js";
import { LadderView } from "./ladder_view.js";
import { quantizersOf, rungOf, rungProblem, settingsByMethod } from "./rungs.js";

/** @import { Catalogue, LadderActions, LadderState } from "./ladder_view.js" */
/** @import { Quantizer } from "./rungs.js" */
/** @typedef {{ model?: string, quantizers?: Quantizer[] }} Value */

const REST_MILLISECONDS = 80;

/** @param {import("../lib/component.js").Scope<Value, { catalogue: Catalogue }>} scope */
export function mount({ element, props, server, watch }) {
  const root = rootOf(element, "wb-ladder");
  const { catalogue } = props,
    { rungs, presets } = catalogue;

  const state = /** @type {LadderState} */ ({
    model: "",
    chosen: new Set(),
    settings: settingsByMethod(rungs, props.value?.quantizers || []),
    estimates: null,
    isAllShown: false,
    problem: "",
    fitText: "",
  });
  let sent = "",
    timer = 0,
    asked = 0;

  const empty = h("div"),
    body = h("div", "wb-ladder-body");
  empty.append(emptyState(props.empty));
  empty.hidden = true;
  root.append(empty, body);

  /** @type {LadderActions} */
  const act = {
    choose(key, isOn) {
      if (isOn) state.chosen.add(key);
      else state.chosen.delete(key);
      publish();
      draw();
    },
    take(keys) {
      take(keys);
      state.fitText = "";
      draw();
    },
    fit,
    set(method, settings) {
      state.settings = { ...state.settings, [method]: settings };
      publish();
      draw();
      ask();
    },
    showAll() {
      state.isAllShown = true;
      draw();
    },
  };

  function draw() {
    body.hidden = !state.model;
    render(createElement(LadderView, { catalogue, state, act }), body);
  }

  /** @param {string} key */
  function isUsable(key) {
    const rung = rungs.find((each) => each.key === key);
    return rung !== undefined && !rungProblem(rung, state.estimates);
  }

  /** @param {string[]} keys */
  function take(keys) {
    state.chosen = new Set(keys.filter(isUsable));
    publish();
  }

  /** @param {number} gigabytes */
  async function fit(gigabytes) {
    const { model, settings } = state;
    const reply = await server.fit({ model, gigabytes, settings }).catch(() => null);
    if (reply?.keys) take(reply.keys);
    state.fitText = reply?.text || reply?.error || unreachedText();
    draw();
  }

  function publish() {
    const { model, chosen, settings } = state;
    sent = JSON.stringify({ model, quantizers: quantizersOf(rungs, chosen, settings) });
    props.value = JSON.parse(sent);
  }

  /* ---- what each would make ------------------------------------------------------------------------------ */

  function ask(rest = REST_MILLISECONDS) {
    clearTimeout(timer);
    timer = setTimeout(estimate, rest);
  }

  async function estimate() {
    const mine = ++asked,
      { model, settings } = state;
    delete root.dataset.model;
    root.classList.add("is-waiting");
    const reply = await server.estimates({ model, settings }).catch(() => null);
    if (mine !== asked) return;
    root.classList.remove("is-waiting");
    empty.hidden = Boolean(model) || reply?.waiting !== false;
    state.problem = reply ? reply.error || "" : unreachedText();
    state.estimates = reply?.rows ? reply : null;
    if (state.estimates) {
      state.chosen = new Set([...state.chosen].filter(isUsable));
      root.dataset.model = model;
    }
    if (model) publish();
    draw();
  }

  /* ---- coming and going ---------------------------------------------------------------------------------- */

  /**
   * Takes over a value from Python or from before the tab was left.
   * @param {Value} value
   */
  function begin(value) {
    const keys = value.quantizers?.flatMap((quantizer) => rungOf(rungs, quantizer)?.key ?? []);
    if (keys) state.chosen = new Set(keys);
    else if (!state.chosen.size) state.chosen = new Set(presets[0]?.keys || []);
    const isOther = value.model !== state.model || !state.estimates;
    if (isOther) Object.assign(state, { model: value.model || "", estimates: null });
    draw();
    if (isOther) ask(0);
  }

  begin(props.value || {});
  watch("value", () => {
    if (props.value && JSON.stringify(props.value) !== sent) begin(props.value);
  });
}
