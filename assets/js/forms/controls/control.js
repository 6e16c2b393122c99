/* What every control of a field is given. */
import { classes } from "../../lib/preact.js";

/** @import { Field, Lists, Settings } from "../settings.js" */

/**
 * `text` is what was typed while it still means the value, else null. `set` sets another value, with the text it was
 * read from and what is wrong with that; undefined leaves the setting to its default. `aria` belongs on the element that
 * takes the focus, `isBad` when something is wrong with it. `values` are the settings that this one is among.
 * @typedef {{ id: string, [attribute: string]: string }} Aria
 * @typedef {{
 *   field: Field, value: any, text: string | null, set: (value: any, text?: string, problem?: string) => void,
 *   values: Settings, lists: Lists, aria: Aria, isBad: boolean,
 * }} ControlProps
 * What is given to a control that stands by itself, without a field of a form around it.
 * @typedef {Pick<ControlProps, "value" | "set" | "aria" | "isBad">} OwnControlProps
 */

/**
 * The class of an input.
 * @param {boolean} isBad
 * @param {string} [kind]
 */
export const inputClass = (isBad, kind = "") => classes("wb-input", kind, isBad && "is-bad");
