/* Settings in words: what they are, what they may be, what they are when nobody sets them. */
import { alike, applies, isAnyChanged, isEmpty, methodOf, sizeOf } from "./settings.js";

/** @import { Choice, Field, Lists, Method, Settings } from "./settings.js" */

const MOST_SETTINGS = 5;
const MOST_WORD_CHARACTERS = 48;
const MOST_DEFAULT_CHARACTERS = 60;

/**
 * At most six digits: '1,200', '0.0002'.
 * @param {unknown} value
 */
export const shortNumber = (value) =>
  Number(Number(value).toPrecision(6)).toLocaleString("en-US", { maximumFractionDigits: 6 });

/**
 * @param {string} text
 * @param {number} most
 */
const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

/**
 * A setting as words: 'tokens ≤ 512', 'keep first', 'without repeated'.
 * @param {Field} field
 * @param {any} value
 */
export function settingWords(field, value) {
  const name = field.label.toLowerCase();
  if (field.kind === "flag") return value ? name : `without ${name}`;
  if (field.kind === "number" && field.limit)
    return `${name} ${field.limit === "min" ? "≥" : "≤"} ${shortNumber(value)}`;
  if (field.kind === "shares") {
    return `${name} ${Object.entries(value)
      .map(([key, share]) => `${key} × ${shortNumber(share)}`)
      .join(", ")}`;
  }
  if (["data", "pairs", "weights"].includes(field.kind)) return `${name}: ${sizeOf(value)}`;
  const number = field.kind === "number" ? shortNumber(value) : (field.labels[value] ?? String(value));
  return `${name} ${cut(Array.isArray(value) ? value.join(", ") : number, MOST_WORD_CHARACTERS)}`;
}

/**
 * What is set in a group of settings, in a line; of one setting by itself without its name.
 * @param {Field[]} group
 * @param {Field[]} fields all of the spec
 * @param {Settings} settings
 */
export function groupWords(group, fields, settings) {
  const changed = group.filter(
    (field) => isAnyChanged(field, settings[field.name]) && applies(field, fields, settings),
  );
  if (!changed.length) return group.length === 1 && isEmpty(group[0].default) ? "none" : "default";
  const words = changed.map((field) => {
    const value = settings[field.name];
    if (!field.long) return settingWords(field, value);
    const lines = String(value)
      .split("\n")
      .filter((line) => line.trim()).length;
    const count = `${lines} ${lines === 1 ? "line" : "lines"}`;
    return group.length === 1 ? count : `${field.label.toLowerCase()}: ${count}`;
  });
  return words.join(" · ");
}

/**
 * What is set otherwise than usual; when nothing is, the first settings as they come.
 * @param {{ fields: Field[] }} info
 * @param {Settings} settings
 */
export function shortSettings(info, settings) {
  const changed = info.fields.filter(
    (field) => settings[field.name] !== undefined && !alike(settings[field.name], field.default),
  );
  const usual = info.fields.filter((field) => field.kind !== "flag" && !isEmpty(field.default));
  const shown = changed.length ? changed.slice(0, MOST_SETTINGS) : usual.slice(0, 2);
  const words = shown.map((field) => settingWords(field, settings[field.name] ?? field.default));
  if (changed.length > MOST_SETTINGS) words.push(`${changed.length - MOST_SETTINGS} more`);
  return words.join(" · ");
}

/**
 * What a setting is when nobody sets it.
 * @param {Field} field
 * @returns {string}
 */
export function defaultWords(field) {
  const usual = field.default;
  if (field.kind === "method") return methodOf(field, undefined)?.title ?? "";
  if (field.kind === "flag") return usual ? "on" : "off";
  if (field.kind === "number" && usual !== null) return shortNumber(usual);
  if (field.labels[usual]) return field.labels[usual];
  if (isEmpty(usual)) return "empty";
  const object = typeof usual === "object" ? JSON.stringify(usual) : String(usual);
  return cut(Array.isArray(usual) ? usual.join(", ") : object, MOST_DEFAULT_CHARACTERS);
}

/**
 * What a number may be: 'A whole number from 1 to 512.'
 * @param {Pick<Field, "low" | "high" | "whole" | "above" | "below">} field
 */
export function boundsSentence({ low, high, whole, above, below }) {
  const bounds = [
    low === null ? "" : `${above ? "above" : "from"} ${low}`,
    high === null ? "" : `${below ? "below" : "to"} ${high}`,
  ];
  return `${["A", whole ? "whole" : "", "number", ...bounds].filter(Boolean).join(" ")}.`;
}

/**
 * What an empty choice says; null when the list has an entry for it, or the first is taken anyway.
 * @param {Field} field
 * @param {Lists} lists
 */
export function blankWords(field, lists) {
  const list = lists[field.list ?? ""],
    choices = list || [];
  if (choices.some(([, value]) => value === "") || (field.first && choices.length)) return null;
  if (!field.required && !field.many) return "none";
  return choices.length ? "Choose" : list ? "There is none yet" : "…";
}

/**
 * The entries of a field's list, and what is chosen without being among them.
 * @param {Field} field
 * @param {Lists} lists
 * @param {string[]} chosen
 */
export function knownChoices(field, lists, chosen) {
  const list = lists[field.list ?? ""],
    choices = [...(list || [])];
  for (const value of chosen.filter(Boolean)) {
    if (choices.some(([, known]) => known === value)) continue;
    choices.push([list && !field.writable ? `${value} · not in this list` : value, value]);
  }
  return choices;
}

/**
 * @param {Field} field
 * @param {Method} method
 * @param {(method: string) => boolean} fits
 */
export function methodWords({ fits: dependence }, { method, title, unavailable }, fits) {
  const kinds = fits(method) ? "" : ` (for ${dependence?.tags[method].join(" or ")} rows)`;
  return `${title}${unavailable ? " (not here)" : ""}${kinds}`;
}
