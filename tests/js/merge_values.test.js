import assert from "node:assert/strict";
import test from "node:test";
import {
  asKind,
  boundsText,
  glanceText,
  isFlat,
  isWithin,
  kindOf,
  overLayers,
  parseNumbers,
  seedOf,
  startOf,
  withModule,
  writeNumbers,
} from "../../assets/js/merge/setting_values.js";

/** @import { Parameter, ValueKind } from "../../assets/js/merge/setting_values.js" */

const MODULES = [{ filter: "self_attn", value: [0, 1] }, { value: 0.25 }];
/** @type {Parameter} */
const weight = {
  name: "weight",
  kind: "float",
  label: "Weight",
  help: "",
  low: -2,
  high: 2,
  default: null,
  required: true,
  scope: "input",
};

test("a value is one, over the layers, by module, or what only YAML can say", () => {
  /** @type {[any, ValueKind][]} */
  const cases = [
    [undefined, "one"],
    [0.5, "one"],
    ["", "one"],
    [[0, 0.5], "layers"],
    [MODULES, "modules"],
    [{ filter: "mlp", value: 1 }, "modules"],
    [[], "other"],
    [[{ filter: "mlp", value: "x" }], "other"],
    [[0, "x"], "other"],
    ["lambda", "other"],
  ];
  for (const [value, kind] of cases) assert.equal(kindOf(value), kind, JSON.stringify(value));
});

test("numbers are read as one or several, and written as they are read", () => {
  assert.equal(parseNumbers(" 0.3 "), 0.3);
  assert.deepEqual(parseNumbers("0, 0.5;1 2"), [0, 0.5, 1, 2]);
  for (const text of ["", "x", "0, x", "NaN"]) assert.equal(parseNumbers(text), null, text);
  assert.equal(writeNumbers([0, 1 / 3]), "0, 0.333333");
  assert.equal(writeNumbers(0.5), "0.5");
  assert.equal(writeNumbers(undefined), "");
});

test("another kind goes on from the numbers there are", () => {
  assert.deepEqual(asKind(0.3, "layers", 0.5), [0.3, 0.3]);
  assert.deepEqual(asKind([0, 1], "layers", 0.5), [0, 1]);
  assert.equal(asKind([0.2, 1], "one", 0.5), 0.2);
  assert.equal(asKind(undefined, "one", 0.5), 0.5);
  assert.deepEqual(asKind([0.2, 0.2], "modules", 0.5), [
    { filter: "self_attn", value: 0.2 },
    { filter: "mlp", value: 0.2 },
    { value: 0.2 },
  ]);
  assert.equal(seedOf(MODULES, 0.5), 0.25); // of everything else
  assert.equal(seedOf([], 0.7), 0.7);
  assert.deepEqual(overLayers(0.5), [0.5, 0.5]);
  assert.ok(isFlat([1, 1]) && !isFlat([1, 2]) && !isFlat(1));
});

test("a module is added before everything else, for what none is for yet", () => {
  const { rows, index } = withModule(MODULES);
  assert.deepEqual(rows, [MODULES[0], { filter: "mlp", value: 0.25 }, MODULES[1]]);
  assert.equal(index, 1);
  assert.deepEqual(withModule([{ filter: "mlp", value: 1 }]), {
    rows: [
      { filter: "mlp", value: 1 },
      { filter: "self_attn", value: 1 },
    ],
    index: 1,
  });
  const all = ["self_attn", "mlp", "embed_tokens", "norm", "lm_head"].map((filter) => ({ filter, value: 1 }));
  assert.equal(withModule(all).rows.at(-1)?.filter, "layers.0.");
});

test("bounds are said and held, a setting begins with its default or in the middle", () => {
  assert.equal(boundsText(weight), "From -2 to 2.");
  assert.equal(boundsText({ low: 0, high: null }), "At least 0.");
  assert.equal(boundsText({ low: null, high: 1 }), "At most 1.");
  assert.equal(boundsText({ low: null, high: null }), "");
  assert.ok(isWithin(weight, 2) && !isWithin(weight, 2.1) && isWithin({ ...weight, high: null }, 9));
  assert.equal(startOf(weight), 0.5);
  assert.equal(startOf({ ...weight, default: 1 }), 1);
});

test("what varies is seen at a glance", () => {
  assert.equal(glanceText([0, 0.5, 1]), "0 → 0.5 → 1");
  assert.equal(glanceText(MODULES), "2 modules");
  assert.equal(glanceText("lambda"), "lambda");
  assert.equal(glanceText([]), "as in YAML");
});
