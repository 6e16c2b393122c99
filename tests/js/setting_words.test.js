import assert from "node:assert/strict";
import test from "node:test";
import {
  blankWords,
  boundsSentence,
  defaultWords,
  groupWords,
  knownChoices,
  methodWords,
  settingWords,
  shortNumber,
  shortSettings,
} from "../../assets/js/forms/setting_words.js";
import { field, method, rank, tuner } from "./form_field.js";

/** @import { Field, Lists } from "../../assets/js/forms/settings.js" */

test("numbers have at most six digits", () => {
  /** @type {[unknown, string][]} */
  const cases = [
    [1200, "1,200"],
    [0.0002, "0.0002"],
    [1 / 3, "0.333333"],
    ["0.5", "0.5"],
  ];
  for (const [value, text] of cases) assert.equal(shortNumber(value), text);
});

test("a setting is said in words of its kind", () => {
  /** @type {[Partial<Field>, any, string][]} */
  const cases = [
    [{ label: "Repeated", kind: "flag" }, true, "repeated"],
    [{ label: "Repeated", kind: "flag" }, false, "without repeated"],
    [{ label: "Tokens", kind: "number", limit: "max" }, 512, "tokens ≤ 512"],
    [{ label: "Tokens", kind: "number", limit: "min" }, 0.5, "tokens ≥ 0.5"],
    [{ label: "Seed", kind: "number" }, 1200, "seed 1,200"],
    [{ label: "Keep", kind: "choice", labels: { first: "the first" } }, "first", "keep the first"],
    [{ label: "Others", kind: "shares" }, { a: 1, b: 0.25 }, "others a × 1, b × 0.25"],
    [{ label: "Rows", kind: "data" }, [1, 2, 3], "rows: 3"],
    [{ label: "Names", kind: "pairs" }, { a: 1 }, "names: 1"],
    [{ label: "Sizes", kind: "numbers" }, [1, 2], "sizes 1, 2"],
    [{ label: "Text" }, "x".repeat(60), `text ${"x".repeat(47)}…`],
  ];
  for (const [given, value, text] of cases) assert.equal(settingWords(field(given), value), text);
});

test("in short, what differs from its default is said, five at most; else what is usual", () => {
  const numbers = ["a", "b", "c", "d", "e", "f"].map((name) =>
    field({ name, label: name, kind: "number", default: 1 }),
  );
  const fields = [...numbers, field({ name: "on", kind: "flag", default: true }), field({ name: "empty" })];
  assert.equal(shortSettings({ fields }, {}), "a 1 · b 1");
  assert.equal(shortSettings({ fields }, { a: 1, b: 2 }), "b 2");
  const all = Object.fromEntries(numbers.map(({ name }) => [name, 3]));
  assert.equal(shortSettings({ fields }, all), "a 3 · b 3 · c 3 · d 3 · e 3 · 1 more");
  assert.equal(shortSettings({ fields: [] }, {}), "");
});

test("a default is said in words", () => {
  /** @type {[Partial<Field>, string][]} */
  const cases = [
    [{ kind: "flag", default: true }, "on"],
    [{ kind: "flag", default: false }, "off"],
    [{ kind: "number", default: 0 }, "0"],
    [{ kind: "number", default: null }, "empty"],
    [{ kind: "choice", default: "first", labels: { first: "the first" } }, "the first"],
    [{ kind: "several", default: ["a", "b"] }, "a, b"],
    [{ kind: "weights", default: { a: 1 } }, '{"a":1}'],
    [{ default: "y".repeat(80) }, `${"y".repeat(59)}…`],
    [tuner, "LORA"],
  ];
  for (const [given, text] of cases) assert.equal(defaultWords(field(given)), text);
});

test("a group says what is set in it, and that nothing is", () => {
  const graded = field({ name: "graded", label: "Graded votes", kind: "flag", default: false });
  const aspects = field({ name: "aspects", label: "Aspects", kind: "lines", default: [] });
  const share = field({ name: "share", label: "Share", kind: "number", default: 0.2, shown_if: { graded: true } });
  const note = field({ name: "note", label: "Note", default: "", long: true });
  const all = [graded, aspects, share, note];
  /** @type {[Field[], Record<string, any>, string][]} */
  const cases = [
    [all, {}, "default"],
    [[note], {}, "none"],
    [[note], { note: "one\n\ntwo" }, "2 lines"],
    [all, { graded: true, aspects: ["a", "b"], note: "one" }, "graded votes · aspects a, b · note: 1 line"],
    [all, { share: 0.5 }, "default"], // without effect
    [all, { graded: true, share: 0.5 }, "graded votes · share 0.5"],
  ];
  for (const [group, settings, words] of cases) assert.equal(groupWords(group, all, settings), words);
});

test("what a number may be is a sentence", () => {
  const free = { low: null, high: null, whole: false, above: false, below: false };
  assert.equal(boundsSentence(free), "A number.");
  assert.equal(boundsSentence({ ...free, low: 1, high: 512, whole: true }), "A whole number from 1 to 512.");
  assert.equal(boundsSentence({ ...free, low: 0, high: 1, above: true, below: true }), "A number above 0 below 1.");
});

test("an empty choice says what can be done about it", () => {
  const pick = field({ kind: "one", list: "models", required: true });
  /** @type {Lists} */
  const some = { models: [["toy", "toy"]] };
  assert.equal(blankWords(pick, some), "Choose");
  assert.equal(blankWords(pick, { models: [] }), "There is none yet");
  assert.equal(blankWords(pick, {}), "…");
  assert.equal(blankWords({ ...pick, required: false }, some), "none");
  assert.equal(blankWords({ ...pick, first: true }, some), null);
  assert.equal(blankWords({ ...pick, required: false }, { models: [["nothing", ""]] }), null);
});

test("what is chosen without being in the list is listed, and said to be none of it unless it can be written", () => {
  const pick = field({ kind: "one", list: "models" });
  /** @type {Lists} */
  const lists = { models: [["toy · adapter", "toy"]] };
  assert.deepEqual(knownChoices(pick, lists, ["toy", ""]), lists.models);
  assert.deepEqual(knownChoices(pick, lists, ["gone"])[1], ["gone · not in this list", "gone"]);
  assert.deepEqual(knownChoices({ ...pick, writable: true }, lists, ["a+b"])[1], ["a+b", "a+b"]);
  assert.deepEqual(knownChoices(pick, {}, ["gone"]), [["gone", "gone"]]);
});

test("a method says what it is for when it does not fit, and when it cannot run here", () => {
  const objective = field({ fits: { field: "dataset", list: "datasets", tags: { dpo: ["preference", "unpaired"] } } });
  const dpo = method("dpo", [rank]);
  assert.equal(
    methodWords(objective, dpo, () => true),
    "DPO",
  );
  assert.equal(
    methodWords(objective, dpo, () => false),
    "DPO (for preference or unpaired rows)",
  );
  assert.equal(
    methodWords(objective, { ...dpo, unavailable: "No GPU." }, () => true),
    "DPO (not here)",
  );
});
