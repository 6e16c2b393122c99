/* Controls of a few choices that are all seen at once: a flag, one of a few, several of a few, shares of what a list has. */
import { createElement, html, useRef } from "../../lib/preact.js";
import { alike } from "../settings.js";
import { Select } from "./select.js";

/** @import { Choice } from "../settings.js" */
/** @import { ControlProps, OwnControlProps } from "./control.js" */
/** @typedef {Event & { currentTarget: HTMLInputElement }} TypedEvent */

/**
 * `isMixed`: it is neither on nor off.
 * @param {OwnControlProps & { isMixed?: boolean }} props
 */
export function FlagControl({ value, isMixed = false, set, aria, isBad }) {
  /** @param {TypedEvent} event */
  const read = ({ currentTarget: box }) => set(box.checked);
  return html`<input
    type="checkbox"
    class=${isBad && "is-bad"}
    checked=${Boolean(value)}
    indeterminate=${isMixed}
    onChange=${read}
    ...${aria}
  />`;
}

/** @param {ControlProps} props */
export function ChoiceControl({ field, value, set, aria, isBad }) {
  const choices = field.optional ? ["", ...field.choices] : field.choices;
  /** @param {string} text */
  const pick = (text) => set(field.choices.find((choice) => String(choice) === text) ?? null);
  return createElement(Select, {
    choices: choices.map((choice) => {
      const text = String(choice ?? "");
      return /** @type {Choice} */ ([(field.labels[choice] ?? text) || "–", text]);
    }),
    value: String(value ?? ""),
    pick,
    isBad,
    attributes: aria,
  });
}

/** @param {ControlProps} props */
export function TicksControl({ field, value, set, aria, isBad }) {
  const chosen = value || [];
  /** @param {any} choice @param {boolean} isOn */
  const tick = (choice, isOn) =>
    set(field.choices.filter((other) => (other === choice ? isOn : chosen.includes(other))));
  return html`<div class="wb-ticks">
    ${field.choices.map(
      (choice, index) => html`<label key=${choice}>
        <input
          type="checkbox"
          class=${!index && isBad && "is-bad"}
          checked=${chosen.includes(choice)}
          onChange=${(/** @type {TypedEvent} */ { currentTarget: box }) => tick(choice, box.checked)}
          ...${index ? {} : aria}
        />${choice}
      </label>`,
    )}
  </div>`;
}

/**
 * What a list has, each with its share once it is ticked.
 * @param {ControlProps} props
 */
export function SharesControl({ field, value, set, lists, aria, isBad }) {
  const shares = /** @type {Record<string, any>} */ (value || {});
  const typed = useRef(/** @type {Record<string, string>} */ ({}));
  const listed = (lists[field.list ?? ""] || []).map(([, name]) => name);
  const names = [...new Set([...listed, ...Object.keys(shares)])];
  if (!names.length)
    return html`<div class="wb-ticks" ...${aria}><span class="wb-hint">There is nothing else on the shelf.</span></div>`;
  /** @param {string} name @param {boolean} isOn */
  function tick(name, isOn) {
    const { [name]: _, ...others } = shares;
    set(isOn ? { ...shares, [name]: Number(shareText(name)) } : others);
  }
  /** @param {string} name */
  function shareText(name) {
    const text = typed.current[name];
    return name in shares && !alike(Number(text), shares[name]) ? String(shares[name]) : (text ?? "1");
  }
  /** @param {string} name @param {string} text */
  function weigh(name, text) {
    typed.current[name] = text;
    set({ ...shares, [name]: Number(text) });
  }
  return html`<div class="wb-ticks">
    ${names.map(
      (name, index) => html`<label key=${name}>
        <input
          type="checkbox"
          class=${!index && isBad && "is-bad"}
          checked=${name in shares}
          onChange=${(/** @type {TypedEvent} */ { currentTarget: box }) => tick(name, box.checked)}
          ...${index ? {} : aria}
        />${name}
        <input
          type="number"
          class="wb-input is-number"
          min="0"
          step="any"
          aria-label=${`Weight of ${name}`}
          value=${shareText(name)}
          disabled=${!(name in shares)}
          onInput=${(/** @type {TypedEvent} */ { currentTarget: input }) => weigh(name, input.value)}
        />
      </label>`,
    )}
  </div>`;
}
