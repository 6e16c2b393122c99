/* The value of a merge setting: a constant, a list over the layers, or a list of {filter, value} where the first filter
   found in a tensor's name wins. Nothing here draws. */
import { short } from "./curve.js";

/** A setting of a method as the catalogue describes it. @typedef {{ name: string, kind: string, label: string, help: string, low: number | null, high: number | null, default: any, required: boolean, scope: string }} Parameter */
/** Numbers for the tensors in whose name the filter is; without one, for all others. @typedef {{ filter?: string, value: number | number[] }} ModuleValue */
/** @typedef {"one" | "layers" | "modules" | "other"} ValueKind */

/** What a filter is usually, by a part of the names of tensors. @type {[filter: string, label: string][]} */
export const MODULE_FILTERS = [
  ["self_attn", "Attention"],
  ["mlp", "MLP"],
  ["embed_tokens", "Embeddings"],
  ["norm", "Norms"],
  ["lm_head", "Head"],
];
const OWN_FILTER = "layers.0.";
const NEUTRAL_VALUE = 0.5;

/** @param {unknown} value @returns {value is number} */
export const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** @param {unknown} value @returns {value is number[]} */
export const isNumberList = (value) => Array.isArray(value) && value.length > 0 && value.every(isNumber);

/** Whether the value is the same for every layer. @param {unknown} value @returns {value is number[]} */
export const isFlat = (value) => isNumberList(value) && value.every((number) => number === value[0]);

/** Whether a row leaves nothing for the rows behind it. @param {ModuleValue} row */
export const isRest = ({ filter }) => !filter || filter === "*";

/** What a value is; 'other' for what only YAML can say. @param {any} value @returns {ValueKind} */
export function kindOf(value) {
  if (isNumberList(value)) return "layers";
  const rows = Array.isArray(value) ? value : value && typeof value === "object" ? [value] : null;
  if (!rows) return typeof value === "string" && value !== "" ? "other" : "one";
  /** @param {any} row */
  const isPlain = (row) => row && typeof row === "object" && (isNumber(row.value) || isNumberList(row.value));
  return rows.length && rows.every(isPlain) ? "modules" : "other";
}

/** '0.3' → 0.3, '0, 0.5, 1' → [0, 0.5, 1], anything else → null. @param {string} text */
export function parseNumbers(text) {
  const numbers = text
    .trim()
    .split(/[\s,;]+/)
    .filter(Boolean)
    .map(Number);
  if (!numbers.length || !numbers.every(isNumber)) return null;
  return numbers.length === 1 ? numbers[0] : numbers;
}

/** @param {unknown} value */
export const writeNumbers = (value) =>
  isNumberList(value) ? value.map(short).join(", ") : isNumber(value) ? short(value) : "";

/** @param {any} value @returns {number[]} */
export const overLayers = (value) => (isNumberList(value) ? value : [value, value]);

/**
 * The numbers at the start of a value, to go on from when its kind changes.
 * @param {any} value
 * @param {number} fallback
 * @returns {number | number[]}
 */
export function seedOf(value, fallback) {
  if (isNumber(value) || isNumberList(value)) return value;
  if (!value || typeof value !== "object") return fallback;
  return seedOf([value].flat().at(-1)?.value, fallback);
}

/** @param {Parameter} parameter */
export const startOf = (parameter) => (isNumber(parameter.default) ? parameter.default : NEUTRAL_VALUE);

/**
 * The value as another kind, begun with the numbers it has.
 * @param {any} value
 * @param {ValueKind} kind
 * @param {number} fallback
 */
export function asKind(value, kind, fallback) {
  const numbers = seedOf(value, fallback),
    seed = isFlat(numbers) ? numbers[0] : numbers;
  if (kind === "one") return isNumberList(seed) ? seed[0] : seed;
  if (kind === "layers") return overLayers(seed);
  return [{ filter: "self_attn", value: seed }, { filter: "mlp", value: seed }, { value: seed }];
}

/**
 * The rows with another one before that of everything else, for what none is for yet; and where it stands.
 * @param {ModuleValue[]} rows
 */
export function withModule(rows) {
  const filters = rows.map(({ filter }) => filter);
  const filter = MODULE_FILTERS.find(([name]) => !filters.includes(name))?.[0] ?? OWN_FILTER;
  const rest = rows.findIndex(isRest),
    index = rest < 0 ? rows.length : rest;
  const row = { filter, value: seedOf(rows.at(-1)?.value, NEUTRAL_VALUE) };
  return { rows: [...rows.slice(0, index), row, ...rows.slice(index)], index };
}

/** @param {Parameter} parameter @param {number} value */
export const isWithin = ({ low, high }, value) => (low ?? -Infinity) <= value && value <= (high ?? Infinity);

/** @param {Pick<Parameter, "low" | "high">} parameter */
export function boundsText({ low, high }) {
  if (isNumber(low) && isNumber(high)) return `From ${short(low)} to ${short(high)}.`;
  return isNumber(low) ? `At least ${short(low)}.` : isNumber(high) ? `At most ${short(high)}.` : "";
}

/**
 * A value that varies as words: over the layers, how many modules, or that it is in the YAML.
 * @param {any} value
 */
export function glanceText(value) {
  const kind = kindOf(value);
  if (kind === "layers") return value.map(short).join(" → ");
  if (kind === "modules") return `${[value].flat().length} modules`;
  return typeof value === "string" ? value : "as in YAML";
}
