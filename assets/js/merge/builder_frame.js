/* Part of MergeBuilder: the frame of the page's recipe, with its method, mode and base. */
import { emptyState, fillSelect, h, select, setText } from "../lib/dom.js";
import { field, segmented } from "./models.js";
import { takesBase } from "./recipe_rules.js";

/** @import { Choice, ChoiceOrGroup } from "../lib/dom.js" */
/** @import { App } from "./models.js" */
/** @import { Mode } from "./recipe_rules.js" */

/**
 * @param {string} title
 * @param {...HTMLElement} parts
 */
function section(title, ...parts) {
  const node = h("div", "wb-merge-section");
  if (title) node.append(h("h2", "wb-h", title));
  node.append(...parts);
  return node;
}

/**
 * Everything of the builder, drawn into `root`; `below` are the parts beneath the settings. `rebuild` is called when another
 * method or base was chosen, `useMode` for another mode. `emptyLines` say what the builder is for while there is nothing.
 * @param {HTMLElement} root
 * @param {string[]} emptyLines
 * @param {App} app
 * @param {{ below: HTMLElement[], rebuild: () => void, useMode: (mode: "models" | "slices") => void }} builder
 */
export function builderFrame(root, emptyLines, app, { below, rebuild, useMode }) {
  const empty = h("div"),
    body = h("div", "wb-builder-body"),
    hint = h("div", "wb-note is-warn", emptyLines[2]),
    method = select(methodOptions(), "", "Method"),
    badge = h("span", "wb-chip is-ok", "fast"),
    paper = Object.assign(h("a", "wb-link"), { rel: "noopener noreferrer", target: "_blank" }),
    summary = h("span", "wb-hint"),
    parts = h("div"),
    base = select([], "", "Base model"),
    baseField = field("Base model", base, "What the others are measured against.", "is-base"),
    modules = h("div", "wb-hint", "This recipe merges a model of several parts. Change it as YAML below."),
    shared = h("div", "wb-merge-settings is-many"),
    sharedHost = h("div", "wb-merge-host"),
    sharedBox = section("Settings of the method", shared, sharedHost),
    top = h("div", "wb-merge-top"),
    about = h("div", "wb-merge-about");
  /** @type {[value: "models" | "slices", text: string][]} */
  const modes = [
    ["models", "Whole models"],
    ["slices", "Layers (frankenmerge)"],
  ];
  const mode = segmented(modes, "What is merged", useMode);
  method.addEventListener("change", () => {
    app.rules.useMethod(method.value);
    rebuild();
    app.changed();
  });
  base.addEventListener("change", () => {
    app.rules.setBase(base.value || undefined);
    rebuild();
    app.changed();
  });
  badge.title = "Computed by our own implementation.";
  top.append(method, mode.node);
  about.append(badge, summary, paper);
  body.append(hint, top, about, section("", parts, modules, baseField), sharedBox, ...below);
  empty.append(emptyState(emptyLines));
  root.append(empty, body);
  body.hidden = true;

  /** @returns {ChoiceOrGroup[]} */
  function methodOptions() {
    /** @param {boolean} isMeasured */
    const named = (isMeasured) =>
      [...app.methods.values()]
        .filter((one) => (one.base === "required") === isMeasured)
        .sort((one, other) => one.title.localeCompare(other.title))
        .map((one) => /** @type {Choice} */ ([one.name, one.title]));
    return [
      ["Measured against a base model", named(true)],
      ["Without a base model, or with one if you like", named(false)],
    ];
  }

  /**
   * Shows the editor of a mode; null for what only YAML can say.
   * @param {Mode} chosen
   * @param {HTMLElement | null} part
   */
  function showPart(chosen, part) {
    mode.show(chosen);
    parts.replaceChildren(...(part ? [part] : []));
    modules.hidden = Boolean(part);
  }

  /** @param {HTMLElement[]} nodes controls of the settings that hold for all */
  function showShared(nodes) {
    shared.replaceChildren(...nodes);
    sharedBox.hidden = !nodes.length;
  }

  /** There is a recipe. */
  function begin() {
    empty.hidden = true;
    body.hidden = false;
  }

  /**
   * Brings it up to the recipe, whose models have these names; `canMerge`: two models of the shelf fit together.
   * @param {string[]} models
   * @param {boolean} canMerge
   */
  function sync(models, canMerge) {
    const { recipe } = app,
      chosen = app.method(),
      url = chosen?.url ?? "";
    /** @type {Choice[]} */
    const unknown = chosen ? [] : [[recipe.merge_method, `${recipe.merge_method} (unknown)`]];
    fillSelect(method, [...unknown, ...methodOptions()]);
    method.value = recipe.merge_method;
    badge.hidden = !chosen || chosen.kernel === "stock" || app.kernels === "stock";
    setText(badge, chosen?.kernel === "own" ? "ours" : "fast");
    setText(summary, chosen?.summary);
    paper.hidden = !/^https:\/\//.test(url);
    if (!paper.hidden) {
      paper.href = url;
      setText(paper, url.replace(/^https:\/\/(www\.)?/, ""));
    }
    baseField.hidden = app.rules.modeOf() !== "slices" || !takesBase(chosen);
    const bases = [...new Set([...models, recipe.base_model ?? ""])].filter(Boolean);
    fillSelect(base, [["", "none"], ...bases.map((one) => /** @type {Choice} */ ([one, one]))]);
    base.value = recipe.base_model || "";
    hint.hidden = canMerge;
  }

  return { sharedHost, begin, showPart, showShared, sync, focus: () => method.focus() };
}
