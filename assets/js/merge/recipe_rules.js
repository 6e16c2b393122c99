/* Part of MergeBuilder: what a change of method, base or mode does to a recipe, kept apart from how it looks.
   What the new method does not know is put aside and comes back with the old one. */

/** @import { Parameter } from "./setting_values.js" */
/** @typedef {Record<string, unknown>} Values of settings, by name */
/** @typedef {{ model: string, parameters?: Values }} Source */
/** Layers from the first up to, not with, the second. @typedef {Source & { layer_range: [from: number, to: number] }} LayerSource */
/** @typedef {{ sources: LayerSource[] }} Slice */
/** @typedef {{ source?: string, pad_to_multiple_of?: number } & Record<string, unknown>} Tokenizer */
/**
 * A recipe of mergekit's as plain data; what is not named here stays as it is.
 * @typedef {{
 *   merge_method: string, base_model?: string, models?: Source[], slices?: Slice[], parameters?: Values, dtype?: string,
 *   out_dtype?: string, tokenizer_source?: string, tokenizer?: Tokenizer, chat_template?: string,
 * }} Recipe
 */
/** @typedef {"models" | "slices" | "modules"} Mode */
/**
 * A method of the catalogue; `most` models it takes with the base, null for any number.
 * @typedef {{
 *   name: string, title: string, summary: string, url: string, base: "required" | "optional" | "forbidden" | "ignored",
 *   most: number | null, kernel: "stock" | "fast" | "own", parameters: Parameter[],
 * }} Method
 */
/**
 * A model of the shelf; the numbers of an adapter are its base's. Models of one shape can be merged; sizes count
 * parameters.
 * @typedef {{ name: string, base: string, shape: string, layers: number, per_layer: number, parameters: number }} Model
 */
/** @typedef {{ recipe: Recipe, methods: Map<string, Method>, models: Map<string, Model> }} RecipeState */
/** @typedef {{ method: string, models?: Source[], slices?: Slice[] }} ModeState */

/** @param {Parameter} parameter */
export const perModel = (parameter) => parameter.scope !== "shared";
/** @param {Method | undefined} method */
export const takesBase = (method) => method?.base === "required" || method?.base === "optional";

/** Nothing put aside yet. */
const empty = () => ({
  base: /** @type {string | undefined} */ (undefined),
  added: /** @type {string | undefined} */ (undefined),
  shared: /** @type {Values} */ ({}),
  sources: /** @type {WeakMap<Source, Values>} */ (new WeakMap()),
  mode: /** @type {Partial<Record<Mode, ModeState>>} */ ({}),
});

/**
 * Leave an owner of parameters with those of these names, also from what was put aside; returns the rest.
 * @param {{ parameters?: Values }} owner
 * @param {string[]} names
 * @param {Values} [held]
 */
function refit(owner, names, held = {}) {
  /** @type {Values} */
  const kept = {};
  /** @type {Values} */
  const rest = {};
  for (const [name, value] of Object.entries({ ...held, ...owner.parameters })) {
    (names.includes(name) ? kept : rest)[name] = value;
  }
  if (Object.keys(kept).length) owner.parameters = kept;
  else delete owner.parameters;
  return rest;
}

/**
 * What a setting of the method that must be given begins with.
 * @param {Parameter} parameter
 * @param {Method} method
 */
function startValue(parameter, method) {
  if (parameter.kind === "bool") return false;
  const isNormal = method.parameters.some((one) => one.name.includes("normalize") && one.default === true);
  return parameter.name === "weight" && (isNormal || method.base !== "required") ? 1 : 0.5;
}

/**
 * The rules for `app.recipe`; methods and models are by name.
 * @param {RecipeState} app
 */
