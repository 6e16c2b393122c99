import assert from "node:assert/strict";
import test from "node:test";
import { fillFirst, fitMethods, methodsFitTo } from "../../assets/js/forms/fitting.js";
import {
  alike,
  applies,
  fitting,
  isAnyChanged,
  isChanged,
  isEmpty,
  shownPath,
  unsettled,
  usualMethod,
  withSetting,
} from "../../assets/js/forms/settings.js";
import { field, method, rank, tuner } from "./form_field.js";

/** @import { Lists } from "../../assets/js/forms/settings.js" */

test("values are alike whatever the order of their keys, and none is null", () => {
  assert.ok(alike({ a: 1, b: { c: [1, 2], d: 3 } }, { b: { d: 3, c: [1, 2] }, a: 1 }));
  assert.ok(alike(undefined, null));
  for (const [one, other] of [
    [
      [1, 2],
      [2, 1],
    ],
    [0, null],
    [1, "1"],
    [{ a: 1 }, { a: 1, b: null }],
  ])
    assert.ok(!alike(one, other), JSON.stringify([one, other]));
});

test("nothing, zero and what holds nothing are empty", () => {
  for (const value of [null, undefined, "", 0, [], {}]) assert.ok(isEmpty(value));
  for (const value of [1, "0", [0], { a: null }, false]) assert.ok(!isEmpty(value));
});

test("a setting left to its default is taken out, and the settings before stay as they were", () => {
  const before = { epochs: 3, seed: 1 };
  assert.deepEqual(withSetting(before, "epochs", 5), { epochs: 5, seed: 1 });
  assert.deepEqual(withSetting(before, "epochs", undefined), { seed: 1 });
  assert.deepEqual(withSetting(before, "epochs", null), { epochs: null, seed: 1 });
  assert.deepEqual(before, { epochs: 3, seed: 1 });
});

test("a setting applies by what the others are, their defaults included", () => {
  const kind = field({ name: "kind", default: "cosine" }),
    cycles = field({ name: "cycles", shown_if: { kind: ["cosine", "restarts"] } });
  assert.ok(applies(cycles, [kind, cycles], {}));
  assert.ok(applies(cycles, [kind, cycles], { kind: "restarts" }));
  assert.ok(!applies(cycles, [kind, cycles], { kind: "linear" }));
  assert.ok(applies(field({ name: "free" }), [kind], { kind: "linear" }));
});

test("the usual method is the default by name or as settings, else the first", () => {
  assert.equal(usualMethod(tuner), "lora");
  assert.equal(usualMethod({ ...tuner, default: { method: "full" } }), "full");
  assert.equal(usualMethod({ ...tuner, default: null }), "lora");
});

test("what differs from the default is changed; what has to be set never is", () => {
  assert.ok(isChanged(rank, 16));
  assert.ok(!isChanged(rank, 8));
  assert.ok(!isChanged(rank, undefined));
  assert.ok(!isChanged({ ...rank, required: true }, 16));
});

test("a group is changed by what is in it, a method by which it is and, at second glance, by its settings", () => {
  const group = field({ name: "decoding", kind: "group", fields: [rank] });
  assert.ok(isChanged(group, { rank: 9 }));
  assert.ok(!isChanged(group, { rank: 8 }));
  assert.ok(isChanged(tuner, { method: "full" }));
  assert.ok(!isChanged(tuner, { method: "lora", rank: 16 }));
  assert.ok(isAnyChanged(tuner, { method: "lora", rank: 16 }));
  assert.ok(!isAnyChanged(tuner, { method: "lora", rank: 8 }));
});

/** @type {Lists} */
const LISTS = {
  datasets: [
    ["talks · conversation", "talks", "conversation"],
    ["pairs · preference", "pairs", "preference"],
    ["odd", "odd"],
  ],
};
const tags = { sft: ["conversation", "text"], dpo: ["preference"], best: ["preference"] };
const objective = field({
  name: "objective",
  kind: "method",
  default: "sft",
  fits: { field: "dataset", list: "datasets", tags },
  methods: [method("sft", [rank]), method("best", [], { unavailable: "Needs a GPU." }), method("dpo")],
});
const dataset = field({ name: "dataset", kind: "one", list: "datasets", required: true });

