/* What a form sets by itself: empty choices take the first of their list, methods follow what they work on. */
import { fitting, methodName, methodSettings, usualMethod } from "./settings.js";

/** @import { KeptSettings } from "./fields.js" */
/** @import { Field, Lists, Settings } from "./settings.js" */

/**
 * The settings with every empty choice filled that takes the first by itself; the same object if there was none.
 * @param {Field[]} fields
 * @param {Settings} settings
 * @param {Lists} lists
 */
export function fillFirst(fields, settings, lists) {
  let filled = settings;
  for (const field of fields) {
    const choices = lists[field.list ?? ""] || [];
    if (field.first && !filled[field.name] && choices.length) filled = { ...filled, [field.name]: choices[0][1] };
  }
  return filled;
}

/**
 * The settings with other methods where those there are cannot work on what was just chosen, and what each method is made
 * to fit now. A method chosen by hand, or together with what it cannot work on, stays: the server says why. `fittedTo` is
 * what each was last made to fit; `before` the settings before empty choices were filled: a method stays with those, too.
 * What is set of a method that gives way is kept.
 * @param {{
 *   fields: Field[], settings: Settings, before: Settings, lists: Lists, fittedTo: Record<string, any>,
 *   kept: KeptSettings,
 * }} form
 */
export function fitMethods({ fields, settings, before, lists, fittedTo, kept }) {
  const now = { ...fittedTo };
  let fitted = settings;
  for (const field of fields) {
    if (!field.fits) continue;
    const { name } = field,
      on = field.fits.field,
      chosen = fitted[on] ?? "";
    if (now[name] === chosen) continue;
    now[name] = chosen;
    const isFilled = !before[on] && fitted[on];
    const method = isFilled && fitted[name] ? null : fittingMethod(field, fitted, lists);
    if (!method) continue;
    const others = (kept[name] ||= {});
    others[methodName(field, fitted[name])] = methodSettings(fitted[name]);
    fitted = { ...fitted, [name]: { method, ...others[method] } };
  }
  return { settings: fitted, fittedTo: now };
}

/**
 * The method to take in place of one that does not fit, the usual one if it does; null when nothing is to change.
 * @param {Field} field
 * @param {Settings} settings
 * @param {Lists} lists
 */
function fittingMethod(field, settings, lists) {
  const fits = fitting(field, settings, lists),
    usual = usualMethod(field);
  const methods = (field.methods || []).filter((each) => !each.unavailable && fits(each.method));
  const names = methods.map(({ method }) => method);
  if (fits(methodName(field, settings[field.name])) || !names.length) return null;
  return names.includes(usual) ? usual : names[0];
}

/**
 * What is chosen that each method is to fit.
 * @param {Field[]} fields
 * @param {Settings} settings
 * @returns {Record<string, any>}
 */
export const methodsFitTo = (fields, settings) =>
  Object.fromEntries(fields.flatMap(({ name, fits }) => (fits ? [[name, settings[fits.field] ?? ""]] : [])));
