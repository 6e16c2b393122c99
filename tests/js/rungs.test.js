import assert from "node:assert/strict";
import test from "node:test";
import { fileSize, quantizersOf, rungOf, rungProblem, settingsByMethod } from "../../assets/js/compress/rungs.js";

/** @import { Rung } from "../../assets/js/compress/rungs.js" */

/**
 * @param {string} method
 * @param {string} [type]
 * @returns {Rung}
 */
const rung = (method, type) => ({
  key: type ? `${method}:${type}` : method,
  name: type ?? method,
  what: "",
  group: "gguf",
  given: type ? { method, type } : { method },
  unavailable: "",
  more: false,
});
const RUNGS = [rung("gguf", "Q8_0"), rung("gguf", "Q4_K_M"), rung("gptq")];

test("sizes have two digits below ten of a unit and none above", () => {
  /** @type {[number, string][]} */
  const cases = [
    [0, "0 B"],
    [999, "999 B"],
    [2100, "2.1 kB"],
    [48_000_000, "48 MB"],
    [7.25e9, "7.3 GB"],
    [3e12, "3.0 TB"],
  ];
  for (const [bytes, text] of cases) assert.equal(fileSize(bytes), text);
});

test("a quantizer belongs to the rung of its method and type, whatever else is set", () => {
  assert.equal(rungOf(RUNGS, { method: "gguf", type: "Q4_K_M", importance: true })?.key, "gguf:Q4_K_M");
  assert.equal(rungOf(RUNGS, { method: "gptq", bits: 3 })?.key, "gptq");
  assert.equal(rungOf(RUNGS, { method: "gguf", type: "Q1" }), undefined);
});

test("what is set of a method holds for all its rungs, there and back", () => {
  const settings = { gguf: { importance: true }, gptq: { bits: 3 } };
  const quantizers = quantizersOf(RUNGS, new Set(["gptq", "gguf:Q8_0", "gguf:Q4_K_M"]), settings);
  assert.deepEqual(quantizers, [
    { method: "gguf", type: "Q8_0", importance: true },
    { method: "gguf", type: "Q4_K_M", importance: true },
    { method: "gptq", bits: 3 },
  ]);
  assert.deepEqual(settingsByMethod(RUNGS, quantizers), settings);
  assert.deepEqual(settingsByMethod(RUNGS, []), {});
});

test("a rung cannot be chosen where it cannot run, or for what the model is", () => {
  const [q8] = RUNGS,
    estimates = { bytes: 100, words: "", rows: { "gguf:Q8_0": { problem: "Too narrow." } } };
  assert.equal(rungProblem(q8, null), "");
  assert.equal(rungProblem(q8, estimates), "Too narrow.");
  assert.equal(rungProblem({ ...q8, unavailable: "Needs a GPU." }, null), "Needs a GPU.");
});
