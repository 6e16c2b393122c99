// @ts-nocheck
/* Part of MergeBuilder: one setting of the method. Its value is a constant, a list over the layers, or a list of
   {filter, value} where the first filter found in a tensor's name wins. */
import { button, h, select, setText } from "../lib/dom.js";
import { curveEditor, short, sparkline } from "./curve.js";
import { segmented } from "./models.js";

const FILTERS = [
  ["self_attn", "Attention"],
  ["mlp", "MLP"],
  ["embed_tokens", "Embeddings"],
  ["norm", "Norms"],
  ["lm_head", "Head"],
];

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const isFlat = (value) => isList(value) && value.every((one) => one === value[0]);
const isList = (value) => Array.isArray(value) && value.length > 0 && value.every(isNumber);

/** What a value is: 'one', 'layers', 'modules', or 'other' for what only YAML can say. */
function kindOf(value) {
  if (isList(value)) return "layers";
  const rows = Array.isArray(value) ? value : value && typeof value === "object" ? [value] : null;
  if (!rows) return typeof value === "string" && value !== "" ? "other" : "one";
  const plain = (row) => row && typeof row === "object" && (isNumber(row.value) || isList(row.value));
  return rows.length && rows.every(plain) ? "modules" : "other";
}

/** '0.3' → 0.3, '0, 0.5, 1' → [0, 0.5, 1], anything else → null. */
function parseNumbers(text) {
  const parts = text
    .trim()
    .split(/[\s,;]+/)
    .filter(Boolean)
    .map(Number);
  if (!parts.length || !parts.every(isNumber)) return null;
  return parts.length === 1 ? parts[0] : parts;
}

const writeNumbers = (value) => (isList(value) ? value.map(short).join(", ") : isNumber(value) ? short(value) : "");
const listOf = (value) => (isList(value) ? value : [value, value]);

/** The numbers at the start of a setting's value, to go on from when its kind changes. */
function seedOf(value, fallback) {
  if (isNumber(value) || isList(value)) return value;
  if (!value || typeof value !== "object") return fallback;
  return seedOf([value].flat().at(-1)?.value, fallback);
}

/**
 * The control of one setting: an input, or a glance at what it varies over, and the button that opens the editor.
 * `get`/`set` read and write the recipe; undefined is 'not given'. `inherited()` is what counts then.
 */
export function settingControl(parameter, { get, set, inherited, open, about }) {
  const node = h("div", "wb-merge-setting");
  const help = [parameter.help, boundsText(parameter), `In YAML: ${parameter.name}.`].filter(Boolean).join(" ");
  const label = h("label", "", parameter.label);
  label.title = help;
  if (parameter.kind === "bool") return flag(parameter, node, label, get, set, inherited);
  const input = numberInput(parameter);
  input.setAttribute("aria-label", `${parameter.label}${about() ? ` of ${about()}` : ""}`);
  const glance = button("wb-merge-glance", "", () => open(control));
  const vary = button("wb-merge-vary", "", () => open(control));
  vary.append(sparkline([0.1, 0.2, 0.9, 0.9, 0.3]));
  vary.title = `Vary ${parameter.label} over layers or modules`;
  vary.setAttribute("aria-label", vary.title);
  const box = h("div", "wb-merge-setting-box");
  box.append(input, glance, vary);
  node.append(label, box);
  input.addEventListener("input", () => {
    const value = input.value.trim() === "" ? undefined : Number(input.value);
    input.classList.toggle("is-bad", value === undefined ? missing() : !fits(parameter, value));
    if (value === undefined || isNumber(value)) set(value);
  });
  const missing = () => parameter.required && get() === undefined && inherited() === undefined;

  function sync() {
    const value = get(),
      kind = kindOf(value);
    input.hidden = kind !== "one";
    glance.hidden = kind === "one";
    vary.hidden = kind !== "one" || parameter.kind !== "float";
    if (kind === "one") {
      if (document.activeElement !== input) input.value = isNumber(value) ? short(value) : "";
      const counts = inherited();
      const plain = kindOf(counts) === "one" ? short(counts) : "varies";
      input.placeholder = counts === undefined || counts === null ? "" : plain;
      input.classList.toggle("is-bad", missing() || (isNumber(value) && !fits(parameter, value)));
      return;
    }
    const rows = kind === "modules" ? [value].flat() : [];
    const words = {
      layers: () => value.map(short).join(" → "),
      modules: () => `${rows.length} modules`,
      other: () => (typeof value === "string" ? value : "as in YAML"),
    }[kind]();
    glance.replaceChildren(...(kind === "layers" ? [sparkline(value)] : []), h("span", "", words));
    const told = rows.map((row) => `${row.filter || "everything else"}: ${writeNumbers(row.value)}`);
    glance.title = told.join("\n") || words;
  }
  const control = { node, sync, parameter, get, set, about, trigger: () => (glance.hidden ? vary : glance) };
  return control;
}

