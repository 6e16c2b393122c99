import assert from "node:assert/strict";
import test from "node:test";
import { keyAction, keyList, keyName } from "../../assets/js/label/vote_keys.js";

test("arrows, digits and letters of either case vote; other keys do nothing", () => {
  const votes = [..."1a2ltbsu", "ArrowLeft", "ArrowRight", "ArrowDown"].map((key) => keyAction(key));
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
  assert.deepEqual(
    ["A", "L", "U", "Backspace"].map((key) => keyAction(key)),
    ["left", "right", "undo", "undo"],
  );
  assert.deepEqual(
    ["x", "3", "Enter", "ArrowUp"].map((key) => keyAction(key)),
    [undefined, undefined, undefined, undefined],
  );
});

test("a letter is one key in either case; the names of other keys are as they are", () => {
  assert.equal(keyName("R"), "r");
  assert.equal(keyName("Backspace"), "Backspace");
});

test("where a vote is put together, digits and arrows choose in rows and Enter saves", () => {
  assert.deepEqual(
    ["1", "7", "ArrowLeft", "ArrowDown", "T", "r", "e", "Enter", "s", "b"].map((key) => keyAction(key, "composed")),
    ["digit", "digit", "previous", "down", "tie", "reason", "edit", "save", "skip", "both_bad"],
  );
  assert.equal(keyAction("a", "composed"), undefined);
});

test("where answers are ranked, arrows move one and T shares a place", () => {
  assert.deepEqual(
    ["3", "ArrowUp", "ArrowDown", "t", "=", "e"].map((key) => keyAction(key, "ranked")),
    ["digit", "up", "down", "same_place", "same_place", undefined],
  );
});

test("flag, votes, guidelines, pause and keys are the same letters everywhere", () => {
  for (const mode of /** @type {const} */ (["plain", "composed", "ranked"]))
    assert.deepEqual(
      ["f", "v", "g", "p", "?", "u"].map((key) => keyAction(key, mode)),
      ["flag", "own_votes", "guidelines", "pause", "keys", "undo"],
    );
});

test("the list of keys names only what the session asks for", () => {
  const asked = { edits: false, hasReason: true, reach: 3 };
  const words = keyList("composed", asked).map(([, word]) => word);
  assert.ok(words.includes("reason") && words.includes("save") && !words.includes("edit"));
  assert.ok(keyList("composed", asked).some(([key]) => key === "1 – 7"));
  assert.ok(!keyList("plain", { ...asked, edits: true }).some(([, word]) => word === "save"));
});
