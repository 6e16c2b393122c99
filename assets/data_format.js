/* js_on_load of DataFormat: which format the rows have and which of their columns it reads.
   props: value ({method, settings, columns, detected, turn}), catalogue ([{method, title, kind, summary, fields}]), empty.
   A change by hand is followed by the event 'submit'. */
const kit = window.wbKit;
const { h, setText } = kit;
const root = element.querySelector(".wb-data-format");
const forms = new Map(props.catalogue.map((form) => [form.method, form]));
let value = {}, sent = "", turn = 0;

const pick = h("select", "wb-mb-input"), summary = h("div", "wb-hint"), fields = h("div", "wb-df-fields");
const body = h("div", "wb-mb-body wb-df");
const label = h("label", "wb-mb-field");
pick.append(Object.assign(h("option", "", "Detect"), { value: "" }),
  ...props.catalogue.map((form) => Object.assign(h("option", "", `${form.title} → ${form.kind}`), { value: form.method })));
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
  const node = h("select", "wb-mb-input"), names = ["", ...(value.columns || [])];
  if (given && !names.includes(given)) names.push(given);
  const known = new Set(value.columns || []);
  node.append(...names.map((name) => Object.assign(h("option", "", !name ? "–" : known.has(name) ? name : `${name} (not there)`),
    { value: name })));
  node.value = given || "";
  node.addEventListener("change", () => set(field.name, node.value));
  return node;
}

function textInput(field, given) {
  const node = Object.assign(h("input", "wb-mb-input"), { value: given ?? "" });
  node.addEventListener("change", () => set(field.name, node.value));
  return node;
}

/** The columns that are read by no setting, each to be kept. */
function keepInput(field, given) {
  const node = h("div", "wb-df-keep"), used = new Set(Object.values(value.settings || {}).filter((one) => typeof one === "string"));
  for (const name of (value.columns || []).filter((one) => !used.has(one))) {
    const line = h("label"), tick = Object.assign(h("input"), { type: "checkbox", checked: (given || []).includes(name) });
    tick.addEventListener("change", () => {
      const kept = (given || []).filter((one) => one !== name);
      set(field.name, tick.checked ? [...kept, name] : kept);
    });
    line.append(tick, h("span", "", name));
    node.append(line);
  }
  return node;
}

function fieldNode(field) {
  const node = h(field.kind === "keep" ? "div" : "label", "wb-mb-field"), given = value.settings?.[field.name] ?? field.default;
  const input = { column: columnInput, text: textInput, keep: keepInput }[field.kind](field, given);
  if (field.kind === "keep" && !input.childElementCount) return null;
  node.append(h("span", "", field.label), input);
  node.title = field.help;
  if (field.kind !== "keep") input.setAttribute("aria-label", field.label);
  return node;
}

function fold(title, list, isOpen) {
  const node = h("details", "wb-mb-more"), grid = h("div", "wb-df-grid");
  grid.append(...list);
  node.open = isOpen;
  node.append(h("summary", "", title), grid);
  return node;
}

function draw() {
  const form = forms.get(value.method), open = new Set([...fields.querySelectorAll("details[open] > summary")].map((one) => one.textContent));
  pick.value = value.method || "";
  setText(summary, form ? form.summary : "");
  fields.replaceChildren();
  if (!form || !value.settings) return;
  const grid = h("div", "wb-df-grid");
  const nodes = (kind) => form.fields.filter((field) => field.kind === kind).map(fieldNode).filter(Boolean);
  grid.append(...nodes("column"));
  fields.append(grid);
  for (const [title, kind] of [["Keys and names of roles", "text"], ["Keep further columns", "keep"]]) {
    const list = nodes(kind);
    if (list.length) fields.append(fold(title, list, open.has(title)));
  }
}

/** Take over a value from Python; an answer to an earlier change must not undo a later one. */
function begin() {
  if (props.value?.turn < turn) { publish(); return; }
  value = structuredClone(props.value || {});
  turn = Math.max(turn, value.turn || 0);
  draw();
}

begin();
watch("value", () => { if (JSON.stringify(props.value) !== sent) begin(); });
