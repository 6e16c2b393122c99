/* What stands around every control: the name of its setting, what that does, what is wrong, and a button that resets it. */
import { classes, html } from "../lib/preact.js";

/** @import { Content } from "../lib/preact.js" */
/** @import { Field } from "./settings.js" */

/** Kinds with many settings in them: what they are for is read before those. */
const EXPLAINED_ABOVE = ["method", "group"];

/**
 * @param {{ text: string, name: string, isHidden: boolean, reset: () => void }} props
 */
export function ResetButton({ text, name, isHidden, reset }) {
  return html`<button type="button" class="wb-field-reset" title=${name} aria-label=${name} hidden=${isHidden} onClick=${reset}>
    ${text}
  </button>`;
}

/**
 * A control with its label; that of a flag stands in the label. `id` is that of the control, `resetButton` and `control`
 * are what is drawn.
 * @param {{
 *   field: Field, id: string, control: Content, resetButton: Content, problem: string, isChanged: boolean,
 *   isHidden: boolean,
 * }} props
 */
export function FieldFrame({ field, id, control, resetButton, problem, isChanged, isHidden }) {
  const isFlag = field.kind === "flag",
    isAbove = EXPLAINED_ABOVE.includes(field.kind);
  const help = html`<small class="wb-hint" id=${`${id}-help`} hidden=${!field.help}>${field.help}</small>`;
  const label = html`<label class="wb-field-label" for=${id} id=${`${id}-label`}>${isFlag && control}${field.label}</label>`;
  return html`<div
    class=${classes("wb-field", `is-${field.kind}`, field.long && "is-long", isChanged && "is-changed")}
    data-field=${field.name}
    hidden=${isHidden}
  >
    <div class="wb-field-line">${label}${resetButton}</div>
    ${isAbove && help}${!isFlag && control}${!isAbove && help}
    <small class="wb-field-wrong" id=${`${id}-wrong`} hidden=${!problem}>${problem}</small>
  </div>`;
}
