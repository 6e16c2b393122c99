// @ts-nocheck
/* Part of Form and of DataSteps: the controls of a spec's fields, and settings in a few words. */
import { h, nextId, setText } from "../lib/dom.js";

/** @typedef {Record<string, any> & { name: string, label: string, kind: string }} Field */
/** @typedef {ReturnType<typeof fieldControl>} Control */

const sorted = (_, value) =>
  value && typeof value === "object" && !Array.isArray(value)
    ? Object.fromEntries(
        Object.keys(value)
          .sort()
          .map((key) => [key, value[key]]),
      )
    : value;
export const alike = (one, other) => JSON.stringify(one ?? null, sorted) === JSON.stringify(other ?? null, sorted);
const isEmpty = (value) =>
  value === null || value === undefined || value === "" || value === 0 || (typeof value === "object" && !sizeOf(value));
export const short = (value) =>
  Number(Number(value).toPrecision(6)).toLocaleString("en-US", { maximumFractionDigits: 6 });

/** A setting as words: 'tokens ≤ 512', 'keep first', 'without repeated'. */
function settingWords(field, value) {
  const name = field.label.toLowerCase();
  if (field.kind === "flag") return value ? name : `without ${name}`;
  if (field.kind === "number" && field.limit) return `${name} ${field.limit === "min" ? "≥" : "≤"} ${short(value)}`;
  if (field.kind === "shares") {
    return `${name} ${Object.entries(value)
      .map(([one, share]) => `${one} × ${short(share)}`)
      .join(", ")}`;
  }
  if (field.kind === "data" || field.kind === "pairs" || field.kind === "weights") return `${name}: ${sizeOf(value)}`;
  const text = Array.isArray(value)
    ? value.join(", ")
    : field.kind === "number"
      ? short(value)
      : (field.labels[value] ?? String(value));
  return `${name} ${text.length > 48 ? `${text.slice(0, 47)}…` : text}`;
}

const sizeOf = (value) => (Array.isArray(value) ? value.length : Object.keys(value || {}).length);

/** What is set otherwise than usual; when nothing is, the first settings as they come. */
export function shortSettings(info, step) {
  const set = ({ name, default: usual }) => step[name] !== undefined && !alike(step[name], usual);
  const given = info.fields.filter(set);
  const usual = info.fields.filter((field) => field.kind !== "flag" && !isEmpty(field.default));
  const shown = given.length ? given.slice(0, 5) : usual.slice(0, 2);
  const words = shown.map((field) => settingWords(field, step[field.name] ?? field.default));
  if (given.length > 5) words.push(`${given.length - 5} more`);
  return words.join(" · ");
}

/** The fields' controls in columns. */
export function grid(controls) {
  const node = h("div", "wb-fields");
  node.append(...controls.map((one) => one.node));
  return node;
}

/** Whether a setting has an effect beside the others that `values` holds. */
function applies({ shown_if: wanted }, fields, values) {
  return Object.entries(wanted || {}).every(([name, accepted]) => {
    const value = values[name] ?? fields.find((one) => one.name === name)?.default;
    return [accepted].flat().includes(value);
  });
}

/**
 * The controls of the settings that `values` holds: advanced ones are folded away under `more`, by their groups (those of none first); those
 * without effect are hidden. `fold` remembers whether it is open. Returns {nodes, update()}; update looks at the values.
 */
export function layout(fields, controls, values, fold = {}, more = "More settings") {
  const summary = h("summary"),
    folded = h("details", "wb-form-more");
  const main = controls.filter((_, index) => !fields[index].advanced),
    rest = controls.filter((_, index) => fields[index].advanced);
  const groupOf = (one) => fields[controls.indexOf(one)].group;
  folded.open = Boolean(fold.open);
  folded.addEventListener("toggle", () => {
    fold.open = folded.open;
  });
  folded.append(summary);
  for (const title of [...new Set(rest.map(groupOf))].sort((one, other) => Boolean(one) - Boolean(other))) {
    if (title) folded.append(h("div", "wb-field-group", title));
    folded.append(grid(rest.filter((one) => groupOf(one) === title)));
  }

  function update() {
    controls.forEach((one, index) => {
      one.node.hidden = !applies(fields[index], fields, values);
    });
    const count = fields.filter((one) => one.advanced && isAnyChanged(one, values[one.name])).length;
    setText(summary, more + (count ? ` · ${count} changed` : ""));
  }

  update();
  return { nodes: [grid(main), ...(rest.length ? [folded] : [])], update };
}

