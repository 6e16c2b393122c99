import assert from "node:assert/strict";
import test from "node:test";
import { adopted, firstValue, newStep, stepStates, withHandEdits } from "../../assets/js/data/draft_steps.js";
import { standingText } from "../../assets/js/data/steps_frame.js";
import { field } from "./form_field.js";

/** @import { Done } from "../../assets/js/data/step_row.js" */

/** @type {Done} */
const DONE = { given: 9, left: 8, removed: 1, changed: 0, flagged: 0, added: 0, seconds: 1, key: "k" };

test("applied steps stay the objects they were; restored rows alone make no other step", () => {
  const draft = [
    { method: "exact", restored: [1] },
    { method: "length", most: 3 },
  ];
  const applied = [
    { method: "exact", restored: [1, 2] },
    { method: "length", most: 4 },
  ];
  const found = adopted(draft, applied);
  assert.equal(found[0], draft[0]);
  assert.deepEqual(found, applied);
  assert.equal(found[1] === applied[1], false);
  assert.deepEqual(adopted(draft, [{ method: "exact" }]), [{ method: "exact" }]);
});

test("a draft never takes back edits by hand that were made since", () => {
  const draft = [{ method: "edit_rows", edits: 1 }, { method: "length" }];
  assert.equal(withHandEdits(draft, [{ method: "edit_rows", edits: 1 }], [{ method: "edit_rows", edits: 1 }]), draft);
  assert.deepEqual(withHandEdits(draft, [], [{ method: "edit_rows", edits: 2 }]), [
    { method: "length" },
    { method: "edit_rows", edits: 2 },
  ]);
});

test("what a step did is known up to the first step that differs", () => {
  const applied = [{ method: "exact" }, { method: "length" }, { method: "shuffle" }],
    report = [DONE, DONE, DONE];
  const draft = [{ method: "exact" }, { method: "shuffle" }, { method: "near" }];
  const problem = { step: 3, field: "share", message: "Too large.", remedy: "" };
  const found = stepStates(draft, { applied, report }, [problem]);
  assert.deepEqual(
    found.map(({ done, state }) => [done, state]),
    [
      [DONE, "again"],
      [null, "again"],
      [null, "unsaved"],
    ],
  );
  assert.deepEqual(
    found.map(({ problems }) => problems),
    [[], [], [problem]],
  );
  assert.deepEqual(
    found.map(({ last }) => last),
    [false, false, true],
  );
});

test("a new step has what it must have", () => {
  const fields = [
    field({ name: "share", kind: "number", required: true, low: 0.1 }),
    field({ name: "model", kind: "one", required: true, list: "models" }),
    field({ name: "words", kind: "lines", required: true }),
    field({ name: "seed", kind: "number" }),
  ];
  const info = { title: "", summary: "", kinds: [], fields };
  assert.deepEqual(newStep("near", info, { models: [["Tiny", "tiny"]] }), {
    method: "near",
    share: 0.1,
    model: "tiny",
    words: [],
  });
  assert.deepEqual(newStep("near", info, {}).model, "");
});

test("a setting begins as its kind wants it", () => {
  /** @param {Parameters<typeof field>[0]} given */
  const first = (given) => firstValue(field({ name: "a", ...given }), {});
  assert.equal(first({ kind: "flag" }), false);
  assert.equal(first({ kind: "choice", choices: ["x", "y"] }), "x");
  assert.deepEqual(
    [first({ kind: "data" }), first({ kind: "data", many: true }), first({ kind: "pairs" })],
    [{}, [], {}],
  );
  assert.equal(first({ kind: "text" }), "");
});

test("the bar says whether the steps are applied", () => {
  const standing = { busy: "", isUnsaved: false, problems: 0, kept: 0, rows: { train: 4000, eval: 20 } };
  assert.equal(standingText(standing), "4,000 train + 20 eval rows, all applied");
  assert.equal(standingText({ ...standing, isUnsaved: true }), "Changed, not applied yet");
  assert.equal(standingText({ ...standing, isUnsaved: true, problems: 2 }), "Changed, 2 to put right");
});