function fits(parameter, value) {
  return (parameter.low ?? -Infinity) <= value && value <= (parameter.high ?? Infinity);
}

function boundsText({ low, high }) {
  if (isNumber(low) && isNumber(high)) return `From ${short(low)} to ${short(high)}.`;
  return isNumber(low) ? `At least ${short(low)}.` : isNumber(high) ? `At most ${short(high)}.` : "";
}

export function numberInput(parameter) {
  const input = h("input", "wb-input is-number");
  Object.assign(input, { type: "number", step: parameter.kind === "int" ? 1 : "any", title: boundsText(parameter) });
  return input;
}

/** A checkbox; a value that is no yes or no is left to YAML. */
function flag(parameter, node, label, get, set, inherited) {
  const input = h("input");
  input.type = "checkbox";
  label.textContent = "";
  label.append(input, document.createTextNode(parameter.label));
  node.classList.add("is-flag");
  node.append(label);
  input.addEventListener("change", () => set(input.checked));
  const sync = () => {
    const value = get() === undefined ? inherited() : get();
    input.checked = value === true;
    input.indeterminate = value !== undefined && value !== null && typeof value !== "boolean";
  };
  return { node, sync, parameter, get, set, trigger: () => input };
}

/**
 * The one editor of values that vary, moved beneath the setting it edits. `open(control, host)` shows it there;
 * opened again for the same setting it closes.
 */
