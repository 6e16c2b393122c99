import assert from "node:assert/strict";
import test from "node:test";
import {
  addPoints,
  extendSmooth,
  extent,
  groups,
  lowerBound,
  metricName,
  metricText,
  newSmooth,
  thin,
} from "../../assets/js/run/series.js";

test("points become lines, what is no metric or no number is left out", () => {
  const series = {};
  addPoints(series, [
    { step: 1, loss: 2.5, epoch: 0.1, eval_runtime: 3, note: "x" },
    { step: 2, loss: 2.25, grad_norm: Number.NaN },
    { step: 3, eval_loss: 2 },
  ]);
  assert.deepEqual(series, { loss: { x: [1, 2], y: [2.5, 2.25] }, eval_loss: { x: [3], y: [2] } });
});

test("smoothing goes on where it was, and a constant stays what it is", () => {
  const values = [4, 2, 3, 1, 5],
    whole = newSmooth(),
    parts = newSmooth();
  extendSmooth(whole, values, 0.6);
  for (let count = 1; count <= values.length; count++) extendSmooth(parts, values.slice(0, count), 0.6);
  assert.deepEqual(parts, whole);
  const plain = newSmooth();
  extendSmooth(plain, values, 0);
  assert.deepEqual(plain.y, values);
  const constant = newSmooth();
  extendSmooth(constant, Array(50).fill(7), 0.99);
  assert.ok(constant.y.every((value) => Math.abs(value - 7) < 1e-9));
});

test("the lower bound is found in sorted steps", () => {
  const steps = [1, 3, 3, 7];
  assert.deepEqual(
    [0, 1, 2, 3, 4, 7, 8].map((step) => lowerBound(steps, step)),
    [0, 0, 1, 1, 3, 3, 4],
  );
});

test("a long line is thinned to its peaks and ends", () => {
  const x = Array.from({ length: 10_000 }, (_, index) => index),
    y = x.map((step) => Math.sin(step / 50));
  [y[4321], y[777]] = [9, -9];
  const indices = thin({ x, y }, null, 200);
  assert.ok(indices.length <= 202);
  assert.ok(indices.includes(4321) && indices.includes(777) && indices.includes(0) && indices.includes(9_999));
  assert.deepEqual(
    indices,
    [...new Set(indices)].sort((one, other) => one - other),
  );
});

test("a zoom is drawn in full with what lies beside it", () => {
  const x = Array.from({ length: 1000 }, (_, index) => index);
  const indices = thin({ x, y: x }, [500, 510], 200);
  assert.deepEqual([indices[0], indices.at(-1)], [489, 520]);
});

test("metrics that belong together share a tile, in a fixed order", () => {
  const line = { x: [1], y: [1] };
  const keys = ["loss", "zeta", "logps/rejected", "eval_accuracy", "accuracy", "logps/chosen", "learning_rate"];
  assert.deepEqual(groups(Object.fromEntries(keys.map((key) => [key, line]))), [
    ["learning_rate", ["learning_rate"]],
    ["accuracy", ["eval_accuracy", "accuracy"]],
    ["logps", ["logps/rejected", "logps/chosen"]],
    ["zeta", ["zeta"]],
  ]);
});

test("tiles show the zoom or all there is, and never an empty width", () => {
  assert.deepEqual(extent({ a: { x: [2, 9], y: [0, 0] }, b: { x: [1, 4], y: [0, 0] } }, null), [1, 9]);
  assert.deepEqual(extent({ a: { x: [5], y: [0] } }, null), [4, 6]);
  assert.deepEqual(extent({ a: { x: [1, 9], y: [0, 0] } }, [3, 4]), [3, 4]);
});

test("metrics have names and units", () => {
  assert.equal(metricName("rewards/margins"), "Reward margin");
  assert.equal(metricName("my_own/metric"), "My own metric");
  assert.equal(metricText("memory_mb", 2048), "2.00 GB");
  assert.equal(metricText("memory_mb", 512.4), "512 MB");
  assert.equal(metricText("mean_token_accuracy", 0.5), "50.0 %");
});
