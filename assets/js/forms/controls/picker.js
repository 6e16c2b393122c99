/* Controls that choose from a list of the shelf: one of it, or several in order. A list of few is a plain select, one of
   many is searched. What no list has, such as BASE+ADAPTER or a hub id, can be written where the field takes it. */
import { createElement, html, useLayoutEffect, useRef, useState } from "../../lib/preact.js";
import { blankWords, knownChoices } from "../setting_words.js";
import { Combobox } from "./combobox.js";
import { Select } from "./select.js";

/** @import { Choice, Field } from "../settings.js" */
/** @import { Aria, ControlProps } from "./control.js" */

/** The value of the entry by which something is written. */
const WRITE = "\u0000write";
/** More choices than these are searched. */
export const MOST_LISTED_CHOICES = 12;

/**
 * @typedef {{
 *   field: Field, choices: Choice[], value: string, blank: string | null, hasBlank: boolean, isSearched: boolean,
 *   pick: (value: string) => void, aria: Aria, isBad: boolean, isDisabled?: boolean, byHand?: boolean,
 * }} PickerProps
 */

/**
 * The list, or in its place the text that is written. `blank` is what an empty choice says, null for none; `hasBlank`
 * whether it can be chosen in a searched list. `byHand`: what the arrow keys pass in a closed list is not meant.
 * @param {PickerProps} props
 */
export function Picker({ field, pick, aria, ...props }) {
  const [isWriting, setWriting] = useState(false);
  const wasWriting = useRef(false);
  useLayoutEffect(() => {
    if (wasWriting.current && !isWriting) document.getElementById(aria.id)?.focus();
    wasWriting.current = false;
  }, [isWriting]);

  /** @param {string} value */
  const choose = (value) => (value === WRITE ? setWriting(true) : pick(value));
  /** @param {string} text @param {boolean} isByKey */
  function written(text, isByKey) {
    wasWriting.current = isByKey;
    setWriting(false);
    if (text) pick(text);
  }
  const more = /** @type {Choice[]} */ (field.writable ? [["Write it…", WRITE]] : []);
  const list = { ...props, name: field.label, more, choose, aria, isHidden: isWriting };
  return [
    props.isSearched ? createElement(SearchedList, list) : createElement(SelectList, list),
    isWriting && createElement(Writer, { field, close: written }),
  ];
}

/** @typedef {Omit<PickerProps, "field" | "pick"> & { name: string, more: Choice[], choose: (value: string) => void, isHidden: boolean }} ListProps */

/** @param {ListProps} props */
function SearchedList({ name, choices, blank, hasBlank, value, more, choose, aria, isBad, isHidden }) {
  const all = /** @type {Choice[]} */ (blank !== null && hasBlank ? [[blank, ""], ...choices] : choices);
  const placeholder = blank ?? "Choose";
  return createElement(Combobox, { name, choices: all, more, value, placeholder, pick: choose, aria, isBad, isHidden });
}

/** @param {ListProps} props */
function SelectList({ choices, blank, value, more, choose, aria, isBad, isHidden, isDisabled, byHand }) {
  const isPassing = useRef(false);
  /** @param {{ currentTarget: HTMLSelectElement }} event */
  function take({ currentTarget: list }) {
    const picked = list.value;
    isPassing.current = false;
    if (picked === WRITE) list.value = value;
    if (!byHand || picked) choose(picked);
  }
  const handlers = byHand && {
    onPointerDown: () => {
      isPassing.current = false;
    },
    /** @param {KeyboardEvent & { currentTarget: HTMLSelectElement }} event */
    onKeyDown: (event) => {
      if (event.key === "Enter") take(event);
      else isPassing.current = event.key !== "Tab";
    },
    /** @param {{ currentTarget: HTMLSelectElement }} event */
    onBlur: (event) => {
      if (event.currentTarget.value !== WRITE) take(event);
    },
  };
  /** @param {{ currentTarget: HTMLSelectElement }} event */
  const onChange = (event) => {
    if (!isPassing.current) take(event);
  };
  const disabled = Boolean(isDisabled);
  return createElement(Select, {
    choices: [...(blank === null ? [] : [/** @type {Choice} */ ([blank, ""])]), ...choices, ...more],
    value,
    pick: choose,
    isBad,
    attributes: { hidden: isHidden, disabled, ...handlers, onChange, ...aria },
  });
}

/**
 * A text field in a list's place: Enter or leaving it puts what is written there, Escape leaves things as they were.
 * @param {{ field: Field, close: (text: string, isByKey: boolean) => void }} props
 */
function Writer({ field, close }) {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null)),
    isClosed = useRef(false);
  useLayoutEffect(() => input.current?.focus(), []);
  /** @param {boolean} isMeant @param {boolean} isByKey */
  function leave(isMeant, isByKey) {
    if (isClosed.current) return;
    isClosed.current = true;
    close(isMeant && input.current ? input.current.value.trim() : "", isByKey);
  }
  return html`<input
    type="text"
    class="wb-input"
    ref=${input}
    spellcheck=${false}
    placeholder=${field.accepted}
    aria-label=${`${field.label}: ${field.accepted}`}
    onKeyDown=${(/** @type {KeyboardEvent} */ { key }) => {
      if (key === "Enter" || key === "Escape") leave(key === "Enter", true);
    }}
    onBlur=${() => leave(true, false)}
  />`;
}

/** @param {ControlProps} props */
export function OneControl({ field, value, set, lists, aria, isBad }) {
  const chosen = value ?? "";
  const choices = knownChoices(field, lists, [chosen]);
  return html`<span class="wb-field-with">
    ${createElement(Picker, {
      field,
      choices,
      value: chosen,
      blank: blankWords(field, lists),
      hasBlank: !field.required,
      isSearched: choices.length > MOST_LISTED_CHOICES,
      pick: set,
      aria,
      isBad,
    })}
  </span>`;
}

/**
 * Several in order: each is a chip with a button that takes it out.
 * @param {ControlProps} props
 */
export function SeveralControl({ field, value, set, lists, aria, isBad }) {
  const chosen = /** @type {string[]} */ (value ?? []);
  const choices = knownChoices(field, lists, chosen);
  const left = choices.filter(([, name]) => !chosen.includes(name));
  const blank = left.length
    ? chosen.length
      ? "Add another"
      : "Choose"
    : chosen.length
      ? "All are chosen"
      : blankWords(field, lists);
  /** @param {number} index */
  function remove(index) {
    set(chosen.filter((_, other) => other !== index));
    document.getElementById(aria.id)?.focus();
  }
  return html`<div class="wb-form-several">
    ${chosen.map((name, index) => {
      const text = choices.find(([, other]) => other === name)?.[0] ?? name;
      return html`<span class="wb-form-chip">
        <span>${text}</span>
        <button type="button" title=${`Remove ${text}`} aria-label=${`Remove ${text}`} onClick=${() => remove(index)}>✕</button>
      </span>`;
    })}
    ${createElement(Picker, {
      field,
      choices: left,
      value: "",
      blank,
      hasBlank: false,
      isSearched: choices.length > MOST_LISTED_CHOICES,
      pick: (name) => set([...chosen, name]),
      aria,
      isBad,
      isDisabled: !left.length && !field.writable,
      byHand: true,
    })}
  </div>`;
}
