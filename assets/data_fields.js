/* Part of DataSteps: a form made of the fields of a step, and its settings in a few words. */

const LOW = /^(least|min|minimum|at_least|shortest|low)/, HIGH = /^(most|max|maximum|at_most|longest|limit|high)/;
const sorted = (_, value) => (value && typeof value === "object" && !Array.isArray(value)
  ? Object.fromEntries(Object.keys(value).sort().map((key) => [key, value[key]])) : value);
const alike = (one, other) => JSON.stringify(one ?? null, sorted) === JSON.stringify(other ?? null, sorted);
const isEmpty = (value) => value === null || value === undefined || value === "" || value === 0
  || (typeof value === "object" && !sizeOf(value));
const short = (value) => Number(Number(value).toPrecision(6)).toLocaleString("en-US", { maximumFractionDigits: 6 });
let fieldIds = 0;

/** A setting as words: 'tokens ≤ 512', 'keep first', 'without repeated'. */
function settingWords(field, value) {
  const name = field.label.toLowerCase();
  if (field.kind === "flag") return value ? name : `without ${name}`;
  if (field.kind === "number" && LOW.test(field.name)) return `${name} ≥ ${short(value)}`;
  if (field.kind === "number" && HIGH.test(field.name)) return `${name} ≤ ${short(value)}`;
  if (field.kind === "shares") {
    return `${name} ${Object.entries(value).map(([one, share]) => `${one} × ${short(share)}`).join(", ")}`;
  }
  if (field.kind === "data" || field.kind === "pairs" || field.kind === "weights") return `${name}: ${sizeOf(value)}`;
  const text = Array.isArray(value) ? value.join(", ") : field.kind === "number" ? short(value) : String(value);
  return `${name} ${text.length > 48 ? text.slice(0, 47) + "…" : text}`;
}

const sizeOf = (value) => (Array.isArray(value) ? value.length : Object.keys(value || {}).length);

/** What is set otherwise than usual; when nothing is, the first settings as they come. */
function shortSettings(info, step) {
  const set = ({ name, default: usual }) => step[name] !== undefined && !alike(step[name], usual);
  const given = info.fields.filter(set);
  const usual = info.fields.filter((field) => field.kind !== "flag" && !isEmpty(field.default));
  const shown = given.length ? given.slice(0, 5) : usual.slice(0, 2);
  const words = shown.map((field) => settingWords(field, step[field.name] ?? field.default));
  if (given.length > 5) words.push(`${given.length - 5} more`);
  return words.join(" · ");
}

/**
 * The control of one setting of `step`. `shelf()` gives {datasets, models}; `changed()` is called after every change.
 * Returns {node, name, say(text)}: say shows what is wrong with it, '' for nothing.
 */
function fieldControl(field, step, shelf, changed) {
  const set = (value) => {
    if (value === undefined || (alike(value, field.default) && !field.required)) delete step[field.name];
    else step[field.name] = value;
    changed();
  };
  const value = step[field.name] ?? field.default, id = `wb-field-${++fieldIds}`;
  const made = CONTROLS[field.kind](field, value, set, shelf());
  const node = h("div", `wb-ds-field is-${field.kind}`), line = h("label", "wb-ds-label", field.label);
  const help = h("small", "wb-hint", field.help), wrong = h("small", "wb-ds-wrong");
  made.focus.id = id;
  line.htmlFor = id;
  help.id = `${id}-help`;
  made.focus.setAttribute("aria-describedby", help.id);
  wrong.hidden = true;
  if (field.kind === "flag") line.prepend(made.node);
  node.append(line, ...(field.kind === "flag" ? [] : [made.node]), help, wrong);
  const say = (text) => {
    wrong.hidden = !text;
    setText(wrong, text);
    made.focus.classList.toggle("is-bad", Boolean(text));
  };
  return { node, name: field.name, say, focus: made.focus };
}

