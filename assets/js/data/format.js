// @ts-nocheck
import { h, setText } from "../lib/dom.js";

export function mount({ element, props, trigger, watch }) {
  const root = element.querySelector(".wb-data-format");
  const forms = new Map(props.catalogue.map((form) => [form.method, form]));
  let value = {},
    sent = "",
    turn = 0;

  const pick = h("select", "wb-mb-input"),
    summary = h("div", "wb-hint"),
    fields = h("div", "wb-df-fields");
  const body = h("div", "wb-mb-body wb-df");
  const label = h("label", "wb-mb-field");
  pick.append(
    Object.assign(h("option", "", "Detect"), { value: "" }),
    ...props.catalogue.map((form) =>
      Object.assign(h("option", "", `${form.title} → ${form.kind}`), { value: form.method }),
    ),
  );
  pick.setAttribute("aria-label", "Format");
  pick.addEventListener("change", () => change({ method: pick.value, settings: null }));
  label.append(h("span", "", "Format"), pick);
  body.append(label, summary, fields);
  root.append(body);

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

  const set = (name, one) => change({ settings: { ...value.settings, [name]: one } });

  function columnInput(field, given) {
    const node = h("select", "wb-mb-input"),
      names = ["", ...(value.columns || [])];
    if (given && !names.includes(given)) names.push(given);
    const known = new Set(value.columns || []);
    node.append(
      ...names.map((name) =>
        Object.assign(h("option", "", !name ? "–" : known.has(name) ? name : `${name} (not there)`), { value: name }),
      ),
    );
    node.value = given || "";
    node.addEventListener("change", () => set(field.name, node.value));
    return node;
  }

  function textInput(field, given) {
    const node = Object.assign(h("input", "wb-mb-input"), { value: given ?? "" });
    node.addEventListener("change", () => set(field.name, node.value));
    return node;
  }

  /** A setting that is one of a few. */
  function choiceInput(field, given) {
    const node = h("select", "wb-mb-input");
    node.append(...field.choices.map((one) => Object.assign(h("option", "", String(one)), { value: String(one) })));
    node.value = String(given);
    node.addEventListener("change", () =>
      set(
        field.name,
        field.choices.find((one) => String(one) === node.value),
      ),
    );
    return node;
  }

  function fieldNode(field) {
    const node = h("label", "wb-mb-field"),
      given = value.settings?.[field.name] ?? field.default;
    const make = field.choices.length ? choiceInput : { column: columnInput, text: textInput }[field.kind];
    const input = make(field, given);
    node.append(h("span", "", field.label), input);
    node.title = field.help;
    input.setAttribute("aria-label", field.label);
    return node;
  }

  /** What a column is now: a setting of the format, or one of 'keep' and 'leave_out', or nothing decided. */
  const roleOf = (line) =>
    line.use === "used" ? `=${line.setting}` : { kept: "keep", "left out": "leave_out" }[line.use] || "";

  /** The settings with a column read by another setting, kept or left out. */
  function withRole(form, column, role) {
    const settings = { ...value.settings };
    for (const field of form.fields)
      if (field.kind === "column" && settings[field.name] === column) settings[field.name] = "";
    for (const list of ["keep_columns", "leave_out"])
      settings[list] = (settings[list] || []).filter((one) => one !== column);
    if (role.startsWith("=")) settings[role.slice(1)] = column;
    else settings[role === "keep" ? "keep_columns" : "leave_out"].push(column);
    return settings;
  }

  /** The list of roles a column can have; a key that messages always have cannot be given another. */
  function roleInput(form, line) {
    const isColumn = (value.columns || []).includes(line.column),
      role = roleOf(line);
    if (!isColumn && line.use === "used") return h("span", "", `used: ${line.setting.replaceAll("_", " ")}`);
    const node = h("select", "wb-mb-input"),
      put = (text, one) => node.append(Object.assign(h("option", "", text), { value: one }));
    if (!role) put(line.use === "undecided" ? "decide …" : "rows kept aside", "");
    if (isColumn)
      for (const field of form.fields.filter((one) => one.kind === "column"))
        put(`used: ${field.label.toLowerCase()}`, `=${field.name}`);
    put("kept as metadata", "keep");
    put("left out", "leave_out");
    node.value = role;
    node.setAttribute("aria-label", `What becomes of ${line.column}`);
    node.addEventListener("change", () => {
      if (node.value) change({ settings: withRole(form, line.column, node.value) });
    });
    return node;
  }

  /** The account: every column and every key of a message, with what becomes of it and why. */
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
    return [h("div", open ? "wb-h wb-df-open" : "wb-h", title), list];
  }

  function fold(title, list, isOpen) {
    const node = h("details", "wb-mb-more"),
      grid = h("div", "wb-df-grid");
    grid.append(...list);
    node.open = isOpen;
    node.append(h("summary", "", title), grid);
    return node;
  }

  function draw() {
    const form = forms.get(value.method),
      open = new Set([...fields.querySelectorAll("details[open] > summary")].map((one) => one.textContent));
    root.hidden = Boolean(value.hidden);
    pick.value = value.method || "";
    setText(summary, form ? form.summary : "");
    fields.replaceChildren();
    if (!form || !value.settings) return;
    const nodes = (kind) => form.fields.filter((field) => field.kind === kind).map(fieldNode);
    fields.append(...accountNodes(form));
    for (const [title, kind, isOpen] of [
      ["Columns of the format", "column", !value.account?.length || !value.detected],
      ["Keys, roles and more", "text", false],
    ]) {
      const list = nodes(kind);
      if (list.length) fields.append(fold(title, list, isOpen || open.has(title)));
    }
  }

  /** Take over a value from Python; an answer to an earlier change must not undo a later one. */
  function begin() {
    if (props.value?.turn < turn) {
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
