import { html } from "../../lib/preact.js";
import { inputClass } from "./control.js";

/** @import { Choice } from "../settings.js" */

/**
 * A list of few entries to choose from; it shows `value` whatever was picked, until that has become the value.
 * `attributes` are further ones of its element, handlers included.
 * @param {{
 *   choices: Choice[], value: string, pick: (value: string) => void, isBad?: boolean, attributes?: Record<string, any>,
 * }} props
 */
export function Select({ choices, value, pick, isBad = false, attributes = {} }) {
  /** @param {{ currentTarget: HTMLSelectElement }} event */
  const onChange = ({ currentTarget: list }) => pick(list.value);
  return html`<select class=${inputClass(isBad)} value=${value} onChange=${onChange} ...${attributes}>
    ${choices.map(([label, name]) => html`<option key=${name} value=${name}>${label}</option>`)}
  </select>`;
}
