/* Controls that are typed into: numbers, texts, lists, pairs, JSON and YAML. */
import { createElement, html, useState } from "../../lib/preact.js";
import { boundsSentence } from "../setting_words.js";
import { isEmpty } from "../settings.js";
import { readJson, readLines, readNumbers, readPairs, writePairs } from "../written_values.js";
import { inputClass } from "./control.js";
import { MarkdownPreview } from "./markdown_preview.js";

/** @import { Field } from "../settings.js" */
/** @import { ControlProps, OwnControlProps } from "./control.js" */
/** @typedef {Event & { currentTarget: HTMLInputElement & HTMLTextAreaElement }} TypedEvent */

const LONG_CHARACTERS = 60;

/**
 * `placeholder` is what holds as long as there is no number.
 * @param {OwnControlProps & {
 *   field: Pick<Field, "low" | "high" | "whole" | "above" | "below">, text: string | null, placeholder?: string,
 * }} props
 */
export function NumberControl({ field, value, text, placeholder, set, aria, isBad }) {
  /** @param {TypedEvent} event */
  function read({ currentTarget: input }) {
    const problem = input.validity.valid ? "" : boundsSentence(field);
    if (input.validity.badInput)
      set("?", input.value, problem); // '1e' reads as empty, but is not meant as usual
    else set(input.value.trim() === "" ? undefined : Number(input.value), input.value, problem);
  }
  return html`<input
    type="number"
    class=${inputClass(isBad, "is-number")}
    min=${field.low ?? ""}
    max=${field.high ?? ""}
    step=${field.whole ? "1" : "any"}
    placeholder=${placeholder}
    value=${text ?? String(value ?? "")}
    onInput=${read}
    ...${aria}
  />`;
}

/**
 * A text of one line, or an area for one that is long or may be; beneath Markdown how it will be drawn.
 * @param {ControlProps} props
 */
export function TextControl({ field, value, text, set, aria, isBad }) {
  const written = text ?? String(value ?? "");
  const [isLong] = useState(() => field.long || written.length > LONG_CHARACTERS || written.includes("\n"));
  /** @param {TypedEvent} event */
  const read = ({ currentTarget: input }) => set(input.value, input.value);
  if (field.markdown)
    return html`<textarea class=${inputClass(isBad)} rows="6" value=${written} onInput=${read} ...${aria} />
      ${createElement(MarkdownPreview, { text: written, name: field.label })}`;
  return isLong
    ? html`<textarea class=${inputClass(isBad)} rows="4" value=${written} onInput=${read} ...${aria} />`
    : html`<input type="text" class=${inputClass(isBad)} value=${written} onInput=${read} ...${aria} />`;
}

/** @param {ControlProps} props */
export function NumbersControl({ value, text, set, aria, isBad }) {
  /** @param {TypedEvent} event */
  function read({ currentTarget: input }) {
    const numbers = readNumbers(input.value);
    set(numbers.value, input.value, numbers.problem);
  }
  const written = text ?? (value || []).join(", ");
  return html`<input type="text" class=${inputClass(isBad)} value=${written} onInput=${read} ...${aria} />`;
}

/**
 * @param {Pick<ControlProps, "set" | "aria" | "isBad"> & {
 *   written: string, placeholder: string, rows?: number, read: (text: string) => { value: any, problem: string },
 * }} props
 */
function area({ written, placeholder, rows = 3, read, set, aria, isBad }) {
  /** @param {TypedEvent} event */
  function onInput({ currentTarget: { value: typed } }) {
    const { value, problem } = read(typed);
    set(value, typed, problem);
  }
  return html`<textarea
    class=${inputClass(isBad)}
    rows=${rows}
    placeholder=${placeholder}
    spellcheck=${false}
    value=${written}
    onInput=${onInput}
    ...${aria}
  />`;
}

/** @param {string} text */
const readAsWritten = (text) => ({ value: text, problem: "" });

/** @param {Omit<ControlProps, "values" | "lists">} props */
export const LinesArea = ({ value, text, ...rest }) =>
  area({
    ...rest,
    written: text ?? (value || []).join("\n"),
    placeholder: "one a line",
    read: (typed) => ({ value: readLines(typed), problem: "" }),
  });

/** @param {ControlProps} props */
export const PairsControl = ({ value, text, ...rest }) =>
  area({
    ...rest,
    written: text ?? writePairs(value),
    placeholder: "name: value, one a line",
    read: (typed) => readPairs(typed, false),
  });

/** @param {ControlProps} props */
export const WeightsControl = ({ value, text, ...rest }) =>
  area({
    ...rest,
    written: text ?? writePairs(value),
    placeholder: "name: number, one a line",
    read: (typed) => readPairs(typed, true),
  });

/** @param {ControlProps} props */
export const JsonControl = ({ value, text, ...rest }) =>
  area({
    ...rest,
    written: text ?? (isEmpty(value) ? "" : JSON.stringify(value, null, 1)),
    placeholder: "JSON",
    read: readJson,
  });

/** @param {ControlProps} props */
export const YamlControl = ({ value, text, ...rest }) =>
  area({ ...rest, written: text ?? (value || ""), placeholder: "YAML", rows: 9, read: readAsWritten });