/** Whether a setting, or one within it, is set otherwise than usual; what has to be set has nothing usual. */
function isChanged(field, value) {
  if (value === undefined) return false;
  if (field.kind === "group") return field.fields.some((inner) => isChanged(inner, value[inner.name]));
  if (field.kind === "method") return (value?.method ?? value) !== usualMethod(field);
  return !field.required && !alike(value, field.default);
}

/** What a setting is when nobody sets it, as words. */
function defaultWords(field) {
  const usual = field.default;
  if (field.kind === "method") return field.methods.find((one) => one.method === usualMethod(field))?.title ?? "";
  if (field.kind === "flag") return usual ? "on" : "off";
  if (field.kind === "number" && usual !== null) return short(usual);
  if (field.labels[usual]) return field.labels[usual];
  if (isEmpty(usual)) return "empty";
  const text = Array.isArray(usual)
    ? usual.join(", ")
    : typeof usual === "object"
      ? JSON.stringify(usual)
      : String(usual);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

function resetButton(text, name, reset) {
  const node = Object.assign(h("button", "wb-field-reset", text), { type: "button", title: name, hidden: true });
  node.setAttribute("aria-label", name);
  node.addEventListener("click", reset);
  return node;
}

/**
 * The control of one setting of `step`. `shelf()` gives the lists things are chosen from: {datasets, models} for a step,
 * {name: [[label, value, tag?], …]} for a form; `changed()` is called after every change; `kept` holds what was set of
 * methods not chosen, by field. What differs from its default is marked, and has a button that resets it.
 * Returns {node, name, say(text), tell(path, text), hush(), refresh(), reset(forget)}: say shows what is wrong with it, ''
 * for nothing; tell adds to that, or to the setting within it that a path leads to, and returns what to look at; hush
 * takes all of that back; refresh looks at the lists; reset takes the default without calling `changed`, of a method
 * with what was set of it unless `forget`.
 */
export function fieldControl(field, step, shelf, changed, kept = {}) {
  const node = h("div", `wb-field is-${field.kind}`),
    line = h("div", "wb-field-line");
  const wrong = h("small", "wb-field-wrong"),
    id = nextId();
  const back = resetButton(
    field.kind === "group" ? "Reset all" : "↺",
    `Reset ${field.label} to its default${field.kind === "group" ? "s" : `: ${defaultWords(field)}`}`,
    () => {
      reset();
      changed();
      made.focus.focus();
    },
  );
  let made = null;
  node.dataset.field = field.name;
  wrong.id = `${id}-wrong`;

  function mark() {
    const differs = isChanged(field, step[field.name]);
    node.classList.toggle("is-changed", differs);
    back.hidden = !differs;
  }

  function touched() {
    mark();
    say(made.wrong?.() ?? ""); // what was wrong with it is said of a value it no longer has
    changed();
  }

  function set(value) {
    if (value === undefined || (alike(value, field.default) && !field.required)) delete step[field.name];
    else step[field.name] = value;
    touched();
  }

  function reset(forget = false) {
    const usual = field.kind === "method" && !forget ? kept[field.name]?.[usualMethod(field)] : null;
    if (usual && sizeOf(usual)) step[field.name] = { method: usualMethod(field), ...usual };
    else delete step[field.name];
    draw();
  }

  function draw() {
    const value = step[field.name] ?? field.default;
    made = CONTROLS[field.kind](field, value, set, shelf(), { step, shelf, changed: touched, kept });
    const label = h("label", "wb-field-label", field.label),
      help = h("small", "wb-hint", field.help);
    made.focus.id = id;
    label.htmlFor = id;
    help.id = `${id}-help`;
    help.hidden = !field.help;
    made.focus.setAttribute("aria-describedby", `${help.id} ${wrong.id}`);
    if (field.kind === "group") {
      label.id = `${id}-label`;
      made.focus.setAttribute("role", "group");
      made.focus.setAttribute("aria-labelledby", label.id);
      made.focus.tabIndex = -1;
    }
    if (field.kind === "flag") label.prepend(made.node);
    line.replaceChildren(label, back);
    const body = field.kind === "flag" ? [] : [made.node];
    const isAbove = ["method", "group"].includes(field.kind); // what it is for is read before its many settings
    node.replaceChildren(line, ...(isAbove ? [help, ...body] : [...body, help]), wrong);
    if (made.wrong) made.focus.addEventListener("input", () => say(made.wrong()));
    say("");
    mark();
  }

  function say(text) {
    wrong.hidden = !text;
    setText(wrong, text);
    made.focus.classList.toggle("is-bad", Boolean(text));
    made.focus.setAttribute("aria-invalid", String(Boolean(text)));
  }

  function tell(path, text) {
    const inner = made.inner?.().find((one) => one.name === path[0]);
    if (inner) return inner.tell(path.slice(1), text);
    say([wrong.textContent, text].filter(Boolean).join(" "));
    node.hidden = false;
    return made.focus;
  }

  function hush() {
    say("");
    made.inner?.().forEach((one) => one.hush());
  }

  draw();
  const refresh = () => {
    made.refresh?.();
    mark();
  };
  return { node, name: field.name, say, tell, hush, refresh, reset };
}

/**
 * The controls of the settings of a method, `own`, beneath what `head` holds; a button resets all of them.
 * Returns {node, controls}.
 */
export function settingsSection(fields, own, shelf, changed, head, title) {
  const node = h("div", "wb-field-section"),
    line = h("div", "wb-field-line"),
    body = h("div", "wb-field-section-body");
  const mark = () => {
    all.hidden = !fields.some((one) => !one.required && isAnyChanged(one, own[one.name]));
  };
  const touched = () => {
    mark();
    drawn.update();
    changed();
  };
  const controls = fields.map((one) => fieldControl(one, own, shelf, touched));
  const drawn = layout(fields, controls, own);
  const all = resetButton("Reset all", `Reset all settings of ${title}`, () => {
    controls.forEach((one, index) => {
      if (!fields[index].required) one.reset(true);
    });
    touched();
    body.querySelector("input, select, textarea, button")?.focus();
  });
  line.append(head, all);
  body.append(...drawn.nodes);
  node.append(line, body);
  mark();
  return { node, controls };
}

/** As `isChanged`, the settings of a method included. */
export function isAnyChanged(field, value) {
  if (isChanged(field, value)) return true;
  if (field.kind !== "method" || !value) return false;
  const method = field.methods.find((one) => one.method === (value.method ?? usualMethod(field)));
  return Boolean(method?.fields.some((inner) => isAnyChanged(inner, value[inner.name])));
}

/** What a number may be: 'A whole number from 1 to 512.' */
function withinWords({ low, high, whole, above, below }) {
  const bounds = [
    low === null ? "" : `${above ? "above" : "from"} ${low}`,
    high === null ? "" : `${below ? "below" : "to"} ${high}`,
  ];
  return `${["A", whole ? "whole" : "", "number", ...bounds].filter(Boolean).join(" ")}.`;
}

const CONTROLS = {
  flag(field, value, set) {
    const input = Object.assign(h("input"), { type: "checkbox", checked: Boolean(value) });
    input.addEventListener("change", () => set(input.checked));
    return { node: input, focus: input };
  },
  number(field, value, set) {
    const input = Object.assign(h("input", "wb-input is-number"), {
      type: "number",
      min: field.low ?? "",
      max: field.high ?? "",
      step: field.whole ? 1 : "any",
      value: value ?? "",
    });
    input.addEventListener("input", () => {
      if (input.validity.badInput)
        set("?"); // '1e' reads as empty, but is not meant as usual
      else set(input.value.trim() === "" ? undefined : Number(input.value));
    });
    return { node: input, focus: input, wrong: () => (input.validity.valid ? "" : withinWords(field)) };
  },
  choice(field, value, set) {
    const options = field.optional ? ["", ...field.choices] : field.choices;
    return dropdown(
      options.map((one) => [String(one ?? ""), field.labels[one] ?? String(one ?? "")]),
      value ?? "",
      (text) => set(field.choices.find((one) => String(one) === text) ?? null),
    );
  },
  ticks(field, value, set) {
    return ticks(
      field.choices.map((one) => [one, one]),
      value || [],
      set,
    );
  },
  text(field, value, set) {
    const long = String(value ?? "").length > 60 || String(value ?? "").includes("\n");
    const input = h(long ? "textarea" : "input", "wb-input");
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
    const input = Object.assign(h("input", "wb-input"), { type: "text", value: (value || []).join(", ") });
    const read = () =>
      input.value
        .split(/[\s,;]+/)
        .filter(Boolean)
        .map((one) => (Number.isNaN(Number(one)) ? one : Number(one)));
    input.addEventListener("input", () => set(read()));
    const wrong = () => (read().some((one) => typeof one === "string") ? "Numbers with commas between them." : "");
    return { node: input, focus: input, wrong };
  },
  pairs(field, value, set) {
    const written = field.kind === "weights" ? /^[^:]+:\s*[\d.]+\s*$/ : /^[^:]+:./;
    const lines = Object.entries(value || {}).map(([name, text]) => `${name}: ${text}`);
    const area = area_(
      lines.join("\n"),
      field.kind === "weights" ? "name: number, one a line" : "name: value, one a line",
    );
    area.addEventListener("input", () => {
      const lines = area.value.split("\n").filter((line) => line.trim());
      area.classList.toggle(
        "is-bad",
        lines.some((line) => !written.test(line)),
      );
      set(
        Object.fromEntries(
          lines
            .filter((line) => line.includes(":"))
            .map((line) => {
              const at = line.indexOf(":");
              const text = line.slice(at + 1).trim();
              return [line.slice(0, at).trim(), field.kind === "weights" && text !== "" ? Number(text) : text];
            }),
        ),
      );
    });
    return { node: area, focus: area };
  },
  shares(field, value, set, shelf) {
    const given = { ...(value || {}) };
    const names = [...new Set([...shelf.datasets.map(([name]) => name), ...Object.keys(given)])];
    const node = h("div", "wb-ticks");
    let first = null;
    for (const name of names) {
      const line = h("label"),
        box = Object.assign(h("input"), { type: "checkbox", checked: name in given });
      const share = Object.assign(h("input", "wb-input is-number"), {
        type: "number",
        min: 0,
        step: "any",
        value: given[name] ?? 1,
        disabled: !box.checked,
      });
      share.setAttribute("aria-label", `Weight of ${name}`);
      const tell = () => {
        share.disabled = !box.checked;
        if (box.checked) given[name] = Number(share.value);
        else delete given[name];
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
      try {
        set(area.value.trim() ? JSON.parse(area.value) : undefined);
      } catch {
        set(area.value);
      }
    });
    const wrong = () => {
      try {
        if (area.value.trim()) JSON.parse(area.value);
        return "";
      } catch (error) {
        return error.message;
      }
    };
    return { node: area, focus: area, wrong };
  },
  dataset(field, value, set, shelf) {
    const known = shelf.datasets.map(([name, kind]) => [name, `${name} · ${kind}`]);
    if (value && !known.some(([name]) => name === value)) known.push([value, `${value} · not in this list`]);
    const none = known.length ? "Choose a dataset" : "There is no other dataset";
    return dropdown([["", none], ...known], value || "", set);
  },
  datasets(field, value, set, shelf) {
    const known = shelf.datasets.map(([name, kind]) => [name, `${name} · ${kind}`]);
    for (const name of value || [])
      if (!known.some(([one]) => one === name)) known.push([name, `${name} · not in this list`]);
    return ticks(known, value || [], set, "There is no other dataset on the shelf.");
  },
  model(field, value, set, shelf) {
    const input = Object.assign(h("input", "wb-input"), { type: "text", value: value ?? "" });
    const list = Object.assign(h("datalist"), { id: nextId() });
    list.append(...shelf.models.map((name) => Object.assign(h("option"), { value: name })));
    input.setAttribute("list", list.id);
    input.placeholder = shelf.models.length ? "a model of the shelf" : "no models on the shelf yet";
    input.addEventListener("input", () => set(input.value.trim()));
    const node = h("span", "wb-field-with");
    node.append(input, list);
    return { node, focus: input };
  },
  one(field, value, set, _, { step, shelf }) {
    const node = h("span", "wb-field-with"),
      pick = h("select", "wb-input");
    const chosen = () => step[field.name] ?? field.default ?? "";
    const refresh = () =>
      offer(pick, [...known(field, shelf(), [chosen()]), ...writing(field)], chosen(), nothing(field, shelf()));
    const put = (name) => {
      set(name);
      refresh();
    };
    const writer = writerOf(field, pick, put);
    pick.addEventListener("change", () => {
      if (pick.value !== WRITE) return set(pick.value);
      refresh();
      return writer.open();
    });
    node.append(pick, writer.input);
    refresh();
    return { node, focus: pick, refresh };
  },
  several(field, value, set, _, { step, shelf }) {
    const node = h("div", "wb-form-several"),
      add = h("select", "wb-input");
    const chosen = () => [...(step[field.name] ?? field.default ?? [])];
    const put = (names) => {
      set(names);
      refresh();
    };
    const words = (left) =>
      left
        ? chosen().length
          ? "Add another"
          : "Choose"
        : chosen().length
          ? "All are chosen"
          : nothing(field, shelf());
    function refresh() {
      const options = known(field, shelf(), chosen());
      drawChips(chosen().map((name) => options.find(([, one]) => one === name)));
      const left = options.filter(([, one]) => !chosen().includes(one));
      offer(add, [...left, ...writing(field)], "", words(left.length));
      add.disabled = !left.length && !field.writable;
    }
    function drawChips(shown) {
      const key = JSON.stringify(shown);
      if (node.dataset.key === key) return;
      node.dataset.key = key;
      for (const old of node.querySelectorAll(".wb-form-chip")) old.remove();
      node.prepend(
        ...shown.map(([text, name]) =>
          chip(text, () => {
            put(chosen().filter((one) => one !== name));
            add.focus();
          }),
        ),
      );
    }
    // With the arrow keys a closed list changes at every press: what is passed on the way is not meant.
    let byKey = false;
    const take = () => {
      byKey = false;
      if (add.value === WRITE) {
        add.value = "";
        writer.open();
      } else if (add.value) put([...chosen(), add.value]);
    };
    const writer = writerOf(field, add, (name) => put([...chosen(), name]));
    add.addEventListener("pointerdown", () => {
      byKey = false;
    });
    add.addEventListener("keydown", ({ key }) => {
      if (key === "Enter") take();
      else byKey = key !== "Tab";
    });
    add.addEventListener("change", () => {
      if (!byKey) take();
    });
    add.addEventListener("blur", () => {
      if (add.value !== WRITE) take();
    });
    node.append(add, writer.input);
    refresh();
    return { node, focus: add, refresh };
  },
  method(field, value, set, _, context) {
    const node = h("div", "wb-form-method"),
      pick = h("select", "wb-input"),
      body = h("div", "wb-form-methods");
    const { step, shelf, changed } = context,
      kept = (context.kept[field.name] ||= {});
    const current = () => step[field.name]?.method ?? usualMethod(field);
    let shown = "",
      controls = [];
    function fill() {
      const method = field.methods.find((one) => one.method === current());
      shown = current();
      controls = [];
      if (!method) {
        body.replaceChildren();
        return;
      }
      const own = (kept[shown] = { ...(step[field.name] || {}) });
      delete own.method;
      const tell = () => {
        step[field.name] = { method: method.method, ...own };
        changed();
      };
      const why = method.unavailable ? h("div", "wb-note is-warning", method.unavailable) : null;
      const section = settingsSection(
        method.fields,
        own,
        shelf,
        tell,
        h("div", "wb-hint", method.summary),
        method.title,
      );
      controls = section.controls;
      body.replaceChildren(...[why].filter(Boolean), section.node);
    }
    function refresh() {
      const fits = fitting(field, step, shelf());
      const [good, other] = [true, false].map((wanted) => field.methods.filter((one) => fits(one.method) === wanted));
      offer(
        pick,
        [...good, ...other].map((one) => [methodWords(field, one, fits), one.method]),
        current(),
      );
      if (shown !== current()) fill();
    }
    pick.addEventListener("change", () => {
      step[field.name] = { method: pick.value, ...(kept[pick.value] || {}) };
      fill();
      changed();
    });
    node.append(pick, body);
    refresh();
    return { node, focus: pick, refresh, inner: () => controls };
  },
  group(field, value, set, _, { step, shelf, changed }) {
    const own = { ...(step[field.name] || {}) };
    const tell = () => {
      if (Object.keys(own).length) step[field.name] = own;
      else delete step[field.name];
      drawn.update();
      changed();
    };
    const controls = field.fields.map((one) => fieldControl(one, own, shelf, tell));
    const drawn = layout(field.fields, controls, own);
    const node = h("div", "wb-field-section-body");
    node.append(...drawn.nodes);
    return { node, focus: node, inner: () => controls };
  },
  yaml(field, value, set) {
    const area = area_(value || "", "YAML");
    area.rows = 9;
    area.addEventListener("input", () => set(area.value));
    return { node: area, focus: area };
  },
};

/** The options of a list, and what is chosen without being among them. */
function known(field, lists, chosen) {
  const options = [...(lists[field.list] || [])];
  for (const name of chosen.filter(Boolean)) {
    if (!options.some(([, one]) => one === name)) {
      options.push([lists[field.list] && !field.writable ? `${name} · not in this list` : name, name]);
    }
  }
  return options;
}

/** The value of the entry by which what no list has is written, such as BASE+ADAPTER or a hub id. */
const WRITE = "\u0000write";

const writing = (field) => (field.writable ? [["Write it…", WRITE]] : []);

/** A text field in a list's place: what is written there is put like a choice; Escape leaves things as they were. */
function writerOf(field, list, put) {
  const input = Object.assign(h("input", "wb-input"), { type: "text", hidden: true, spellcheck: false });
  input.placeholder = field.accepted;
  input.setAttribute("aria-label", `${field.label}: ${field.accepted}`);
  const close = (isMeant) => {
    if (input.hidden) return;
    input.hidden = true;
    list.hidden = false;
    const text = input.value.trim();
    if (isMeant && text) put(text);
  };
  input.addEventListener("keydown", ({ key }) => {
    if (key !== "Enter" && key !== "Escape") return;
    close(key === "Enter");
    list.focus();
  });
  input.addEventListener("blur", () => close(true));
  const open = () => {
    input.value = "";
    input.hidden = false;
    list.hidden = true;
    input.focus();
  };
  return { input, open };
}

/** What an empty choice says; null when the list has an entry for it, or the first is taken anyway. */
function nothing(field, lists) {
  const options = lists[field.list] || [];
  if (options.some(([, one]) => one === "") || (field.first && options.length)) return null;
  if (!field.required && !field.many) return "none";
  return options.length ? "Choose" : lists[field.list] ? "There is none yet" : "…";
}

/** Fills a select when its options changed; `blank` is the text of the empty choice. */
function offer(node, options, value, blank = null) {
  const wanted = [...(blank === null ? [] : [[blank, ""]]), ...options].map(([text, name]) => [text, name]);
  const key = JSON.stringify(wanted);
  if (node.dataset.key !== key) {
    node.dataset.key = key;
    node.replaceChildren(...wanted.map(([text, name]) => Object.assign(h("option", "", text), { value: name })));
  }
  node.value = value ?? "";
}

function chip(text, remove) {
  const node = h("span", "wb-form-chip"),
    cross = h("button", "", "✕");
  Object.assign(cross, { type: "button", title: `Remove ${text}` });
  cross.setAttribute("aria-label", `Remove ${text}`);
  cross.addEventListener("click", remove);
  node.append(h("span", "", text), cross);
  return node;
}

export const usualMethod = (field) => field.default?.method ?? field.default ?? field.methods[0].method;

/** Whether a method can work on what is chosen in the field it depends on. */
export function fitting(field, step, lists) {
  const { fits } = field,
    chosen = fits && (lists[fits.list] || []).find(([, name]) => name === step[fits.field]);
  return (method) => !chosen?.[2] || fits.tags[method].includes(chosen[2]);
}

function methodWords(field, { method, title, unavailable }, fits) {
  const of = fits(method) ? "" : ` (for ${field.fits.tags[method].join(" or ")} rows)`;
  return `${title}${unavailable ? " (not here)" : ""}${of}`;
}

CONTROLS.weights = CONTROLS.pairs;

function area_(text, placeholder) {
  return Object.assign(h("textarea", "wb-input"), { rows: 3, value: text, placeholder, spellcheck: false });
}

export function dropdown(options, value, set) {
  const node = h("select", "wb-input");
  node.append(...options.map(([name, text]) => Object.assign(h("option", "", text || "–"), { value: name })));
  node.value = String(value);
  node.addEventListener("change", () => set(node.value));
  return { node, focus: node };
}

function ticks(options, value, set, none = "") {
  const node = h("div", "wb-ticks"),
    boxes = [];
  for (const [name, text] of options) {
    const line = h("label"),
      box = Object.assign(h("input"), { type: "checkbox", checked: value.includes(name) });
    box.addEventListener("change", () => set(boxes.filter(([one]) => one.checked).map(([, of]) => of)));
    boxes.push([box, name]);
    line.append(box, text);
    node.append(line);
  }
  if (!options.length && none) node.append(h("span", "wb-hint", none));
  return { node, focus: boxes[0]?.[0] || node };
}
