/* One setting of a merge method: a number or a flag, or a glance at what it varies over, and the button that opens the
   editor. The builder puts its node into the page and calls `sync` when the recipe has changed. */
import { FlagControl } from "../forms/controls/choice.js";
import { NumberControl } from "../forms/controls/text.js";
import { useTyped } from "../forms/controls/typed.js";
import { h } from "../lib/dom.js";
import { createElement, html, render, useId } from "../lib/preact.js";
import { short } from "./curve.js";
import { boundsText, glanceText, isNumber, isNumberList, isWithin, kindOf, writeNumbers } from "./setting_values.js";

/** @import { ModuleValue, Parameter } from "./setting_values.js" */

/**
 * How a setting is read and written: undefined is 'not set', `inherited` what counts then; `about` names the model it is
 * a setting of, '' for all.
 * @typedef {{
 *   get: () => any, set: (value: any) => void, inherited: () => any, about: () => string,
 *   open: (control: SettingControl) => void,
 * }} SettingAccess
 */
/** What the builder holds of a setting; `trigger` is the button that opened the editor. @typedef {{ node: HTMLElement, sync: () => void, parameter: Parameter, get: () => any, set: (value: any) => void, about: () => string, trigger: () => HTMLElement | null }} SettingControl */

const GLANCE = [0.1, 0.2, 0.9, 0.9, 0.3];

/**
 * @param {Parameter} parameter
 * @param {SettingAccess} access
 * @returns {SettingControl}
 */
export function settingControl(parameter, access) {
  const isFlag = parameter.kind === "bool",
    node = h("div", isFlag ? "wb-merge-setting is-flag" : "wb-merge-setting");
  const { get, set, about } = access;
  /** @type {SettingControl} */
  const control = {
    node,
    parameter,
    get,
    set,
    about,
    sync: () => render(createElement(isFlag ? FlagSetting : NumberSetting, { parameter, access, control }), node),
    trigger: () => node.querySelector(".wb-merge-glance:not([hidden]), .wb-merge-vary:not([hidden])"),
  };
  control.sync();
  return control;
}

/** @typedef {{ parameter: Parameter, access: SettingAccess, control: SettingControl }} SettingProps */

/** @param {Parameter} parameter */
const helpText = (parameter) =>
  [parameter.help, boundsText(parameter), `In YAML: ${parameter.name}.`].filter(Boolean).join(" ");

/**
 * A checkbox; a value that is no yes or no is left to YAML.
 * @param {SettingProps} props
 */
function FlagSetting({ parameter, access, control }) {
  const id = useId(),
    value = access.get() ?? access.inherited();
  /** @param {boolean} isOn */
  function set(isOn) {
    access.set(isOn);
    control.sync();
  }
  const isMixed = value !== undefined && value !== null && typeof value !== "boolean";
  return html`<label title=${helpText(parameter)}>
    ${createElement(FlagControl, { value: value === true, isMixed, set, aria: { id }, isBad: false })}${parameter.label}
  </label>`;
}

/** @param {SettingProps} props */
function NumberSetting({ parameter, access, control }) {
  const value = access.get(),
    counts = access.inherited(),
    isVaried = kindOf(value) !== "one",
    open = () => access.open(control),
    title = `Vary ${parameter.label} over layers or modules`;
  return [
    html`<label title=${helpText(parameter)}>${parameter.label}</label>`,
    html`<div class="wb-merge-setting-box">
      ${!isVaried && createElement(NumberInput, { parameter, access, control, value, counts })}
      ${createElement(Glance, { value, isHidden: !isVaried, open })}
      <button
        type="button"
        class="wb-merge-vary"
        title=${title}
        aria-label=${title}
        hidden=${isVaried || parameter.kind !== "float"}
        onClick=${open}
      >${createElement(Sparkline, { values: GLANCE })}</button>
    </div>`,
  ];
}

/** @param {SettingProps & { value: any, counts: any }} props */
function NumberInput({ parameter, access, control, value, counts }) {
  const id = useId(),
    typed = useTyped(value),
    model = access.about();
  /** @param {any} next @param {string} [text] @param {string} [problem] */
  function set(next, text = "", problem = "") {
    const number = isNumber(next) ? next : undefined;
    typed.keep(number, text, problem);
    access.set(number);
    control.sync();
  }
  const isMissing = parameter.required && value === undefined && counts === undefined;
  const isBad = isMissing || Boolean(typed.problem) || (isNumber(value) && !isWithin(parameter, value));
  const usual = counts === undefined || counts === null ? "" : kindOf(counts) === "one" ? short(counts) : "varies";
  return createElement(NumberControl, {
    field: { low: parameter.low, high: parameter.high, whole: parameter.kind === "int", above: false, below: false },
    value: isNumber(value) ? short(value) : "",
    text: typed.text,
    placeholder: usual,
    set,
    isBad,
    aria: {
      id,
      "aria-label": `${parameter.label}${model ? ` of ${model}` : ""}`,
      "aria-invalid": String(isBad),
      title: boundsText(parameter),
    },
  });
}

/**
 * What a value varies over.
 * @param {{ value: any, isHidden: boolean, open: () => void }} props
 */
function Glance({ value, isHidden, open }) {
  const rows = /** @type {ModuleValue[]} */ (kindOf(value) === "modules" ? [value].flat() : []);
  const text = isHidden ? "" : glanceText(value);
  const lines = rows.map((row) => `${row.filter || "everything else"}: ${writeNumbers(row.value)}`);
  return html`<button
    type="button"
    class="wb-merge-glance"
    title=${lines.join("\n") || text}
    hidden=${isHidden}
    onClick=${open}
  >
    ${isNumberList(value) && createElement(Sparkline, { values: value })}<span>${text}</span>
  </button>`;
}

/**
 * A line through the values.
 * @param {{ values: number[] }} props
 */
function Sparkline({ values }) {
  const low = Math.min(0, ...values),
    high = Math.max(1e-9, 1, ...values);
  const points = values.map(
    (value, index) => `${(index / (values.length - 1 || 1)) * 36},${13 - ((value - low) / (high - low)) * 12}`,
  );
  return html`<svg viewBox="0 0 36 14" class="wb-merge-spark" aria-hidden="true"><polyline points=${points.join(" ")} /></svg>`;
}
