// @ts-nocheck
/* Part of MergeBuilder: what a change of method, base or mode does to a recipe, kept apart from how it looks.
   What the new method does not know is put aside and comes back with the old one. */

export const perModel = (parameter) => parameter.scope !== "shared";
export const takesBase = (method) => ["required", "optional"].includes(method?.base);

/** The rules for `app.recipe`; `app.methods` and `app.models` are Maps by name. */
export function recipeRules(app) {
  let aside = empty();

  function empty() {
    return { base: undefined, added: undefined, shared: {}, sources: new WeakMap(), mode: {} };
  }

  const method = () => app.methods.get(app.recipe.merge_method);
  const modeOf = () => (app.recipe.slices ? "slices" : app.recipe.models ? "models" : "modules");
  const sources = () => [...(app.recipe.models || []), ...(app.recipe.slices || []).flatMap((slice) => slice.sources)];

  /** What a setting that must be given begins with. */
  function startValue(parameter) {
    if (parameter.kind === "bool") return false;
    const normal = method().parameters.some((one) => one.name.includes("normalize") && one.default === true);
    return parameter.name === "weight" && (normal || method().base !== "required") ? 1 : 0.5;
  }

  /** The settings a new source must have, as {parameters}, or {}. */
  function startOf() {
    const given = app.recipe.parameters || {};
    const needed = (method()?.parameters || []).filter((one) => one.required && perModel(one));
    const missing = needed.filter((one) => given[one.name] === undefined);
    if (!missing.length) return {};
    return { parameters: Object.fromEntries(missing.map((one) => [one.name, startValue(one)])) };
  }

  /** Leave an owner of parameters with those of these names, also from what was put aside; returns the rest. */
  function refit(owner, names, held = {}) {
    const kept = {},
      rest = {};
    for (const [name, value] of Object.entries({ ...held, ...owner.parameters })) {
      (names.includes(name) ? kept : rest)[name] = value;
    }
    if (Object.keys(kept).length) owner.parameters = kept;
    else delete owner.parameters;
    return rest;
  }

  /** Whether a source has a setting of its own: the base has none of those that measure against it. */
  const belongs = (parameter, source) =>
    parameter.scope === "input" || (parameter.scope === "non_base" && source.model !== app.recipe.base_model);

  function useMethod(name) {
    const { recipe } = app;
    recipe.merge_method = name;
    const chosen = method();
    aside.shared = refit(
      recipe,
      chosen.parameters.map((one) => one.name),
      aside.shared,
    );
    if (recipe.models) placeBase(chosen);
    const first = chosen.base === "required" ? sources()[0]?.model : undefined;
    setBase(takesBase(chosen) ? recipe.base_model || aside.base || first : undefined);
    for (const one of chosen.parameters) {
      if (!one.required || perModel(one) || recipe.parameters?.[one.name] !== undefined) continue;
      (recipe.parameters ||= {})[one.name] = startValue(one);
    }
  }

  /** Adapters differ from the model they were trained on: that is their base where a method takes more than two. */
  function placeBase(chosen) {
    const { recipe } = app,
      owner = app.models.get(recipe.base_model || recipe.models[0]?.model)?.base;
    if (chosen.base === "required" && chosen.most !== 2 && owner && app.models.has(owner)) {
      if (!recipe.models.some((one) => one.model === owner)) {
        recipe.models.unshift({ model: owner });
        aside.added = owner;
      }
      recipe.base_model = owner;
    } else if (aside.added && (chosen.most === 2 || chosen.base !== "required") && recipe.models.length > 2) {
      recipe.models = recipe.models.filter((one) => one.model !== aside.added);
      if (recipe.base_model === aside.added) recipe.base_model = recipe.models[0].model;
      aside.added = aside.base = undefined;
    }
  }

  /** Change the base, and with it which settings each model has. */
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

  /** Whole models, or slices of layers; the other side is remembered. */
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

  /** To begin with: the first two thirds of one model, then the last two thirds of the next. */
  function stacked([first, second = first]) {
    const depth = (name) => app.models.get(name)?.layers || 3;
    const cut = Math.ceil((2 * depth(first)) / 3),
      from = Math.floor(depth(second) / 3);
    return [
      { sources: [{ model: first, layer_range: [0, cut] }] },
      { sources: [{ model: second, layer_range: [from, depth(second)] }] },
    ];
  }

  /** The two newest models that fit together, adapters of one base first, by SLERP. */
  function beginning() {
    const newest = [...app.models.values()].reverse();
    const pair = (fit) =>
      newest.map((one) => [one, newest.find((other) => other !== one && fit(one, other))]).find(([, other]) => other);
    const found = pair((one, other) => one.base && one.base === other.base) ||
      pair((one, other) => one.shape === other.shape) || [newest[0]];
    const models = found.map((one) => ({ model: one.name })).reverse();
    return {
      merge_method: "slerp",
      base_model: models[0].model,
      models,
      parameters: { t: 0.5 },
      dtype: "float32",
      out_dtype: "bfloat16",
    };
  }

  /** Another recipe: nothing of the last one is remembered, and a base that is not listed is, as mergekit adds it. */
  function take(recipe) {
    aside = empty();
    app.recipe = JSON.parse(JSON.stringify(recipe || {}));
    const { models, base_model: base } = app.recipe;
    if (models && base && !models.some((one) => one.model === base)) models.unshift({ model: base });
  }

  function setTokenizer(source, pad) {
    const { recipe } = app,
      padding = Number(pad) >= 1 ? Math.round(Number(pad)) : 0;
    delete recipe.tokenizer_source;
    if (!source && !padding) {
      delete recipe.tokenizer;
      return;
    }
    recipe.tokenizer = { ...recipe.tokenizer, source: source || (recipe.base_model ? "base" : "union") };
    if (padding) recipe.tokenizer.pad_to_multiple_of = padding;
    else delete recipe.tokenizer.pad_to_multiple_of;
  }

  return { method, modeOf, sources, startOf, belongs, useMethod, setBase, useMode, beginning, take, setTokenizer };
}