test("a method fits by the kind of what is chosen; what has no kind fits every one", () => {
  assert.ok(fitting(objective, { dataset: "pairs" }, LISTS)("dpo"));
  assert.ok(!fitting(objective, { dataset: "pairs" }, LISTS)("sft"));
  for (const name of ["odd", "gone", undefined])
    assert.ok(fitting(objective, { dataset: name }, LISTS)("dpo"), String(name));
  assert.ok(fitting(tuner, {}, LISTS)("lora"));
});

/**
 * @param {Record<string, any>} settings
 * @param {{ before?: Record<string, any>, fittedTo?: Record<string, any>, kept?: Record<string, any> }} [given]
 */
function fitted(settings, { before = settings, fittedTo = { objective: "" }, kept = {} } = {}) {
  return fitMethods({ fields: [dataset, objective], settings, before, lists: LISTS, fittedTo, kept });
}

test("a method that cannot work on what was just chosen gives way to one that can and runs here", () => {
  const reply = fitted({ dataset: "pairs" });
  assert.deepEqual(reply.settings, { dataset: "pairs", objective: { method: "dpo" } });
  assert.deepEqual(reply.fittedTo, { objective: "pairs" });
});

test("what was set of a method stays with it when it gives way and when it comes back", () => {
  const kept = {};
  const away = fitted({ dataset: "pairs", objective: { method: "sft", rank: 4 } }, { kept });
  assert.deepEqual(away.settings.objective, { method: "dpo" });
  const back = fitted({ ...away.settings, dataset: "talks" }, { fittedTo: away.fittedTo, kept });
  assert.deepEqual(back.settings.objective, { method: "sft", rank: 4 });
});

test("a method chosen by hand stays though it does not fit", () => {
  const settings = { dataset: "talks", objective: { method: "dpo" } };
  assert.equal(fitted(settings, { fittedTo: { objective: "talks" } }).settings, settings);
  const filled = fitted(settings, { before: { objective: { method: "dpo" } } }); // the dataset filled itself
  assert.equal(filled.settings, settings);
});

test("empty choices take the first of their list, others stay", () => {
  const first = { ...dataset, first: true };
  assert.deepEqual(fillFirst([first], {}, LISTS), { dataset: "talks" });
  for (const settings of [{ dataset: "pairs" }, { dataset: "gone" }])
    assert.equal(fillFirst([first], settings, LISTS), settings);
  const settings = {};
  assert.equal(fillFirst([dataset], settings, LISTS), settings);
  assert.equal(fillFirst([first], settings, {}), settings);
  assert.deepEqual(methodsFitTo([dataset, objective], { dataset: "odd" }), { objective: "odd" });
});

test("a problem is shown beside the innermost setting there is on its way", () => {
  const fields = [tuner, field({ name: "decoding", kind: "group", fields: [rank] }), field({ name: "stop" })];
  /** @type {[string[], string[]][]} */
  const cases = [
    [
      ["tuner", "rank"],
      ["tuner", "rank"],
    ],
    [["tuner", "alpha"], ["tuner"]],
    [
      ["decoding", "rank", "0"],
      ["decoding", "rank"],
    ],
    [["stop", "2"], ["stop"]],
    [["unknown"], []],
  ];
  for (const [path, shown] of cases) assert.deepEqual(shownPath(fields, {}, path), shown);
  assert.deepEqual(shownPath(fields, { tuner: { method: "full" } }, ["tuner", "rank"]), ["tuner"]);
});

test("a change settles the problems of what was changed, of what is around it and of what is in it", () => {
  const problems = [["tuner"], ["tuner", "rank"], ["tuner", "alpha"], ["seed"]].map((path) => ({ path, text: "no" }));
  /** @param {string[]} path */
  const left = (path) => unsettled(problems, path).map((problem) => problem.path.join("."));
  assert.deepEqual(left(["tuner", "rank"]), ["tuner.alpha", "seed"]);
  assert.deepEqual(left(["tuner"]), ["seed"]);
  assert.deepEqual(left(["epochs"]), ["tuner", "tuner.rank", "tuner.alpha", "seed"]);
});
