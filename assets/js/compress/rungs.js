/* The rungs of the ladder: what each stands for, and what is chosen of them as the job is given it. Nothing here draws. */

/** @import { Settings } from "../forms/settings.js" */

/** A quantizer with the type it makes. @typedef {{ method: string, type?: string }} RungQuantizer */
/**
 * One row: `unavailable` why it cannot be made here, `more` that it is folded away at first.
 * @typedef {{
 *   key: string, name: string, what: string, group: string, given: RungQuantizer, unavailable: string, more: boolean,
 * }} Rung
 */
/** A quantizer as the job is given it. @typedef {Settings & { method: string }} Quantizer */
/** What a rung would make of the model, or the problem in its way. @typedef {{ bytes?: number, bits?: number | null, notes?: string[], problem?: string }} Estimate */
/** What every rung would make, by its key; `bytes` and `words` are the model's own. @typedef {{ bytes: number, words: string, rows: Record<string, Estimate> }} Estimates */

/**
 * Bytes as '512 B', '2.1 MB', '48 GB'.
 * @param {number} bytes
 */
export function fileSize(bytes) {
  let size = bytes;
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (size < 1000) return `${size < 10 && unit !== "B" ? size.toFixed(1) : Math.round(size)} ${unit}`;
    size /= 1000;
  }
  return `${size.toFixed(1)} TB`;
}

/**
 * Why a rung cannot be chosen; '' if it can.
 * @param {Rung} rung
 * @param {Estimates | null} estimates
 */
export const rungProblem = (rung, estimates) => rung.unavailable || estimates?.rows[rung.key]?.problem || "";

/**
 * The rung of a quantizer as it is given to the job; undefined if there is none.
 * @param {Rung[]} rungs
 * @param {Quantizer} quantizer
 */
export const rungOf = (rungs, quantizer) =>
  rungs.find(({ given }) => Object.entries(given).every(([name, value]) => quantizer[name] === value));

/**
 * The settings of quantizers, by method.
 * @param {Rung[]} rungs
 * @param {Quantizer[]} quantizers
 */
export function settingsByMethod(rungs, quantizers) {
  /** @type {Record<string, Settings>} */
  const settings = {};
  for (const quantizer of quantizers) {
    const given = rungOf(rungs, quantizer)?.given ?? quantizer;
    const own = Object.entries(quantizer).filter(([name]) => !(name in given));
    settings[quantizer.method] = { ...settings[quantizer.method], ...Object.fromEntries(own) };
  }
  return settings;
}

/**
 * The chosen rungs as the job is given them.
 * @param {Rung[]} rungs
 * @param {Set<string>} chosen
 * @param {Record<string, Settings>} settings
 * @returns {Quantizer[]}
 */
export const quantizersOf = (rungs, chosen, settings) =>
  rungs.filter(({ key }) => chosen.has(key)).map(({ given }) => ({ ...given, ...settings[given.method] }));
