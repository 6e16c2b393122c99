/* The numbers of a run: lines by metric, what is drawn of long ones, and how they are called. */
import { formatNumber } from "../lib/format.js";

/** @typedef {{ x: number[], y: number[] }} Line parallel arrays of steps and values */
/** @typedef {Record<string, Line>} Series */
/** @typedef {{ y: number[], acc: number, n: number }} Smooth */
/** @typedef {[low: number, high: number] | null} Range */

const NOT_A_METRIC =
  /^(step|epoch|time|timestamp|total_flos|train_.*|.*_(runtime|samples_per_second|steps_per_second))$/;
const NAMES = new Map([
  ["loss", "Train loss"],
  ["eval_loss", "Eval loss"],
  ["learning_rate", "Learning rate"],
  ["tokens_per_second", "Tokens per second"],
  ["memory_mb", "Memory"],
  ["grad_norm", "Gradient norm"],
  ["device_percent", "Device use"],
  ["mean_token_accuracy", "Token accuracy"],
  ["num_tokens", "Tokens seen"],
  ["rewards/margins", "Reward margin"],
  ["rewards/accuracies", "Reward accuracy"],
  ["rewards", "Rewards"],
  ["logps", "Log-probability"],
  ["logits", "Logits"],
]);
const ORDER = ["rewards/margins", "rewards/accuracies", "rewards", "learning_rate", "tokens_per_second", "memory_mb"];

/**
 * Adds points to the lines of their metrics; what is no finite number, or no metric, is left out.
 * @param {Series} series
 * @param {Record<string, unknown>[]} points each with its `step`
 */
export function addPoints(series, points) {
  for (const point of points) {
    for (const [key, value] of Object.entries(point)) {
      if (typeof value !== "number" || !Number.isFinite(value) || NOT_A_METRIC.test(key)) continue;
      series[key] ||= { x: [], y: [] };
      series[key].x.push(Number(point.step));
      series[key].y.push(value);
    }
  }
}

/** @returns {Smooth} */
export const newSmooth = () => ({ y: [], acc: 0, n: 0 });

/**
 * Debiased exponential mean, as in TensorBoard; only the values not yet smoothed are visited.
 * @param {Smooth} smooth
 * @param {number[]} values
 * @param {number} weight of what came before, from 0 to below 1
 */
export function extendSmooth(smooth, values, weight) {
  for (const value of values.slice(smooth.y.length)) {
    smooth.acc = smooth.acc * weight + (1 - weight) * value;
    smooth.n += 1;
    smooth.y.push(weight ? smooth.acc / (1 - weight ** smooth.n) : value);
  }
}

/**
 * First index whose step is not below `step`.
 * @param {number[]} x
 * @param {number} step
 */
export function lowerBound(x, step) {
  let low = 0,
    high = x.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x[middle] < step) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Indices to draw: all, or the lowest and highest of each of most/2 buckets within the (widened) range.
 * @param {Line} line
 * @param {Range} range
 * @param {number} most
 */
export function thin({ x, y }, range, most) {
  let from = 0,
    to = x.length;
  if (range) {
    const margin = range[1] - range[0];
    from = Math.max(0, lowerBound(x, range[0] - margin) - 1);
    to = Math.min(x.length, lowerBound(x, range[1] + margin) + 1);
  }
  const count = to - from;
  if (count <= most) return Array.from({ length: count }, (_, index) => from + index);
  const indices = [],
    size = count / (most / 2);
  for (let bucket = 0; bucket < most / 2; bucket++) {
    const start = from + Math.floor(bucket * size),
      end = Math.min(to, from + Math.floor((bucket + 1) * size));
    let low = start,
      high = start;
    for (let index = start; index < end; index++) {
      if (y[index] < y[low]) low = index;
      if (y[index] > y[high]) high = index;
    }
    indices.push(Math.min(low, high));
    if (low !== high) indices.push(Math.max(low, high));
  }
  if (indices[0] !== from) indices.unshift(from);
  if (indices[indices.length - 1] !== to - 1) indices.push(to - 1);
  return indices;
}

/**
 * @param {number[]} values
 * @param {number[]} indices
 */
export const pick = (values, indices) => indices.map((index) => values[index]);

/**
 * Metrics that belong in one tile: eval_x with x, and x/chosen with x/rejected.
 * @param {Series} series
 * @returns {[name: string, keys: string[]][]}
 */
export function groups(series) {
  /** @type {Map<string, string[]>} */
  const byName = new Map();
  for (const key of Object.keys(series)) {
    if (key === "loss" || key === "eval_loss") continue;
    const name = key.replace(/^eval_/, "").replace(/\/(chosen|rejected)$/, "");
    byName.set(name, [...(byName.get(name) ?? []), key]);
  }
  const rank = (/** @type {string} */ name) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  return [...byName].sort(([one], [other]) => rank(one) - rank(other) || one.localeCompare(other));
}

/**
 * Steps shown in every tile: the zoom of the loss chart, or the whole run.
 * @param {Series} series
 * @param {Range} range
 * @returns {[low: number, high: number]}
 */
export function extent(series, range) {
  if (range) return range;
  let low = Number.POSITIVE_INFINITY,
    high = Number.NEGATIVE_INFINITY;
  for (const { x } of Object.values(series)) {
    low = Math.min(low, x[0]);
    high = Math.max(high, x[x.length - 1]);
  }
  return low < high ? [low, high] : [low - 1, high + 1];
}

/** @param {string} key */
export function metricName(key) {
  const words = key.replace(/[_/]+/g, " ").trim();
  return NAMES.get(key) ?? words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * A value of a metric in its unit.
 * @param {string} key
 * @param {number} value
 */
export function metricText(key, value) {
  if (/memory.*mb$/.test(key)) return value >= 1024 ? `${(value / 1024).toFixed(2)} GB` : `${Math.round(value)} MB`;
  if (/_percent$/.test(key)) return `${Math.round(value)} %`;
  if (/accurac/.test(key)) return `${(value * 100).toFixed(1)} %`;
  return formatNumber(value);
}
