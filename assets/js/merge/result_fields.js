/* Part of MergeBuilder: name, precision, tokenizer and the like of the result. */
import { fillSelect, h, select } from "../lib/dom.js";
import { field, numberInput } from "./models.js";

/** @import { Choice } from "../lib/dom.js" */
/** @import { App } from "./models.js" */
/** @import { Recipe } from "./recipe_rules.js" */

/** @type {Choice[]} */
const PRECISIONS = [
  ["float32", "float32"],
  ["bfloat16", "bfloat16"],
  ["float16", "float16"],
];
const IN_YAML = "…"; // stands for a template that only YAML can say

/**
 * What the choice of a tokenizer shows of a recipe.
 * @param {Recipe} recipe
 */
export const tokenizerSource = ({ tokenizer, tokenizer_source: old }) =>
  tokenizer?.source || old || (tokenizer ? "union" : "");

/**
 * A control that tells of every edit.
 * @template {HTMLInputElement | HTMLSelectElement} Control
 * @param {Control} node
 * @param {(value: string) => void} set
 */
function bound(node, set) {
  node.addEventListener(node instanceof HTMLSelectElement ? "change" : "input", () => set(node.value));
  return node;
}

/**
 * Shows a value, but not in a field that is being typed in.
 * @param {HTMLInputElement | HTMLSelectElement} node
 * @param {string | number} value
 */
function put(node, value) {
  if (document.activeElement !== node || node instanceof HTMLSelectElement) node.value = String(value);
}

/**
 * The fields; `sync(models)` brings them up to the recipe, whose models have these names.
 * @param {App} app
 */
export function resultFields(app) {
  /**
   * @param {(value: string) => void} set
   * @returns {(value: string) => void}
   */
  const changing = (set) => (value) => {
    set(value);
    app.changed();
  };
  /** @param {"dtype" | "out_dtype" | "chat_template"} name */
  const place = (name) =>
    changing((value) => {
      if (value) app.recipe[name] = value;
      else delete app.recipe[name];
    });
  const setTemplate = place("chat_template");
  const output = bound(
    Object.assign(h("input", "wb-input"), { placeholder: "name on the shelf", spellcheck: false }),
    changing((value) => {
      app.output = value.trim();
      app.named = Boolean(app.output);
    }),
  );
  const dtype = bound(select([["", "as the models"], ...PRECISIONS], "", "Compute type"), place("dtype")),
    outDtype = bound(select([["", "as computed"], ...PRECISIONS], "", "File type"), place("out_dtype"));
  const setTokenizer = changing(() => app.rules.setTokenizer(tokenizer.value, pad.value)),
    tokenizer = bound(select([], "", "Tokenizer"), setTokenizer),
    pad = bound(numberInput(1, 1024), setTokenizer);
  const template = bound(select([], "", "Chat template"), (value) => {
    if (value !== IN_YAML) setTemplate(value);
  });
  const seed = bound(
    numberInput(0),
    changing((value) => {
      app.seed = Math.max(0, Math.round(Number(value) || 0));
    }),
  );
  /** @type {Choice[]} */
  const implementations = [
    ["fast", "ours (fast)"],
    ["stock", "mergekit's"],
  ];
  const kernels = bound(
    select(implementations, "fast", "Implementation"),
    changing((value) => {
      app.kernels = value;
    }),
  );
  const node = h("div", "wb-merge-section"),
    grid = h("div", "wb-merge-grid"),
    more = h("details", "wb-folded"),
    moreGrid = h("div", "wb-merge-grid");
  grid.append(
    field("Name of the result", output, "", "is-wide"),
    field("Compute type", dtype, "Precision the merge is computed in."),
    field("File type", outDtype, "Precision of the file."),
  );
  moreGrid.append(
    field("Tokenizer", tokenizer, "Which tokenizer the result has, and with it its vocabulary.", "is-wide"),
    field(
      "Pad vocabulary to",
      pad,
      "Rounds the rows of the embedding up to a multiple; some kernels are faster with 64.",
    ),
    field("Chat template", template),
    field("Random seed", seed, "The same seed gives the same weights, bit by bit."),
    field("Implementation", kernels, "Which code merges the tensors; both give the same, fast sooner."),
  );
  more.append(h("summary", "", "Tokenizer, chat template, random seed"), moreGrid);
  node.append(h("h2", "wb-h", "Result"), grid, more);

  /** @param {string[]} models */
  function sync(models) {
    const { recipe } = app,
      source = tokenizerSource(recipe),
      isStrange = source && !["base", "union", ...models].includes(source);
    fillSelect(tokenizer, [
      ["", "copied from the base or first model"],
      ["base", "the base's, matched by token"],
      ["union", "union of all vocabularies"],
      ...models.map((one) => /** @type {Choice} */ ([one, `of ${one}`])),
      ...(isStrange ? [/** @type {Choice} */ ([source, source])] : []),
    ]);
    const written = recipe.chat_template || "",
      isKnown = ["", "auto"].includes(written);
    fillSelect(template, [
      ["", "tokenizer's"],
      ["auto", "most models'"],
      ...(isKnown ? [] : [/** @type {Choice} */ ([IN_YAML, "as in YAML"])]),
    ]);
    put(template, isKnown ? written : IN_YAML);
    put(tokenizer, source);
    put(pad, recipe.tokenizer?.pad_to_multiple_of ?? "");
    put(dtype, recipe.dtype || "");
    put(outDtype, recipe.out_dtype || "");
    put(output, app.output);
    put(seed, app.seed);
    put(kernels, app.kernels);
  }

  return { node, sync };
}
