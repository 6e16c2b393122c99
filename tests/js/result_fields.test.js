import assert from "node:assert/strict";
import test from "node:test";
import { tokenizerSource } from "../../assets/js/merge/result_fields.js";

test("a tokenizer is where either spelling of a recipe says, a union when only settings of it are given", () => {
  const merge_method = "linear";
  assert.equal(tokenizerSource({ merge_method }), "");
  assert.equal(tokenizerSource({ merge_method, tokenizer_source: "base" }), "base");
  assert.equal(tokenizerSource({ merge_method, tokenizer: { source: "talks" }, tokenizer_source: "base" }), "talks");
  assert.equal(tokenizerSource({ merge_method, tokenizer: { pad_to_multiple_of: 64 } }), "union");
});
