import assert from "node:assert/strict";
import test from "node:test";
import { differences, pairedParts, partsOf } from "../../assets/js/data/row_texts.js";

/** @param {string} text */
const words = (text) => (text ? text.split(" ") : []);

/** @typedef {"same" | "out" | "in"} Kind */

test("differences put together give both lists back", () => {
  const cases = [
    ["a b c d", "a x c d e"],
    ["", "a b"],
    ["a b", ""],
    ["same same", "same same"],
    ["one two three", "three two one"],
    ["b a b a", "a b a b a"],
  ];
  for (const [before, after] of cases) {
    const pieces = differences(words(before), words(after));
    const side = (/** @type {Kind} */ gone) => pieces.filter(([kind]) => kind !== gone).map(([, text]) => text);
    assert.deepEqual(side("in"), words(before));
    assert.deepEqual(side("out"), words(after));
  }
});

test("what stays is found by the longest common subsequence", () => {
  assert.deepEqual(differences(["the", "cat", "sat"], ["the", "dog", "sat"]), [
    ["same", "the"],
    ["out", "cat"],
    ["in", "dog"],
    ["same", "sat"],
  ]);
});

test("very long middles are exchanged as a whole", () => {
  const long = (/** @type {string} */ sign) => Array.from({ length: 700 }, (_, index) => `${sign}${index}`);
  const kinds = differences(["start", ...long("a"), "end"], ["start", ...long("b"), "end"]).map(([kind]) => kind);
  assert.deepEqual([kinds[0], kinds.at(-1)], ["same", "same"]);
  assert.equal(kinds.lastIndexOf("out"), 700);
  assert.equal(kinds.indexOf("in"), 701);
});

test("a row's parts are its turns by role, its sides by name, and the rest as JSON", () => {
  const row = {
    prompt: [{ role: "user", content: "Hi" }],
    chosen: [{ role: "assistant", content: "Yes", tool_calls: [{ name: "f" }] }],
    label: true,
    text: "plain",
  };
  assert.deepEqual(partsOf(row), [
    ["user", "Hi"],
    ["chosen", "Yes"],
    ["chosen calls", '[\n {\n  "name": "f"\n }\n]'],
    ["label", "true"],
    ["text", "plain"],
  ]);
  assert.deepEqual(partsOf(null), []);
});

test("equal parts of two rows pair up, changed ones by their label", () => {
  const turns = (/** @type {string[]} */ ...texts) =>
    texts.map((content, index) => ({ role: index % 2 ? "assistant" : "user", content }));
  assert.deepEqual(pairedParts({ messages: turns("Hi", "Old", "Bye") }, { messages: turns("Hi", "New", "Bye") }), [
    ["user", "Hi", "Hi"],
    ["assistant", "Old", "New"],
    ["user", "Bye", "Bye"],
  ]);
  assert.deepEqual(pairedParts({ messages: turns("Hi") }, { messages: turns("Hi", "More") }), [
    ["user", "Hi", "Hi"],
    ["assistant", null, "More"],
  ]);
});
