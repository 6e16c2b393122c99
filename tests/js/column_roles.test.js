import assert from "node:assert/strict";
import test from "node:test";
import { accountTitle, roleOf, rolesOf, withRole } from "../../assets/js/data/column_roles.js";
import { field } from "./form_field.js";

/** @import { ColumnLine, Format } from "../../assets/js/data/column_roles.js" */

/** @type {Format} */
const FORMAT = {
  method: "prompt_completion",
  title: "Prompt and completion",
  kind: "conversation",
  summary: "",
  fields: [
    { ...field({ name: "prompt", label: "Prompt" }), kind: "column" },
    { ...field({ name: "completion", label: "Completion" }), kind: "column" },
    { ...field({ name: "role" }), kind: "text" },
  ],
};

/**
 * @param {string} column
 * @param {string} use
 * @param {string} [setting]
 * @returns {ColumnLine}
 */
const line = (column, use, setting = "") => ({ column, use, setting, why: "", rows: 1 });

test("a column has the role of its setting, is kept or left out, or is not decided on", () => {
  assert.equal(roleOf(line("Frage", "used", "prompt")), "=prompt");
  assert.equal(roleOf(line("Quelle", "kept")), "keep");
  assert.equal(roleOf(line("Seite", "left out")), "leave_out");
  assert.equal(roleOf(line("label", "undecided")), "");
});

test("a column that gets another role loses the one it had", () => {
  const settings = { prompt: "Frage", completion: "Antwort", keep_columns: ["Quelle"] };
  assert.deepEqual(withRole(FORMAT, settings, "Frage", "keep"), {
    prompt: "",
    completion: "Antwort",
    keep_columns: ["Quelle", "Frage"],
    leave_out: [],
  });
  assert.deepEqual(withRole(FORMAT, settings, "Quelle", "=prompt"), {
    prompt: "Quelle",
    completion: "Antwort",
    keep_columns: [],
    leave_out: [],
  });
  assert.deepEqual(withRole(FORMAT, settings, "Quelle", "leave_out").leave_out, ["Quelle"]);
  assert.deepEqual(settings, { prompt: "Frage", completion: "Antwort", keep_columns: ["Quelle"] });
});

test("a column can be read by each setting of the format; a key of messages only kept or left out", () => {
  const columns = ["Frage"];
  /** @param {ColumnLine} of */
  const values = (of) => rolesOf(FORMAT, of, columns)?.map(([, value]) => value) ?? null;
  assert.deepEqual(values(line("Frage", "used", "prompt")), ["=prompt", "=completion", "keep", "leave_out"]);
  assert.deepEqual(values(line("Frage", "undecided")), ["", "=prompt", "=completion", "keep", "leave_out"]);
  assert.deepEqual(values(line("messages.mood", "kept")), ["keep", "leave_out"]);
  assert.equal(values(line("messages.content", "used", "content")), null);
});

test("the heading counts what is to be decided", () => {
  assert.equal(accountTitle([line("a", "kept")]), "What becomes of every column");
  assert.equal(accountTitle([line("a", "undecided"), line("b", "kept")]), "1 of 2 columns needs a decision");
  assert.equal(accountTitle([line("a", "undecided"), line("b", "undecided")]), "2 of 2 columns need a decision");
});
