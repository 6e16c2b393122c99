import assert from "node:assert/strict";
import test from "node:test";
import { recipeRules, takesBase } from "../../assets/js/merge/recipe_rules.js";

/** @import { Method, Model, Recipe } from "../../assets/js/merge/recipe_rules.js" */
/** @import { Parameter } from "../../assets/js/merge/setting_values.js" */

/**
 * @param {string} name
 * @param {string} scope
 * @param {Partial<Parameter>} [more]
 * @returns {Parameter}
 */
const setting = (name, scope, more) => ({
  name,
  scope,
  kind: "float",
  label: name,
  help: "",
  low: null,
  high: null,
  default: null,
  required: true,
  ...more,
});
/**
 * @param {string} name
 * @param {Method["base"]} base
 * @param {Parameter[]} parameters
 * @param {number | null} [most]
 * @returns {Method}
 */
const method = (name, base, parameters, most = null) => ({
  name,
  base,
  parameters,
  most,
  title: name,
  summary: "",
  url: "",
  kernel: "stock",
});
const METHODS = [
  method("slerp", "required", [setting("t", "shared")], 2),
  method("linear", "ignored", [setting("weight", "input")]),
  method("ties", "required", [setting("weight", "non_base"), setting("density", "non_base", { required: false })]),
  method("passthrough", "forbidden", [], 1),
];
/**
 * @param {string} name
 * @param {string} [base]
 * @param {string} [shape]
 * @returns {Model}
 */
const model = (name, base = "", shape = "small") => ({ name, base, shape, layers: 9, per_layer: 10, parameters: 100 });

/**
 * @param {Recipe} recipe
 * @param {Model[]} [models]
 */
function rulesFor(recipe, models = [model("a"), model("b"), model("c")]) {
  const app = {
    recipe,
    methods: new Map(METHODS.map((one) => [one.name, one])),
    models: new Map(models.map((one) => [one.name, one])),
  };
  return { app, rules: recipeRules(app) };
}
/** @returns {Recipe} */
const slerp = () => ({
  merge_method: "slerp",
  base_model: "a",
  models: [{ model: "a" }, { model: "b" }],
  parameters: { t: 0.3 },
});

test("a new method drops what it does not know, and the old one has it again", () => {
  const { app, rules } = rulesFor(slerp());
  rules.useMethod("linear");
  assert.deepEqual(app.recipe, {
    merge_method: "linear",
    models: [
      { model: "a", parameters: { weight: 1 } },
      { model: "b", parameters: { weight: 1 } },
    ],
  });
  rules.useMethod("slerp");
  assert.deepEqual(app.recipe, slerp());
});

test("the base has none of the settings that measure against it", () => {
  const { app, rules } = rulesFor(slerp());
  rules.useMethod("ties");
  assert.deepEqual(app.recipe.models, [{ model: "a" }, { model: "b", parameters: { weight: 0.5 } }]);
  rules.setBase("b");
  assert.deepEqual(app.recipe.models, [{ model: "a", parameters: { weight: 0.5 } }, { model: "b" }]);
  assert.equal(app.recipe.base_model, "b");
});

test("a method that is not known leaves the settings as they are", () => {
  const { app, rules } = rulesFor(slerp());
  rules.useMethod("of_the_future");
  assert.deepEqual(app.recipe, { ...slerp(), merge_method: "of_the_future" });
  assert.deepEqual(rules.startOf(), {});
});

test("adapters are measured against the model they were trained on", () => {
  const adapters = [model("a"), model("one", "a"), model("two", "a")];
  const { app, rules } = rulesFor({ merge_method: "linear", models: [{ model: "one" }, { model: "two" }] }, adapters);
  rules.useMethod("ties");
  assert.deepEqual(
    app.recipe.models?.map((one) => one.model),
    ["a", "one", "two"],
  );
  assert.equal(app.recipe.base_model, "a");
  rules.useMethod("linear");
  assert.deepEqual(
    app.recipe.models?.map((one) => one.model),
    ["one", "two"],
  );
});

test("layers begin with two thirds of each model; whole models come back as they were", () => {
  const { app, rules } = rulesFor(slerp());
  rules.useMode("slices");
  assert.equal(app.recipe.merge_method, "passthrough");
  assert.deepEqual(app.recipe.slices, [
    { sources: [{ model: "a", layer_range: [0, 6] }] },
    { sources: [{ model: "b", layer_range: [3, 9] }] },
  ]);
  rules.useMode("models");
  assert.deepEqual([app.recipe.merge_method, app.recipe.models], ["slerp", slerp().models]);
  assert.equal(rules.modeOf(), "models");
});

test("one begins with the newest pair that fits, adapters of one base first", () => {
  /** @param {Model[]} models */
  const begun = (models) => rulesFor(slerp(), models).rules.beginning();
  assert.deepEqual(begun([model("a"), model("b"), model("c", "", "big")]).models, [{ model: "a" }, { model: "b" }]);
  assert.deepEqual(begun([model("a"), model("x", "a"), model("y", "a"), model("b")]).models, [
    { model: "x" },
    { model: "y" },
  ]);
  assert.equal(begun([model("a")]).base_model, "a");
  assert.deepEqual(begun([]).models, []);
});

test("a recipe that is taken over lists its base", () => {
  const { app, rules } = rulesFor(slerp());
  const given = { merge_method: "ties", base_model: "c", models: [{ model: "a" }] };
  rules.take(given);
  assert.deepEqual(app.recipe.models, [{ model: "c" }, { model: "a" }]);
  assert.deepEqual(given.models, [{ model: "a" }]);
});

test("a padded vocabulary needs a tokenizer, and neither leaves none", () => {
  const { app, rules } = rulesFor(slerp());
  rules.setTokenizer("", "64");
  assert.deepEqual(app.recipe.tokenizer, { source: "base", pad_to_multiple_of: 64 });
  rules.setTokenizer("union", "");
  assert.deepEqual(app.recipe.tokenizer, { source: "union" });
  rules.setTokenizer("", "0");
  assert.equal(app.recipe.tokenizer, undefined);
});

test("only some methods take a base", () => {
  assert.deepEqual(METHODS.map(takesBase), [true, false, true, false]);
  assert.equal(takesBase(undefined), false);
});
