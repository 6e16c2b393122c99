import assert from "node:assert/strict";
import test from "node:test";
import { axisRange } from "../../assets/js/merge/curve.js";
import { size, stackOf } from "../../assets/js/merge/layers.js";

test("an axis goes to bounds that are near each other, else as far as the values", () => {
  assert.deepEqual(axisRange([0.2, 0.5], { low: 0, high: 1 }), [0, 1]);
  assert.deepEqual(axisRange([-0.5, 0.5], { low: -2, high: 2 }), [-0.5, 2]);
  assert.deepEqual(axisRange([-1, 7], { low: 0, high: 100 }), [-1, 7]);
  assert.deepEqual(axisRange([0.2, 0.5], { low: null, high: null }), [0, 1]);
  assert.deepEqual(axisRange([2, 3], { low: 0, high: null }), [0, 3]);
});

test("slices are stacked layer by layer, as many as their shortest source has", () => {
  const layers = stackOf([
    { sources: [{ model: "a", layer_range: [0, 2] }] },
    {
      sources: [
        { model: "a", layer_range: [4, 6] },
        { model: "b", layer_range: [1, 2] },
      ],
    },
    { sources: [{ model: "a", layer_range: [5, 3] }] },
  ]);
  assert.deepEqual(
    layers.map(({ sources }) => sources.map((one) => `${one.model}${one.layer}`).join("+")),
    ["a0", "a1", "a4+b1"],
  );
});

test("the size counts the layers there are and what is beside them", () => {
  const a = { name: "a", base: "", shape: "", layers: 2, per_layer: 10e6, parameters: 25e6 };
  const layers = stackOf([
    { sources: [{ model: "a", layer_range: [0, 2] }] },
    { sources: [{ model: "a", layer_range: [1, 2] }] },
  ]);
  assert.equal(size(layers, new Map([["a", a]])), " · about 35M parameters");
  assert.equal(size(layers, new Map()), "");
});
