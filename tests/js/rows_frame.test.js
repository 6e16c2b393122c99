import assert from "node:assert/strict";
import test from "node:test";
import { placeText } from "../../assets/js/data/rows_frame.js";

/** @import { Found, View } from "../../assets/js/data/rows_frame.js" */

/** @type {View} */
const VIEW = { split: "train", start: 10, count: 10, words: "", regex: false, case: false, part: "all" };
/** @type {Found} */
const FOUND = {
  kind: "text",
  splits: { train: 4000, eval: 0 },
  bad: 0,
  undo: "",
  total: 4000,
  complete: true,
  rows: [],
  badRows: [],
};

test("the pager says which rows are shown of how many, and that a search goes on", () => {
  assert.equal(placeText(VIEW, FOUND, 10), "11–20 of 4,000 rows");
  assert.equal(placeText({ ...VIEW, words: "tea" }, { ...FOUND, complete: false }, 3), "11–13 of 4,000+ hits");
  assert.equal(placeText({ ...VIEW, split: "bad", start: 0 }, { ...FOUND, total: 2 }, 2), "1–2 of 2 bad rows");
  assert.equal(placeText(VIEW, FOUND, 0), "");
});
