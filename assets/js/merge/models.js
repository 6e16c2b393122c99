/* Part of MergeBuilder: small controls, and the list of whole models with what each brings along. */
import { uuid } from "../lib/browser.js";
import { button, h } from "../lib/dom.js";
import { takesBase } from "./recipe_rules.js";
import { boundsText } from "./setting_values.js";

/** @import { SettingControl } from "./setting.js" */
/** @import { Method, Mode, Model, Recipe, Source, recipeRules } from "./recipe_rules.js" */
/**
 * What the parts of the builder share; `named` says that the person chose the name of the result.
 * @typedef {{
 *   recipe: Recipe, output: string, seed: number, kernels: string, named: boolean, models: Map<string, Model>,
 *   methods: Map<string, Method>, rules: ReturnType<typeof recipeRules>, method: () => Method | undefined,
 *   changed: () => void, modelSelect: (value: string, onPick: (model: string) => void) => HTMLSelectElement,
 *   fillModels: (node: HTMLSelectElement, value: string) => void, firstModel: (taken?: string[]) => string,
 *   sourceControls: (source: Source, box: HTMLElement, host: HTMLElement) => SettingControl[],
 * }} App
 */
/** One source as it is drawn. @typedef {{ source: Source, base: HTMLElement, radio: HTMLInputElement, pick: HTMLSelectElement, controls: SettingControl[], node: HTMLElement }} ModelRow */

/**
 * A row of choices of which one holds.
 * @template {string} Value
 * @param {[value: Value, text: string][]} options
 * @param {string} label
 * @param {(value: Value) => void} onPick
 */
export function segmented(options, label, onPick) {
  const node = h("div", "wb-segmented"),
    buttons = /** @type {Map<string, HTMLButtonElement>} */ (new Map());
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", label);
  for (const [value, text] of options)
    buttons.set(
      value,
      button("", text, () => onPick(value)),
    );
  node.append(...buttons.values());
  /** @param {string} chosen */
  const show = (chosen) => buttons.forEach((one, value) => one.setAttribute("aria-pressed", String(value === chosen)));
  return { node, show };
}

/**
 * Buttons that move an item up and down its list; the focus goes with it.
 * @template Item
 * @param {Item[]} items
 * @param {number} i
 * @param {() => void} after
 * @param {HTMLElement} list
 */
export function mover(items, i, after, list) {
  /** @type {[step: number, sign: string, title: string][]} */
  const ways = [
    [-1, "↑", "Move up"],
    [1, "↓", "Move down"],
  ];
  return ways.map(([step, sign, title]) => {
    const node = button(
      "wb-icon",
      sign,
      () => {
        const to = i + step;
        [items[i], items[to]] = [items[to], items[i]];
        after();
        const usable = [...list.children[to].querySelectorAll("button.wb-icon")].filter(isUsable);
        (usable.find((one) => one.title === title) ?? usable[0])?.focus();
      },
      title,
    );
    node.disabled = i + step < 0 || i + step >= items.length;
    return node;
  });
}

/** @param {Element} node @returns {node is HTMLButtonElement} */
const isUsable = (node) => node instanceof HTMLButtonElement && !node.disabled;

/**
 * A whole number that is not a setting of the method.
 * @param {number} low
 * @param {number | null} [high]
 */
export function numberInput(low, high = null) {
  const input = h("input", "wb-input is-number");
  return Object.assign(input, { type: "number", step: "1", title: boundsText({ low, high }) });
}

/**
 * A labelled control.
 * @param {string} label
 * @param {HTMLElement} control
 */
export function field(label, control, help = "", className = "") {
  const node = h("label", `wb-labelled ${className}`);
  node.append(h("span", "", label), control);
  if (help) node.title = help;
  return node;
}

/**
 * The list of whole models: which, which is the base, and each one's settings.
 * @param {App} app
 */
export function modelsEditor(app) {
  const node = h("div", "wb-merge-models"),
    list = h("div", "wb-merge-list"),
    none = h("label", "wb-merge-base");
  const group = `base-${uuid().slice(0, 8)}`,
    noBase = baseRadio(group, () => setBase(undefined));
  none.append(noBase, document.createTextNode("no base model"));
  const add = button("wb-button", "Add model", () => {
    const model = app.firstModel(sources().map((one) => one.model));
    (app.recipe.models ||= []).push({ model, ...app.rules.startOf() });
    rebuild();
    app.changed();
    rows.at(-1)?.pick.focus();
  });
  const foot = h("div", "wb-merge-foot");
  foot.append(add, none);
  node.append(list, foot);
  let rows = /** @type {ModelRow[]} */ ([]);

  const sources = () => app.recipe.models || [];

  /** @param {string | undefined} model */
  function setBase(model) {
    app.rules.setBase(model);
    rebuild();
    app.changed();
    (rows.find((row) => row.radio.checked)?.radio || noBase).focus();
  }

  /**
   * @param {Source} source
   * @param {number} i
   * @returns {ModelRow}
   */
  function modelRow(source, i) {
    const node = h("section", "wb-merge-model"),
      line = h("div", "wb-merge-line"),
      host = h("div", "wb-merge-host");
    const base = h("label", "wb-merge-base"),
      radio = baseRadio(group, () => setBase(source.model));
    base.append(radio, document.createTextNode("base"));
    base.title = "What the others are measured against.";
    const pick = app.modelSelect(source.model, (model) => {
      const alone = !sources().some((one) => one !== source && one.model === source.model);
      if (app.recipe.base_model === source.model && alone) app.recipe.base_model = model;
      source.model = model;
      sync();
      app.changed();
    });
    const settings = h("div", "wb-merge-settings"),
      controls = app.sourceControls(source, settings, host);
    const remove = button(
      "wb-icon",
      "✕",
      () => {
        const all = sources();
        all.splice(i, 1);
        if (app.recipe.base_model === source.model) {
          app.rules.setBase(app.method()?.base === "required" ? all[0]?.model : undefined);
        }
        rebuild();
        app.changed();
        (rows[Math.min(i, rows.length - 1)]?.pick || add).focus();
      },
      "Remove model",
    );
    line.append(
      base,
      pick,
      settings,
      ...mover(
        sources(),
        i,
        () => {
          rebuild();
          app.changed();
        },
        list,
      ),
      remove,
    );
    if (controls.length > 1) node.append(line, settings, host);
    else node.append(line, host);
    return { node, source, base, radio, pick, controls };
  }

  function sync() {
    const takes = takesBase(app.method());
    none.hidden = app.method()?.base !== "optional";
    noBase.checked = !app.recipe.base_model;
    for (const { source, base, radio, pick, controls } of rows) {
      base.hidden = !takes;
      radio.checked = source.model === app.recipe.base_model;
      app.fillModels(pick, source.model);
      controls.forEach((control) => control.sync());
    }
  }

  function rebuild() {
    rows = sources().map(modelRow);
    list.replaceChildren(...rows.map((row) => row.node));
    sync();
  }

  return { node, rebuild, sync };
}

/**
 * @param {string} group
 * @param {() => void} onPick
 */
function baseRadio(group, onPick) {
  const node = Object.assign(h("input"), { type: "radio", name: group });
  node.addEventListener("change", onPick);
  return node;
}