export function recipeRules(app) {
  let aside = empty();

  const method = () => app.methods.get(app.recipe.merge_method);
  /** @returns {Mode} */
  const modeOf = () => (app.recipe.slices ? "slices" : app.recipe.models ? "models" : "modules");
  /** @returns {Source[]} */
  const sources = () => [...(app.recipe.models || []), ...(app.recipe.slices || []).flatMap((slice) => slice.sources)];

  /**
   * The settings a new source must have, as {parameters}, or {}.
   * @returns {{ parameters?: Values }}
   */
  function startOf() {
    const given = app.recipe.parameters || {},
      chosen = method();
    if (!chosen) return {};
    const missing = chosen.parameters.filter((one) => one.required && perModel(one) && given[one.name] === undefined);
    if (!missing.length) return {};
    return { parameters: Object.fromEntries(missing.map((one) => [one.name, startValue(one, chosen)])) };
  }

  /**
   * Whether a source has a setting of its own: the base has none of those that measure against it.
   * @param {Parameter} parameter
   * @param {Source} source
   */
  const belongs = (parameter, source) =>
    parameter.scope === "input" || (parameter.scope === "non_base" && source.model !== app.recipe.base_model);

  /**
   * Another method; one that is not known leaves the settings to YAML.
   * @param {string} name
   */
  function useMethod(name) {
    const { recipe } = app;
    recipe.merge_method = name;
    const chosen = method();
    if (!chosen) return;
    aside.shared = refit(
      recipe,
      chosen.parameters.map((one) => one.name),
      aside.shared,
    );
    if (recipe.models?.length) placeBase(chosen, recipe.models);
    const first = chosen.base === "required" ? sources()[0]?.model : undefined;
    setBase(takesBase(chosen) ? recipe.base_model || aside.base || first : undefined);
    for (const one of chosen.parameters) {
      if (!one.required || perModel(one) || recipe.parameters?.[one.name] !== undefined) continue;
      (recipe.parameters ||= {})[one.name] = startValue(one, chosen);
    }
  }

  /**
   * Adapters differ from the model they were trained on: that is their base where a method takes more than two.
   * @param {Method} chosen
   * @param {Source[]} models
   */
  function placeBase(chosen, models) {
    const { recipe } = app,
      owner = app.models.get(recipe.base_model || models[0].model)?.base;
    if (chosen.base === "required" && chosen.most !== 2 && owner && app.models.has(owner)) {
      if (!models.some((one) => one.model === owner)) {
        models.unshift({ model: owner });
        aside.added = owner;
      }
      recipe.base_model = owner;
    } else if (aside.added && (chosen.most === 2 || chosen.base !== "required") && models.length > 2) {
      recipe.models = models.filter((one) => one.model !== aside.added);
      if (recipe.base_model === aside.added) recipe.base_model = recipe.models[0].model;
      aside.added = aside.base = undefined;
    }
  }

  /**
   * Change the base, and with it which settings each model has.
   * @param {string | undefined} model
   */
  function setBase(model) {
    const { recipe } = app;
    aside.base = recipe.base_model || aside.base;
    if (model) recipe.base_model = model;
    else delete recipe.base_model;
    const start = startOf().parameters || {};
    for (const source of sources()) {
      const own = (method()?.parameters || []).filter((one) => belongs(one, source)).map((one) => one.name);
      aside.sources.set(source, refit(source, own, aside.sources.get(source)));
      for (const name of own) {
        if (start[name] === undefined || source.parameters?.[name] !== undefined) continue;
        (source.parameters ||= {})[name] = start[name];
      }
    }
  }

  /**
   * Whole models, or slices of layers; the other side is remembered.
   * @param {"models" | "slices"} mode
   */
  function useMode(mode) {
    const { recipe } = app,
      models = [...new Set(sources().map((one) => one.model))],
      before = aside.mode[mode];
    aside.mode[modeOf()] = { method: recipe.merge_method, models: recipe.models, slices: recipe.slices };
    delete recipe.models;
    delete recipe.slices;
    if (mode === "slices") recipe.slices = before?.slices || stacked(models);
    else recipe.models = before?.models || models.map((model) => ({ model }));
    useMethod(before?.method || (mode === "slices" ? "passthrough" : "slerp"));
  }

  /**
   * To begin with: the first two thirds of one model, then the last two thirds of the next.
   * @param {string[]} models
   * @returns {Slice[]}
   */
  function stacked([first = "", second = first]) {
    /** @param {string} name */
    const depth = (name) => app.models.get(name)?.layers || 3;
    const cut = Math.ceil((2 * depth(first)) / 3),
      from = Math.floor(depth(second) / 3);
    return [
      { sources: [{ model: first, layer_range: [0, cut] }] },
      { sources: [{ model: second, layer_range: [from, depth(second)] }] },
    ];
  }

  /**
   * The two newest models that fit together, adapters of one base first, by SLERP.
   * @returns {Recipe}
   */
  function beginning() {
    const newest = [...app.models.values()].reverse();
    /** @param {(one: Model, other: Model) => boolean} fit */
    function pair(fit) {
      for (const one of newest) {
        const other = newest.find((other) => other !== one && fit(one, other));
        if (other) return [one, other];
      }
      return null;
    }
    const found =
      pair((one, other) => one.base !== "" && one.base === other.base) ||
      pair((one, other) => one.shape === other.shape) ||
      newest.slice(0, 1);
    const models = found.map((one) => ({ model: one.name })).reverse();
    return {
      merge_method: "slerp",
      base_model: models[0]?.model,
      models,
      parameters: { t: 0.5 },
      dtype: "float32",
      out_dtype: "bfloat16",
    };
  }

  /**
   * Another recipe: nothing of the last one is remembered, and a base that is not listed is, as mergekit adds it.
   * @param {Recipe} recipe
   */
  function take(recipe) {
    aside = empty();
    app.recipe = JSON.parse(JSON.stringify(recipe));
    const { models, base_model: base } = app.recipe;
    if (models && base && !models.some((one) => one.model === base)) models.unshift({ model: base });
  }

  /**
   * @param {string} source
   * @param {string} pad what its field says: a multiple, or nothing
   */
  function setTokenizer(source, pad) {
    const { recipe } = app,
      padding = Number(pad) >= 1 ? Math.round(Number(pad)) : 0;
    delete recipe.tokenizer_source;
    if (!source && !padding) {
      delete recipe.tokenizer;
      return;
    }
    const tokenizer = { ...recipe.tokenizer, source: source || (recipe.base_model ? "base" : "union") };
    if (padding) tokenizer.pad_to_multiple_of = padding;
    else delete tokenizer.pad_to_multiple_of;
    recipe.tokenizer = tokenizer;
  }

  return { method, modeOf, sources, startOf, belongs, useMethod, setBase, useMode, beginning, take, setTokenizer };
}
