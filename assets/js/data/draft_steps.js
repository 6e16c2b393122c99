/* Part of DataSteps: steps as data, those changed here beside those that are applied. Nothing here draws. */
import { alike } from "../forms/settings.js";

/** @import { Field, Lists } from "../forms/settings.js" */
/** @import { Done, Problem, State, Step, StepInfo } from "./step_row.js" */

/**
 * The recipe as it is applied: `report` has what each step did, `undo` counts the changes that can be taken back, `failed`
 * says where the last run broke off, `copy` is a free name for a copy.
 * @typedef {{
 *   mark: string, running: { job: string, status: string, text: string } | null, name: string, kind: string,
 *   rows: { train?: number, eval?: number } | null, applied: Step[], report: (Done | null)[], undo: number, yaml: string,
 *   failed: { steps: Step[], problem: Problem } | null, lists: Lists, copy: string,
 * }} Base
 */
/**
 * Whether a reply has the whole recipe.
 * @template {Partial<Base>} Reply
 * @param {Reply} reply
 * @returns {reply is Reply & Base}
 */
export const isBase = (reply) => Boolean(reply.name && reply.applied);

/** Kinds of fields that hold a list. */
const LISTS = ["ticks", "lines", "numbers", "several"];

/**
 * A copy that shares nothing with what it is of.
 * @template Value
 * @param {Value} value
 * @returns {Value}
 */
export const clone = (value) => JSON.parse(JSON.stringify(value));

/**
 * The edits of rows by hand among the steps.
 * @param {Step[]} steps
 */
export const handEdits = (steps) => steps.filter((one) => one.method === "edit_rows");

/**
 * The applied steps; those of the draft that differ at most in restored rows stay the objects they are, with all that is
 * open of them.
 * @param {Step[]} draft
 * @param {Step[]} applied
 */
export function adopted(draft, applied) {
  /** @param {Step} step */
  const bare = ({ restored, ...rest }) => rest;
  return applied.map((step, place) => {
    const old = draft[place];
    if (!old || !alike(bare(old), bare(step))) return clone(step);
    if (step.restored) old.restored = clone(step.restored);
    else delete old.restored;
    return old;
  });
}

/**
 * A draft that was begun before the applied steps: edits by hand made since are never taken back by it.
 * @param {Step[]} draft
 * @param {Step[]} before the steps that were applied when it was begun
 * @param {Step[]} applied
 */
export function withHandEdits(draft, before, applied) {
  if (alike(handEdits(before), handEdits(applied))) return draft;
  return [...draft.filter((one) => one.method !== "edit_rows"), ...clone(handEdits(applied))];
}

/**
 * What a setting without a usual value begins with.
 * @param {Field} field
 * @param {Lists} lists
 */
export function firstValue(field, lists) {
  if (field.kind === "number") return field.low ?? 0;
  if (field.kind === "choice") return field.choices[0];
  if (field.kind === "flag") return false;
  if (field.kind === "one") return (field.list && lists[field.list]?.[0]?.[1]) ?? "";
  if (LISTS.includes(field.kind) || (field.kind === "data" && field.many)) return [];
  return ["data", "pairs", "weights", "shares"].includes(field.kind) ? {} : "";
}

/**
 * A step with what it must have.
 * @param {string} method
 * @param {StepInfo} info
 * @param {Lists} lists
 * @returns {Step}
 */
export function newStep(method, info, lists) {
  const needed = info.fields.filter((field) => field.required);
  return { method, ...Object.fromEntries(needed.map((field) => [field.name, firstValue(field, lists)])) };
}

/**
 * How each step of the draft stands beside those that are applied: what it did is known up to the first that differs.
 * @param {Step[]} draft
 * @param {Pick<Base, "applied" | "report">} base
 * @param {Problem[]} problems
 * @returns {State[]}
 */
export function stepStates(draft, { applied, report }, problems) {
  const others = [...applied];
  let isSettled = true;
  return draft.map((step, place) => {
    isSettled = isSettled && alike(step, applied[place]);
    const at = others.findIndex((one) => alike(one, step));
    if (at >= 0) others.splice(at, 1);
    return {
      place,
      last: place === draft.length - 1,
      done: (isSettled && report[place]) || null,
      state: at >= 0 ? "again" : "unsaved",
      problems: problems.filter((one) => one.step === place + 1),
    };
  });
}
