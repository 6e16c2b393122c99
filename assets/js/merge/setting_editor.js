/* The one editor of merge settings that vary: over the layers as a curve, or by module. */
import { Select } from "../forms/controls/select.js";
import { useTyped } from "../forms/controls/typed.js";
import { classes, createElement, html, render, useLayoutEffect, useRef, useState } from "../lib/preact.js";
import { curveEditor } from "./curve.js";
import {
  asKind,
  isFlat,
  isNumberList,
  isRest,
  kindOf,
  MODULE_FILTERS,
  overLayers,
  parseNumbers,
  startOf,
  withModule,
  writeNumbers,
} from "./setting_values.js";

/** @import { Choice } from "../forms/settings.js" */
/** @import { SettingControl } from "./setting.js" */
/** @import { ModuleValue, Parameter, ValueKind } from "./setting_values.js" */

/** @type {[kind: ValueKind, label: string][]} */
const KINDS = [
  ["one", "One value"],
  ["layers", "Over the layers"],
  ["modules", "By module"],
];

/**
 * Shown beneath the setting it edits: `open(control, host)` shows it there; opened again for the same setting it closes.
 */
export function settingEditor() {
  let control = /** @type {SettingControl | null} */ (null),
    host = /** @type {HTMLElement | null} */ (null),
    selected = 0,
    generation = 0;

  function draw() {
    if (!control || !host) return;
    render(createElement(Editor, { control, selected, generation, act }), host);
  }

  /** @param {any} value @param {number} [row] */
  function set(value, row = selected) {
    control?.set(value);
    control?.sync();
    selected = row;
    draw();
  }

  /** @type {EditorActions} */
  const act = {
    set,
    select(row) {
      selected = row;
      draw();
    },
    /** Other rows: nothing that is typed stays. */
    setRows(rows, row) {
      generation++;
      set(rows, row);
    },
    change(kind) {
      if (!control) return;
      generation++;
      set(asKind(control.get(), kind, startOf(control.parameter)), 0);
      if (kind === "one") shut(true);
    },
    close: () => shut(true),
    focus: (selector) => /** @type {HTMLElement | null | undefined} */ (host?.querySelector(selector))?.focus(),
  };

  /** @param {SettingControl} next @param {HTMLElement} nextHost */
  function open(next, nextHost) {
    const isSame = control === next && host?.isConnected;
    shut(Boolean(isSame));
    if (isSame) return;
    control = next;
    host = nextHost;
    selected = 0;
    generation++;
    const kind = kindOf(control.get());
    if (kind === "one" || kind === "other") act.change("layers");
    else draw();
  }

  /** Closes; a line that was never bent becomes one value again. */
  function shut(refocus = false) {
    const last = control;
    if (host) render(null, host);
    control = host = null;
    const value = last?.get();
    if (isFlat(value)) last?.set(value[0]);
    last?.sync();
    if (refocus) last?.trigger()?.focus();
  }

  return { open, shut };
}

/**
 * What can be done in it: `set` takes over a value, `setRows` rows of which that one is chosen then, `select` chooses a
 * row, `change` makes the value one of another kind.
 * @typedef {{
 *   set: (value: any) => void, setRows: (rows: ModuleValue[], row: number) => void, select: (row: number) => void,
 *   change: (kind: ValueKind) => void, close: () => void, focus: (selector: string) => void,
 * }} EditorActions
 */
/** @typedef {{ control: SettingControl, selected: number, generation: number, act: EditorActions }} EditorProps */

/** @param {EditorProps} props */
function Editor({ control, selected, generation, act }) {
  const { parameter } = control,
    value = control.get(),
    kind = kindOf(value),
    isByModule = kind === "modules",
    rows = /** @type {ModuleValue[]} */ (isByModule ? [value].flat() : []),
    model = control.about();
  const numbers = isByModule ? rows[selected]?.value : value;
  /** @param {number | number[]} next @param {number} [row] */
  const put = (next, row = selected) =>
    act.set(isByModule ? rows.map((old, index) => (index === row ? { ...old, value: next } : old)) : next);
  return html`<div class="wb-merge-editor">
    <div class="wb-merge-editor-head">
      <b>${model ? `${parameter.label} of ${model}` : parameter.label}</b>
      <div class="wb-segmented" role="group" aria-label="How it varies">
        ${KINDS.map(
          ([name, label]) => html`<button
            type="button"
            aria-pressed=${String(name === kind)}
            onClick=${() => act.change(name)}
          >${label}</button>`,
        )}
      </div>
      <button type="button" class="wb-icon" title="Close" aria-label="Close" onClick=${act.close}>✕</button>
    </div>
    ${isByModule && createElement(ModuleRows, { key: generation, rows, selected, put, act })}
    ${createElement(Curve, { values: overLayers(numbers), parameter, put })}
    ${
      !isByModule &&
      createElement(NumbersInput, {
        key: generation,
        name: "Values from the first layer to the last",
        value: numbers,
        isList: true,
        put,
      })
    }
    <div class="wb-hint">Drag the points. Click adds one, double click removes it; or arrow keys, Enter, Delete.</div>
  </div>`;
}

/**
 * A row for each module, and a button that adds one; the focus goes with what is moved.
 * @param {{
 *   rows: ModuleValue[], selected: number, put: (numbers: number | number[], row: number) => void, act: EditorActions,
 * }} props
 */