export function settingEditor() {
  const node = h("div", "wb-merge-editor");
  const head = h("div", "wb-merge-editor-head"),
    title = h("b");
  const names = [
    ["one", "One value"],
    ["layers", "Over the layers"],
    ["modules", "By module"],
  ];
  const kinds = segmented(names, "How it varies", (kind) => change(kind));
  const close = button("wb-icon", "✕", () => shut(true), "Close");
  head.append(title, kinds.node, close);
  const curve = curveEditor((values) => put(values));
  const text = h("input", "wb-input");
  text.setAttribute("aria-label", "Values from the first layer to the last");
  const hint = h(
    "div",
    "wb-hint",
    "Drag the points. Click adds one, double click removes it; or arrow keys, Enter, Delete.",
  );
  const rows = h("div", "wb-merge-filters");
  const add = button("wb-button", "Add module", () => addRow());
  node.append(head, rows, add, curve.node, text, hint);
  let control = null,
    selected = 0;

  const value = () => control.get();
  const filters = () => [value()].flat();
  const kind = () => kindOf(value());

  /** Write the numbers being edited: the whole value, or that of the chosen row. */
  function put(numbers, from = null) {
    const row = (old, i) => (i === selected ? { ...old, value: numbers } : old);
    control.set(kind() === "modules" ? filters().map(row) : numbers);
    control.sync();
    sync(from);
  }

  function change(next) {
    const found = seedOf(value(), control.parameter.default ?? 0.5),
      seed = isFlat(found) ? found[0] : found;
    if (next === "one") {
      control.set(isList(seed) ? seed[0] : seed);
      control.sync();
      shut(true);
      return;
    }
    const flat = isList(seed) ? seed : [seed, seed];
    const modules = [{ filter: "self_attn", value: seed }, { filter: "mlp", value: seed }, { value: seed }];
    control.set(next === "layers" ? flat : modules);
    selected = 0;
    control.sync();
    rebuild();
  }

  function addRow() {
    const list = filters(),
      used = list.map((row) => row.filter);
    const next = FILTERS.find(([name]) => !used.includes(name))?.[0] ?? "layers.0.";
    const rest = list.findIndex((row) => !row.filter || row.filter === "*");
    selected = rest < 0 ? list.length : rest;
    list.splice(selected, 0, { filter: next, value: seedOf(list[list.length - 1]?.value, 0.5) });
    control.set(list);
    rebuild();
  }

  /** One row: what it holds for, its numbers, and its place among the others. */
  function filterRow(row, i) {
    const line = h("div", "wb-merge-filter"),
      rest = !row.filter || row.filter === "*";
    const update = (part) => control.set(filters().map((old, k) => (k === i ? { ...old, ...part } : old)));
    const numbers = h("input", "wb-input");
    numbers.setAttribute("aria-label", `Value for ${rest ? "everything else" : row.filter}`);
    numbers.addEventListener("focus", () => {
      selected = i;
      sync(numbers);
    });
    numbers.addEventListener("input", () => {
      const parsed = parseNumbers(numbers.value);
      numbers.classList.toggle("is-bad", parsed === null);
      if (parsed !== null) put(parsed, numbers);
    });
    line.append(rest ? h("span", "wb-merge-rest", "everything else") : filterName(row, update), numbers);
    if (!rest) {
      const move = () => swap(i);
      line.append(
        button("wb-icon", "↑", move, "Ask this one earlier"),
        button("wb-icon", "✕", () => drop(i), "Remove"),
      );
    }
    return line;
  }

  function drop(i) {
    control.set(filters().filter((_, k) => k !== i));
    selected = 0;
    rebuild();
    add.focus();
  }

  function swap(i) {
    if (!i) return;
    const list = filters();
    [list[i - 1], list[i]] = [list[i], list[i - 1]];
    selected = i - 1;
    control.set(list);
    rebuild();
    rows.children[i - 1].querySelector(".wb-icon").focus();
  }

  function filterName(row, update) {
    const box = h("span", "wb-merge-filter-name"),
      own = h("input", "wb-input");
    const known = FILTERS.some(([name]) => name === row.filter);
    const pick = select(
      [...FILTERS.map(([name, label]) => [name, `${label} (${name})`]), ["", "Own text …"]],
      known ? row.filter : "",
      "Module",
    );
    own.value = row.filter;
    own.hidden = known;
    own.placeholder = "part of a tensor's name";
    own.setAttribute("aria-label", "Part of a tensor's name");
    const use = (text) => {
      if (text) {
        update({ filter: text });
        control.sync();
      }
    };
    own.addEventListener("input", () => use(own.value.trim()));
    pick.addEventListener("change", () => {
      own.hidden = pick.value !== "";
      if (own.hidden) own.value = pick.value;
      else own.focus();
      use(pick.value);
    });
    box.append(pick, own);
    return box;
  }

  /** Redraw what the numbers decide, leaving alone the field that is being typed in. */
  function sync(from = null) {
    const many = kind() === "modules",
      numbers = many ? filters()[selected]?.value : value();
    [...rows.children].forEach((line, i) => {
      line.classList.toggle("is-chosen", i === selected);
      const field = line.querySelector(":scope > input");
      if (field !== from) {
        field.value = writeNumbers(filters()[i].value);
        field.classList.remove("is-bad");
      }
    });
    if (text !== from) {
      text.value = writeNumbers(numbers);
      text.classList.remove("is-bad");
    }
    curve.show(listOf(numbers), control.parameter);
  }

  text.addEventListener("input", () => {
    const parsed = parseNumbers(text.value);
    text.classList.toggle("is-bad", !isList(parsed));
    if (isList(parsed)) put(parsed, text);
  });

  function rebuild() {
    const many = kind() === "modules";
    kinds.show(kind());
    rows.hidden = add.hidden = !many;
    text.hidden = many;
    rows.replaceChildren(...(many ? filters().map(filterRow) : []));
    control.sync();
    sync();
  }

  function open(next, host) {
    if (control === next && node.isConnected) {
      shut(true);
      return;
    }
    control = next;
    selected = 0;
    if (kind() === "one" || kind() === "other") {
      const seed = seedOf(value(), control.parameter.default ?? 0.5);
      control.set(listOf(seed));
    }
    setText(title, control.about() ? `${control.parameter.label} of ${control.about()}` : control.parameter.label);
    host.append(node);
    rebuild();
  }

  /** Close; a line that was never bent becomes one value again. */
  function shut(refocus = false) {
    const last = control,
      left = last?.get();
    control = null;
    node.remove();
    if (isFlat(left)) last.set(left[0]);
    last?.sync();
    if (refocus && last) last.trigger().focus();
  }

  return { open, shut, isFor: (other) => control === other };
}
