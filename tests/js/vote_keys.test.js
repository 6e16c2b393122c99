import assert from "node:assert/strict";
import test from "node:test";
import { keyAction, keyName } from "../../assets/js/label/vote_keys.js";

test("arrows, digits and letters of either case vote; other keys do nothing", () => {
  const votes = [..."1a2ltbsu", "ArrowLeft", "ArrowRight", "ArrowDown"].map(keyAction);
  assert.deepEqual(votes, [
    "left",
    "left",
    "right",
    "right",
    "tie",
    "both_bad",
    "skip",
    "undo",
    "left",
    "right",
    "tie",
  ]);
  assert.deepEqual(["A", "L", "U", "Backspace"].map(keyAction), ["left", "right", "undo", "undo"]);
  assert.deepEqual(["x", "3", "Enter", "ArrowUp"].map(keyAction), [undefined, undefined, undefined, undefined]);
});

test("a letter is one key in either case; the names of other keys are as they are", () => {
  assert.equal(keyName("R"), "r");
  assert.equal(keyName("Backspace"), "Backspace");
});