const CONTROLS = {
  flag(field, value, set) {
    const input = Object.assign(h("input"), { type: "checkbox", checked: Boolean(value) });
    input.addEventListener("change", () => set(input.checked));
    return { node: input, focus: input };
  },
  number(field, value, set) {
    const input = Object.assign(h("input", "wb-mb-input is-number"), { type: "number", min: field.low ?? "",
      max: field.high ?? "", step: field.whole ? 1 : "any", value: value ?? "" });
    input.addEventListener("input", () => {
      input.classList.toggle("is-bad", !input.validity.valid);
      set(input.value.trim() === "" ? undefined : Number(input.value));
    });
    return { node: input, focus: input };
  },
  choice(field, value, set) {
    const options = field.optional ? ["", ...field.choices] : field.choices;
    return dropdown(options.map((one) => [String(one ?? ""), String(one ?? "")]), value ?? "",
      (text) => set(field.choices.find((one) => String(one) === text) ?? null));
  },
  ticks(field, value, set) { return ticks(field.choices.map((one) => [one, one]), value || [], set); },
  text(field, value, set) {
    const long = String(value ?? "").length > 60 || String(value ?? "").includes("\n");
    const input = h(long ? "textarea" : "input", "wb-mb-input");
    Object.assign(input, long ? { rows: 4, value: value ?? "" } : { type: "text", value: value ?? "" });
    input.addEventListener("input", () => set(input.value));
    return { node: input, focus: input };
  },
  lines(field, value, set) {
    const area = area_((value || []).join("\n"), "one a line");
    area.addEventListener("input", () => set(area.value.split("\n").filter((one) => one.trim())));
    return { node: area, focus: area };
  },
  numbers(field, value, set) {
    const input = Object.assign(h("input", "wb-mb-input"), { type: "text", value: (value || []).join(", ") });
    input.addEventListener("input", () => {
      const found = input.value.split(/[\s,;]+/).filter(Boolean).map(Number);
      input.classList.toggle("is-bad", found.some(Number.isNaN));
      if (!found.some(Number.isNaN)) set(found);
    });
    return { node: input, focus: input };
  },
  pairs(field, value, set) {
    const written = field.kind === "weights" ? /^[^:]+:\s*[\d.]+\s*$/ : /^[^:]+:./;
    const lines = Object.entries(value || {}).map(([name, text]) => `${name}: ${text}`);
    const area = area_(lines.join("\n"),
      field.kind === "weights" ? "name: number, one a line" : "name: value, one a line");
    area.addEventListener("input", () => {
      const lines = area.value.split("\n").filter((line) => line.trim());
      area.classList.toggle("is-bad", lines.some((line) => !written.test(line)));
      set(Object.fromEntries(lines.filter((line) => line.includes(":")).map((line) => {
        const at = line.indexOf(":");
        const text = line.slice(at + 1).trim();
        return [line.slice(0, at).trim(), field.kind === "weights" && text !== "" ? Number(text) : text];
      })));
    });
    return { node: area, focus: area };
  },
  shares(field, value, set, shelf) {
    const given = { ...(value || {}) };
    const names = [...new Set([...shelf.datasets.map(([name]) => name), ...Object.keys(given)])];
    const node = h("div", "wb-ds-ticks");
    let first = null;
    for (const name of names) {
      const line = h("label"), box = Object.assign(h("input"), { type: "checkbox", checked: name in given });
      const share = Object.assign(h("input", "wb-mb-input is-number"), { type: "number", min: 0, step: "any",
        value: given[name] ?? 1, disabled: !box.checked });
      share.setAttribute("aria-label", `Weight of ${name}`);
      const tell = () => {
        share.disabled = !box.checked;
        if (box.checked) given[name] = Number(share.value); else delete given[name];
        set({ ...given });
      };
      box.addEventListener("change", tell);
      share.addEventListener("input", tell);
      line.append(box, name, share);
      node.append(line);
      first ||= box;
    }
    if (!first) node.append(h("span", "wb-hint", "There is no other dataset on the shelf."));
    return { node, focus: first || node };
  },
  data(field, value, set) {
    const area = area_(isEmpty(value) || !sizeOf(value) ? "" : JSON.stringify(value, null, 1), "JSON");
    area.addEventListener("input", () => {
      try { set(area.value.trim() ? JSON.parse(area.value) : undefined); area.classList.remove("is-bad"); }
      catch { area.classList.add("is-bad"); }
    });
    return { node: area, focus: area };
  },
  dataset(field, value, set, shelf) {
    const known = shelf.datasets.map(([name, kind]) => [name, `${name} · ${kind}`]);
    if (value && !known.some(([name]) => name === value)) known.push([value, `${value} · not on the shelf`]);
    const none = known.length ? "Choose a dataset" : "There is no other dataset";
    return dropdown([["", none], ...known], value || "", set);
  },
  datasets(field, value, set, shelf) {
    const known = shelf.datasets.map(([name, kind]) => [name, `${name} · ${kind}`]);
    for (const name of value || []) if (!known.some(([one]) => one === name)) known.push([name, `${name} · gone`]);
    return ticks(known, value || [], set, "There is no other dataset on the shelf.");
  },
  model(field, value, set, shelf) {
    const input = Object.assign(h("input", "wb-mb-input"), { type: "text", value: value ?? "" });
    const list = Object.assign(h("datalist"), { id: `wb-models-${++fieldIds}` });
    list.append(...shelf.models.map((name) => Object.assign(h("option"), { value: name })));
    input.setAttribute("list", list.id);
    input.placeholder = shelf.models.length ? "a model of the shelf" : "no models on the shelf yet";
    input.addEventListener("input", () => set(input.value.trim()));
    const node = h("span", "wb-ds-with");
    node.append(input, list);
    return { node, focus: input };
  },
};

CONTROLS.weights = CONTROLS.pairs;

function area_(text, placeholder) {
  return Object.assign(h("textarea", "wb-mb-input"), { rows: 3, value: text, placeholder, spellcheck: false });
}

function dropdown(options, value, set) {
  const node = h("select", "wb-mb-input");
  node.append(...options.map(([name, text]) => Object.assign(h("option", "", text || "–"), { value: name })));
  node.value = String(value);
  node.addEventListener("change", () => set(node.value));
  return { node, focus: node };
}

function ticks(options, value, set, none = "") {
  const node = h("div", "wb-ds-ticks"), boxes = [];
  for (const [name, text] of options) {
    const line = h("label"), box = Object.assign(h("input"), { type: "checkbox", checked: value.includes(name) });
    box.addEventListener("change", () => set(boxes.filter(([one]) => one.checked).map(([, of]) => of)));
    boxes.push([box, name]);
    line.append(box, text);
    node.append(line);
  }
  if (!options.length && none) node.append(h("span", "wb-hint", none));
  return { node, focus: boxes[0]?.[0] || node };
}
