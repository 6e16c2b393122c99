import assert from "node:assert/strict";
import test from "node:test";
import {
  composedVote,
  digitPosition,
  isComposed,
  missingParts,
  openRow,
  PLAIN,
  pickPosition,
  positionIn,
  stepped,
} from "../../assets/js/label/ballot.js";
import { dropDraft, isEmpty, newDraft, readDraft, writeDraft } from "../../assets/js/label/drafts.js";
import { wordsOf } from "../../assets/js/label/words.js";

const answers = [
  { text: "One", cut_off: false },
  { text: "Two", cut_off: false },
];
const pair = { token: "t", prompt: [], answers, done: 0, total: 4, ranked: false, training: false };
/** @type {import("../../assets/js/label/ballot.js").Ask} */
const full = { ...PLAIN, graded: true, aspects: ["short", "kind"], rationale: "required", edits: true };

test("a plain session takes a vote at once; whatever else it asks for is put together", () => {
  assert.equal(isComposed(PLAIN, pair), false);
  assert.equal(isComposed(PLAIN, { ...pair, ranked: true }), true);
  for (const more of [{ graded: true }, { aspects: ["short"] }, { edits: true }])
    assert.equal(isComposed({ ...PLAIN, ...more }, pair), true);
  assert.equal(isComposed({ ...PLAIN, rationale: "optional" }, pair), true);
});

test("digits of the scale go from much better on the left to much better on the right", () => {
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6, 7, 8].map((digit) => digitPosition(full, 0, digit)),
    [-3, -2, -1, 0, 1, 2, 3, null],
  );
  assert.deepEqual(
    [1, 2, 3, 4].map((digit) => digitPosition(full, 1, digit)),
    [-1, 0, 1, null],
  );
  const draft = pickPosition(full, newDraft(), 0, -3);
  assert.deepEqual([draft.choice, draft.strength, positionIn(full, draft, 0)], ["left", 3, -3]);
  assert.equal(positionIn(full, newDraft(), 0), null);
});

test("arrows step along a row and stop at its ends", () => {
  let draft = stepped(full, newDraft(), 0, -1);
  assert.equal(positionIn(full, draft, 0), -1);
  draft = stepped(full, stepped(full, draft, 0, 1), 0, 1);
  assert.equal(positionIn(full, draft, 0), 1);
  for (let press = 0; press < 5; press += 1) draft = stepped(full, draft, 0, 1);
  assert.deepEqual([draft.choice, draft.strength], ["right", 3]);
  draft = stepped(full, stepped(full, draft, 2, -1), 2, -1);
  assert.deepEqual(draft.aspects, { kind: "left" });
});

test("the next row without a choice is found from the one that was chosen in", () => {
  const first = pickPosition(full, newDraft(), 1, 0);
  assert.deepEqual([openRow(full, newDraft(), 0), openRow(full, first, 1), openRow(full, first, 0)], [0, 2, 0]);
  const last = pickPosition(full, pickPosition(full, first, 2, 1), 0, 0);
  assert.equal(openRow(full, last, 2), -1);
});

test("what is missing is named, and a complete draft becomes a ballot", () => {
  let draft = newDraft();
  assert.deepEqual(missingParts(full, pair, draft), ["question", "short", "kind", "reason"]);
  draft = pickPosition(full, pickPosition(full, pickPosition(full, draft, 0, 2), 1, 0), 2, -1);
  draft = { ...draft, reason: " because ", editedSide: "left", edits: { left: "One, better", right: "lost" } };
  assert.deepEqual(missingParts(full, pair, draft), []);
  assert.deepEqual(composedVote(full, pair, draft), {
    choice: "right",
    ballot: {
      strength: 2,
      aspects: { short: "tie", kind: "left" },
      reason: "because",
      edited_text: "One, better",
      edited_side: "left",
    },
  });
});

test("an answer that was opened and left as it is is no edit", () => {
  const draft = { ...pickPosition(full, newDraft(), 0, 0), editedSide: "left", edits: { left: "One" } };
  const cast = composedVote({ ...PLAIN, edits: true }, pair, /** @type {any} */ (draft));
  assert.deepEqual(cast, { choice: "tie", ballot: { strength: 0, aspects: {}, reason: "" } });
});

test("a ranking is complete when every answer has a place, unless all are bad", () => {
  const ranked = { ...pair, ranked: true, answers: [...answers, answers[0]] };
  assert.deepEqual(missingParts(PLAIN, ranked, { ...newDraft(), ranking: [[1], [0]] }), ["rank_title"]);
  const draft = { ...newDraft(), ranking: [[1], [0, 2]] };
  assert.deepEqual(composedVote(PLAIN, ranked, draft), {
    choice: "ranking",
    ballot: { reason: "", ranking: [[1], [0, 2]] },
  });
  assert.deepEqual(composedVote(PLAIN, ranked, { ...draft, choice: "both_bad" }).choice, "both_bad");
});

test("a draft comes back for its own pair only, and is gone once dropped", () => {
  /** @type {Map<string, string>} */
  const kept = new Map();
  const store = {
    get: (/** @type {string} */ key) => kept.get(key) ?? null,
    set: (/** @type {string} */ key, /** @type {string} */ value) => void kept.set(key, value),
  };
  const draft = { ...newDraft(), reason: "why", ranking: [[1], [0]] };
  writeDraft(store, "round", "t1", draft);
  assert.deepEqual(readDraft(store, "round", "t1"), draft);
  assert.deepEqual(readDraft(store, "round", "t2"), newDraft());
  assert.deepEqual(readDraft(store, "other", "t1"), newDraft());
  dropDraft(store, "round");
  assert.deepEqual(readDraft(store, "round", "t1"), newDraft());
  assert.deepEqual([isEmpty(newDraft()), isEmpty(draft)], [true, false]);
  store.set("workbench.draft.round", "{broken");
  assert.deepEqual(readDraft(store, "round", "t1"), newDraft());
});

test("words are filled in, and a key without words is shown as it is", () => {
  const words = wordsOf({ count: "{done} of {total}" });
  assert.equal(words("count", { done: 3, total: 8 }), "3 of 8");
  assert.equal(words("Helpful"), "Helpful");
});
