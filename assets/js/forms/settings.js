/* The fields of a spec as Python describes them, what is set of them, and what follows from it. Nothing here draws. */

/** What a person set, by name of the field; what is as usual need not be there. @typedef {Record<string, any>} Settings */
/** An entry of a list: its text, what is set by it, and a kind that other fields may depend on. @typedef {[label: string, value: string, kind?: string]} Choice */
/** What can be chosen, by name of the list. @typedef {Record<string, Choice[]>} Lists */
/** A method of a family with its own fields. @typedef {{ method: string, title: string, summary: string, unavailable: string, fields: Field[] }} Method */
/**
 * One setting. `list` names the list it, or each of its lines, is chosen from; with `writable`, `accepted` can be
 * written as well. `fits` says which kinds of what is chosen in another field each method works on. `first`: the first
 * of its list is taken by itself. `long`: a text of several lines. `markdown`: one that is shown as it will be drawn.
 * @typedef {{
 *   name: string, label: string, help: string, kind: string, default: any, required: boolean, optional: boolean,
 *   many: boolean, advanced: boolean, group: string, labels: Record<string, string>, choices: any[],
 *   low: number | null, high: number | null, above: boolean, below: boolean, whole: boolean, limit: string,
 *   shown_if?: Record<string, any>, fields?: Field[], methods?: Method[], list?: string, accepted?: string,
 *   writable?: boolean, first?: boolean, long?: boolean, markdown?: boolean, fits?: { field: string, list: string, tags: Record<string, string[]> },
 * }} Field
 */
/** What is wrong with the setting that a path of names leads to. @typedef {{ path: string[], text: string }} Problem */

/**
 * @param {string} _
 * @param {any} value
 */
const sorted = (_, value) =>
  value && typeof value === "object" && !Array.isArray(value)
    ? Object.fromEntries(
        Object.keys(value)
          .sort()
          .map((key) => [key, value[key]]),
      )
    : value;

/**
 * Whether two values are the same, whatever the order of their keys; none at all is the same as null.
 * @param {unknown} one
 * @param {unknown} other
 */
export const alike = (one, other) => JSON.stringify(one ?? null, sorted) === JSON.stringify(other ?? null, sorted);

/** @param {any} value */
export const sizeOf = (value) => (Array.isArray(value) ? value.length : Object.keys(value || {}).length);

/** @param {any} value */
export const isEmpty = (value) =>
  value === null || value === undefined || value === "" || value === 0 || (typeof value === "object" && !sizeOf(value));

/**
 * What holds for a field.
 * @param {Field} field
 * @param {Settings} settings
 */
export const settingValue = (field, settings) => settings[field.name] ?? field.default;

/**
 * The settings with one of them set, or left to its default by undefined.
 * @param {Settings} settings
 * @param {string} name
 * @param {unknown} value
 * @returns {Settings}
 */
export function withSetting(settings, name, value) {
  const { [name]: _, ...others } = settings;
  return value === undefined ? others : { ...settings, [name]: value };
}

/**
 * Whether a setting has an effect beside the others.
 * @param {Field} field
 * @param {Field[]} fields
 * @param {Settings} settings
 */
export function applies({ shown_if: wanted }, fields, settings) {
  return Object.entries(wanted || {}).every(([name, accepted]) => {
    const value = settings[name] ?? fields.find((field) => field.name === name)?.default;
    return [accepted].flat().includes(value);
  });
}

/** @param {Field} field @returns {string} */
export const usualMethod = (field) => field.default?.method ?? field.default ?? field.methods?.[0]?.method ?? "";

/**
 * The method that is chosen, or the usual one.
 * @param {Field} field
 * @param {any} value
 * @returns {string}
 */
export const methodName = (field, value) => value?.method ?? usualMethod(field);

/**
 * @param {Field} field
 * @param {any} value
 */
export const methodOf = (field, value) => field.methods?.find(({ method }) => method === methodName(field, value));

/**
 * What is set of the method that is chosen.
 * @param {any} value
 * @returns {Settings}
 */
export function methodSettings(value) {
  const { method: _, ...settings } = value || {};
  return settings;
}

/**
 * Whether a setting, or one within it, is set otherwise than usual; what has to be set has nothing usual. Of a method
 * only whether it is another one.
 * @param {Field} field
 * @param {any} value
 * @returns {boolean}
 */
export function isChanged(field, value) {
  if (value === undefined) return false;
  if (field.kind === "group") return (field.fields || []).some((inner) => isChanged(inner, value?.[inner.name]));
  if (field.kind === "method") return (value?.method ?? value) !== usualMethod(field);
  return !field.required && !alike(value, field.default);
}

/**
 * As `isChanged`, the settings of a method included.
 * @param {Field} field
 * @param {any} value
 * @returns {boolean}
 */
export function isAnyChanged(field, value) {
  if (isChanged(field, value)) return true;
  if (field.kind !== "method" || !value) return false;
  return Boolean(methodOf(field, value)?.fields.some((inner) => isAnyChanged(inner, value[inner.name])));
}

/**
 * Whether a method can work on what is chosen in the field it depends on.
 * @param {Field} field
 * @param {Settings} settings
 * @param {Lists} lists
 * @returns {(method: string) => boolean}
 */
export function fitting({ fits }, settings, lists) {
  const kind = fits && (lists[fits.list] || []).find(([, value]) => value === settings[fits.field])?.[2];
  return (method) => !fits || !kind || fits.tags[method].includes(kind);
}

/**
 * The setting beside which a problem is shown: the innermost that its path leads to and that there is.
 * @param {Field[]} fields
 * @param {Settings} settings
 * @param {string[]} path
 * @returns {string[]}
 */
export function shownPath(fields, settings, [name, ...inner]) {
  const field = fields.find((each) => each.name === name);
  if (!field) return [];
  const value = settings[name];
  if (field.kind === "group") return [name, ...shownPath(field.fields || [], value || {}, inner)];
  if (field.kind === "method") return [name, ...shownPath(methodOf(field, value)?.fields || [], value || {}, inner)];
  return [name];
}

/**
 * Whether one path leads to the other, or to what is around it.
 * @param {string[]} outer
 * @param {string[]} inner
 */
export const leadsTo = (outer, inner) => outer.every((name, index) => inner[index] === name);

/**
 * The problems that still stand once a setting was changed: not those of it, of what is around it and of what is in it.
 * @param {Problem[]} problems
 * @param {string[]} path
 */
export const unsettled = (problems, path) =>
  problems.filter((problem) => !leadsTo(problem.path, path) && !leadsTo(path, problem.path));
