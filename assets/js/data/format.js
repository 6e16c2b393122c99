/* DataFormat: which format the rows have and what becomes of their columns; a change by hand is followed by the event
   'submit'. */
import { rootOf } from "../lib/component.js";
import { h, select, setText } from "../lib/dom.js";

/** @typedef {{ name: string, label: string, help: string, kind: "column" | "text", default: any, choices: any[], labels: Record<string, string> }} FormField */
/** @typedef {{ method: string, title: string, kind: string, summary: string, fields: FormField[] }} Form */
/**
 * What becomes of one column or key of messages.
 * @typedef {{ column: string, use: string, why: string, setting: string, rows: number }} Line
 */
/**
 * @typedef {{
 *   method?: string, settings?: Record<string, any> | null, columns?: string[], detected?: boolean, account?: Line[],
 *   turn?: number, hidden?: boolean,
 * }} Value
 */

const KEPT = new Map([
  ["kept", "keep"],
  ["left out", "leave_out"],
]);

const YES_NO = new Map([
  [true, "yes"],
  [false, "no"],
]);

/** @param {import("../lib/component.js").Scope<Value, { catalogue: Form[] }>} scope */
export function mount({ element, props, trigger, watch }) {
  const root = rootOf(element, "wb-data-format");
  const forms = new Map(props.catalogue.map((form) => [form.method, form]));
  let value = /** @type {Value} */ ({}),
    sent = "",
    turn = 0;

  /** @type {import("../lib/dom.js").Choice[]} */
  const formats = props.catalogue.map((form) => [form.method, `${form.title} → ${form.kind}`]);
  const pick = select([["", "Detect"], ...formats], "", "Format"),
    summary = h("div", "wb-hint"),
    fields = h("div", "wb-df-fields");
  const body = h("div", "wb-builder-body wb-df");
  const label = h("label", "wb-labelled");
  pick.addEventListener("change", () => change({ method: pick.value, settings: null }));
  label.append(h("span", "", "Format"), pick);
  body.append(label, summary, fields);
  root.append(body);

  /** @param {Partial<Value>} news */
  function change(news) {
    Object.assign(value, news, { detected: false, turn: ++turn });
    publish();
    draw();
    trigger("submit");
  }

  function publish() {
    sent = JSON.stringify(value);
    props.value = JSON.parse(sent);
  }

  /**
   * @param {string} name
   * @param {unknown} one
   */
  const set = (name, one) => change({ settings: { ...value.settings, [name]: one } });

  /**
   * @param {FormField} field
   * @param {string} given
   */
  function columnInput(field, given) {
    const columns = value.columns ?? [];
    const missing = given && !columns.includes(given) ? [given] : [];
    /** @type {import("../lib/dom.js").Choice[]} */
    const options = columns.map((name) => [name, name]);
    for (const name of missing) options.push([name, `${name} (not there)`]);
    const node = select([["", "–"], ...options], given || "", field.label);
    node.addEventListener("change", () => set(field.name, node.value));
    return node;
  }

  /**
   * @param {FormField} field
   * @param {string} given
   */
  function textInput(field, given) {
    const node = Object.assign(h("input", "wb-input"), { value: given ?? "" });
    node.addEventListener("change", () => set(field.name, node.value));
    return node;
  }

  /**
   * A setting that is one of a few.
   * @param {FormField} field
   * @param {unknown} given
   */
  function choiceInput(field, given) {
    /** @param {any} one */
    const words = (one) => field.labels[one] ?? YES_NO.get(one) ?? String(one);
    const choices = field.choices.map((one) => /** @type {[string, string]} */ ([String(one), words(one)]));
    const node = select(choices, String(given), field.label);
    node.addEventListener("change", () =>
      set(
        field.name,
        field.choices.find((one) => String(one) === node.value),
      ),
    );
    return node;
  }

  /** @param {FormField} field */
  function fieldNode(field) {
    const node = h("label", "wb-labelled"),
      given = value.settings?.[field.name] ?? field.default;
    const make = field.choices.length ? choiceInput : field.kind === "column" ? columnInput : textInput;
    const input = make(field, given);
    node.append(h("span", "", field.label), input);
    node.title = field.help;
    input.setAttribute("aria-label", field.label);
    return node;
  }

  /**
   * What a column is now: a setting of the format, or one of 'keep' and 'leave_out', or nothing decided.
   * @param {Line} line
   */
  const roleOf = (line) => (line.use === "used" ? `=${line.setting}` : (KEPT.get(line.use) ?? ""));

  /**
   * The settings with a column read by another setting, kept or left out.
   * @param {Form} form
   * @param {string} column
   * @param {string} role
   */
  function withRole(form, column, role) {
    const settings = { ...value.settings };
    for (const field of form.fields)
      if (field.kind === "column" && settings[field.name] === column) settings[field.name] = "";
    for (const list of ["keep_columns", "leave_out"])
      settings[list] = (settings[list] || []).filter((/** @type {string} */ one) => one !== column);
    if (role.startsWith("=")) settings[role.slice(1)] = column;
    else settings[role === "keep" ? "keep_columns" : "leave_out"].push(column);
    return settings;
  }

  /**
   * The list of roles a column can have; a key that messages always have cannot be given another.
   * @param {Form} form
   * @param {Line} line
   */
  function roleInput(form, line) {
    const isColumn = (value.columns || []).includes(line.column),
      role = roleOf(line);
    if (!isColumn && line.use === "used") return h("span", "", `used: ${line.setting.replaceAll("_", " ")}`);
    const uses = isColumn ? form.fields.filter((one) => one.kind === "column") : [];
    /** @type {import("../lib/dom.js").Choice[]} */
    const options = uses.map((field) => [`=${field.name}`, `used: ${field.label.toLowerCase()}`]);
    if (!role) options.unshift(["", line.use === "undecided" ? "decide …" : "rows kept aside"]);
    options.push(["keep", "kept as metadata"], ["leave_out", "left out"]);
    const node = select(options, role, `What becomes of ${line.column}`);
    node.addEventListener("change", () => {
      if (node.value) change({ settings: withRole(form, line.column, node.value) });
    });
    return node;
  }

  /**
   * The account: every column and every key of a message, with what becomes of it and why.
   * @param {Form} form
   */
  function accountNodes(form) {
    const lines = value.account || [];
    if (!lines.length) return [];
    const list = h("ul", "wb-df-account");
    for (const line of lines) {
      const item = h("li", line.use === "undecided" ? "is-undecided" : ""),
        rows = line.rows.toLocaleString("en-US");
      item.dataset.column = line.column;
      item.append(
        h("b", "", line.column),
        roleInput(form, line),
        h("small", "", `${rows} row${line.rows === 1 ? "" : "s"} · ${line.why}`),
      );
      list.append(item);
    }
    const open = lines.filter((line) => line.use === "undecided").length;
    const title = open
      ? `${open} of ${lines.length} columns need${open === 1 ? "s" : ""} a decision`
      : "What becomes of every column";
    list.setAttribute("aria-label", title);
    return [h("h3", open ? "wb-h wb-df-open" : "wb-h", title), list];
  }

  /**
   * @param {string} title
   * @param {Node[]} list
   * @param {boolean} isOpen
   */
  function fold(title, list, isOpen) {
    const node = h("details", "wb-folded"),
      grid = h("div", "wb-df-grid");
    grid.append(...list);
    node.open = isOpen;
    node.append(h("summary", "", title), grid);
    return node;
  }

  function draw() {
    const form = forms.get(value.method ?? ""),
      open = new Set([...fields.querySelectorAll("details[open] > summary")].map((one) => one.textContent));
    root.hidden = Boolean(value.hidden);
    pick.value = value.method || "";
    setText(summary, form ? form.summary : "");
    fields.replaceChildren();
    if (!form || !value.settings) return;
    /** @param {FormField["kind"]} kind */
    const nodes = (kind) => form.fields.filter((field) => field.kind === kind).map(fieldNode);
    fields.append(...accountNodes(form));
    /** @type {[title: string, kind: FormField["kind"], isOpen: boolean][]} */
    const sections = [
      ["Columns of the format", "column", !value.account?.length || !value.detected],
      ["Keys, roles and more", "text", false],
    ];
    for (const [title, kind, isOpen] of sections) {
      const list = nodes(kind);
      if (list.length) fields.append(fold(title, list, isOpen || open.has(title)));
    }
  }

  /** Take over a value from Python; an answer to an earlier change must not undo a later one. */
  function begin() {
    if ((props.value?.turn ?? turn) < turn) {
      publish();
      return;
    }
    value = structuredClone(props.value || {});
    turn = Math.max(turn, value.turn || 0);
    draw();
  }

  begin();
  watch("value", () => {
    if (JSON.stringify(props.value) !== sent) begin();
  });
}