function ModuleRows({ rows, selected, put, act }) {
  /** @param {number} index */
  function drop(index) {
    act.setRows(
      rows.filter((_, other) => other !== index),
      0,
    );
    act.focus(".wb-merge-add");
  }
  /** @param {number} index */
  function moveUp(index) {
    if (!index) return;
    const moved = [...rows];
    [moved[index - 1], moved[index]] = [moved[index], moved[index - 1]];
    act.setRows(moved, index - 1);
    act.focus(`.wb-merge-filter:nth-child(${index}) .wb-icon`);
  }
  function add() {
    const { rows: more, index } = withModule(rows);
    act.setRows(more, index);
  }
  return [
    html`<div class="wb-merge-filters">
      ${rows.map(
        (row, index) => html`<div class=${classes("wb-merge-filter", index === selected && "is-chosen")}>
          ${
            isRest(row)
              ? html`<span class="wb-merge-rest">everything else</span>`
              : createElement(ModuleFilter, {
                  filter: row.filter ?? "",
                  set: (filter) => act.set(rows.map((old, other) => (other === index ? { ...old, filter } : old))),
                })
          }
          ${createElement(NumbersInput, {
            name: `Value for ${isRest(row) ? "everything else" : row.filter}`,
            value: row.value,
            isList: false,
            put: (numbers) => put(numbers, index),
            onFocus: () => act.select(index),
          })}
          ${
            !isRest(row) && [
              html`<button type="button" class="wb-icon" title="Ask this one earlier" aria-label="Ask this one earlier" onClick=${() => moveUp(index)}>↑</button>`,
              html`<button type="button" class="wb-icon" title="Remove" aria-label="Remove" onClick=${() => drop(index)}>✕</button>`,
            ]
          }
        </div>`,
      )}
    </div>`,
    html`<button type="button" class="wb-button wb-merge-add" onClick=${add}>Add module</button>`,
  ];
}

/** @type {Choice[]} */
const FILTER_CHOICES = [
  ...MODULE_FILTERS.map(([name, label]) => /** @type {Choice} */ ([`${label} (${name})`, name])),
  ["Own text …", ""],
];

/**
 * Which tensors a row is for: one of the usual modules, or a part of their names.
 * @param {{ filter: string, set: (filter: string) => void }} props
 */
function ModuleFilter({ filter, set }) {
  const isUsual = MODULE_FILTERS.some(([name]) => name === filter);
  const [isOwn, setOwn] = useState(!isUsual),
    wasOwn = useRef(isOwn),
    own = useRef(/** @type {HTMLInputElement | null} */ (null)),
    typed = useTyped(filter);
  useLayoutEffect(() => {
    if (isOwn && !wasOwn.current) own.current?.focus();
    wasOwn.current = isOwn;
  }, [isOwn]);
  /** @param {string} name */
  function choose(name) {
    setOwn(!name);
    if (name) set(name);
  }
  /** @param {{ currentTarget: HTMLInputElement }} event */
  function write({ currentTarget: input }) {
    const text = input.value.trim();
    typed.keep(text || filter, input.value, "");
    if (text) set(text);
  }
  return html`<span class="wb-merge-filter-name">
    ${createElement(Select, { choices: FILTER_CHOICES, value: isOwn ? "" : filter, pick: choose, attributes: { "aria-label": "Module" } })}
    <input
      type="text"
      class="wb-input"
      ref=${own}
      hidden=${!isOwn}
      placeholder="part of a tensor's name"
      aria-label="Part of a tensor's name"
      value=${typed.text ?? filter}
      onInput=${write}
    />
  </span>`;
}

/**
 * Numbers as text: one, or from the first layer to the last; as `isList` there have to be several.
 * @param {{
 *   name: string, value: unknown, isList: boolean, put: (numbers: number | number[]) => void, onFocus?: () => void,
 * }} props
 */
function NumbersInput({ name, value, isList, put, onFocus }) {
  const typed = useTyped(value);
  /** @param {{ currentTarget: HTMLInputElement }} event */
  function read({ currentTarget: input }) {
    const numbers = parseNumbers(input.value);
    const isWrong = numbers === null || (isList && !isNumberList(numbers));
    typed.keep(isWrong ? value : numbers, input.value, isWrong ? "Numbers with commas between them." : "");
    if (!isWrong) put(numbers);
  }
  return html`<input
    type="text"
    class=${classes("wb-input", typed.problem && "is-bad")}
    aria-label=${name}
    aria-invalid=${String(Boolean(typed.problem))}
    title=${typed.problem}
    value=${typed.text ?? writeNumbers(value)}
    onInput=${read}
    onFocus=${onFocus}
  />`;
}

/**
 * The values as a line through points one can move.
 * @param {{ values: number[], parameter: Parameter, put: (numbers: number[]) => void }} props
 */
function Curve({ values, parameter, put }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null)),
    curve = useRef(/** @type {ReturnType<typeof curveEditor> | null} */ (null)),
    latest = useRef(put);
  latest.current = put;
  useLayoutEffect(() => {
    curve.current = curveEditor((/** @type {number[]} */ numbers) => latest.current(numbers));
    box.current?.append(curve.current.node);
  }, []);
  useLayoutEffect(() => curve.current?.show(values, parameter));
  return html`<div ref=${box} />`;
}
