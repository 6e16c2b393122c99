import assert from "node:assert/strict";
import test from "node:test";
import { choicesWith, nextActive } from "../../assets/js/forms/controls/combobox.js";
import { readJson, readLines, readNumbers, readPairs, writePairs } from "../../assets/js/forms/written_values.js";

/** @import { Choice } from "../../assets/js/forms/settings.js" */

test("numbers are read with commas, spaces or semicolons; what is none stays and is told", () => {
  assert.deepEqual(readNumbers("1, 2.5;3 1e-2"), { value: [1, 2.5, 3, 0.01], problem: "" });
  assert.deepEqual(readNumbers(""), { value: [], problem: "" });
  const wrong = readNumbers("0.7, 0.3x");
  assert.deepEqual(wrong.value, [0.7, "0.3x"]);
  assert.ok(wrong.problem.includes("commas"));
});

test("lines are read without the empty ones", () => {
  assert.deepEqual(readLines("a\n\n  \n b"), ["a", " b"]);
});

test("pairs are read from lines, the first colon divides them", () => {
  assert.deepEqual(readPairs("a: b: c\n\nd:e", false), { value: { a: "b: c", d: "e" }, problem: "" });
  assert.deepEqual(readPairs("a: -0.5\nb: 1e-3", true), { value: { a: -0.5, b: 0.001 }, problem: "" });
  for (const [text, isNumeric] of /** @type {[string, boolean][]} */ ([
    ["a", false],
    ["a:", false],
    [": b", false],
    ["a: many", true],
  ]))
    assert.ok(readPairs(text, isNumeric).problem, text);
  assert.equal(writePairs({ a: 1, b: "c" }), "a: 1\nb: c");
  assert.deepEqual(readPairs(writePairs({ a: 1 }), true).value, { a: 1 });
});

test("JSON that is none stays as it is written, with what is wrong with it", () => {
  assert.deepEqual(readJson('["a"]'), { value: ["a"], problem: "" });
  assert.deepEqual(readJson("  "), { value: undefined, problem: "" });
  const wrong = readJson("[1,");
  assert.equal(wrong.value, "[1,");
  assert.ok(wrong.problem);
});

test("a list is searched by every word, whatever the case", () => {
  /** @type {Choice[]} */
  const choices = [
    ["SmolLM2-135M", "a"],
    ["my-lora · adapter of SmolLM2-135M", "b"],
    ["other", "c"],
  ];
  /** @param {string} text */
  const matching = (text) => choicesWith(choices, text).map(([, value]) => value);
  assert.deepEqual(matching("smol"), ["a", "b"]);
  assert.deepEqual(matching("135 LORA"), ["b"]);
  assert.deepEqual(matching(" "), ["a", "b", "c"]);
  assert.deepEqual(matching("gone"), []);
});

test("the arrow keys go round the choices", () => {
  assert.equal(nextActive("ArrowDown", -1, 3), 0);
  assert.equal(nextActive("ArrowDown", 2, 3), 0);
  assert.equal(nextActive("ArrowUp", 0, 3), 2);
  assert.equal(nextActive("ArrowUp", -1, 3), 2);
  assert.equal(nextActive("ArrowUp", 2, 3), 1);
  assert.equal(nextActive("ArrowDown", -1, 0), -1);
});
