// @ts-nocheck
/* js_on_load of Ladder, after its part `fields`: every quantizer a row with what it would make of the chosen model, to be ticked.
   props: value ({model, quantizers: [{method, type?, …settings}]}), catalogue ({groups, rungs, methods, presets}), empty.
   server.estimates({model, settings}) tells sizes; server.fit({model, gigabytes, settings}) which rung fits. */
import { settingsSection } from "../forms/fields.js";
import { button, emptyState, h, setText } from "../lib/dom.js";
import { unreachedText } from "../lib/login.js";

export function mount({ element, props, server, watch }) {
  const root = element.querySelector(".wb-ladder");
  const { groups, rungs, methods, presets } = props.catalogue;
  const byKey = new Map(rungs.map((rung) => [rung.key, rung]));

  const state = {
    model: "",
    chosen: new Set(),
    settings: remembered(props.value?.quantizers || []),
    found: null,
    all: false,
  };
  let sent = "",
    timer = 0,
    asked = 0;

  const ui = build();
  const rows = new Map(rungs.map((rung) => [rung.key, row(rung)]));
  const blocks = Object.keys(methods)
    .filter((name) => methods[name].fields.length)
    .map(block);
  fillTable();

  /* ---- the frame ----------------------------------------------------------------------------------------- */

  function build() {
    const ui = { empty: h("div"), body: h("div", "wb-ladder-body"), table: h("table", "wb-table wb-ladder-table") };
    ui.summary = h("span", "wb-ladder-summary");
    ui.summary.setAttribute("role", "status");
    ui.problem = h("div", "wb-note is-error");
    ui.settings = h("details", "wb-log wb-ladder-settings");
    ui.blocks = h("div", "wb-ladder-blocks");
    ui.settings.append(h("summary", "", "Settings"), ui.blocks);
    const box = h("div", "wb-table-box");
    box.append(ui.table);
    ui.body.append(presetRow(ui), ui.problem, box, ui.summary, ui.settings);
    ui.empty.append(emptyState(props.empty));
    root.append(ui.empty, ui.body);
    ui.empty.hidden = ui.problem.hidden = ui.body.hidden = true;
    return ui;
  }

  function presetRow(ui) {
    const node = h("div", "wb-ladder-presets");
    for (const { title, keys, help } of presets) {
      node.append(button("wb-button", title, () => take(keys.filter(usable)), help));
    }
    ui.memory = Object.assign(h("input", "wb-input is-number"), {
      type: "number",
      min: 0.05,
      step: "any",
      value: 4,
    });
    ui.memory.setAttribute("aria-label", "Gigabytes to fit into");
    ui.memory.addEventListener("keydown", (event) => {
      if (event.key === "Enter") fit();
    });
    const fitting = h("span", "wb-ladder-fit");
    fitting.append(
      button("wb-button", "Fit into", fit, "The best that fits into this much memory, context included."),
      ui.memory,
      h("span", "wb-hint", "GB"),
    );
    ui.fitted = h("div", "wb-hint wb-ladder-fitted");
    node.append(
      fitting,
      button("wb-link", "None", () => take([])),
      ui.fitted,
    );
    return node;
  }

  function fillTable() {
    const head = h("thead"),
      line = h("tr");
    for (const [title, kind] of [
      ["Chosen", "wb-ladder-tick"],
      ["Quantizer", ""],
      ["Size", "is-number"],
      ["Bits", "is-number"],
      ["Notes", ""],
    ]) {
      const cell = h("th", kind);
      cell.append(h("span", kind === "wb-ladder-tick" ? "wb-only-read" : "", title));
      line.append(cell);
    }
    head.append(line);
    ui.table.append(head);
    for (const { id, title, note } of groups) {
      const own = rungs.filter((rung) => rung.group === id),
        body = h("tbody");
      if (!own.length) continue;
      const heading = h("tr", "wb-ladder-group"),
        cell = h("th");
      cell.colSpan = 5;
      cell.append(h("b", "", title), h("span", "", note));
      heading.append(cell);
      body.append(heading, ...own.map((rung) => rows.get(rung.key).node));
      if (own.some((rung) => rung.more)) body.append(moreRow(own.filter((rung) => rung.more)));
      ui.table.append(body);
    }
  }

  /** Shows what is seldom wanted. */
  function moreRow(folded) {
    const node = h("tr", "wb-ladder-more"),
      cell = h("td"),
      names = folded.map((rung) => rung.name).join(", ");
    cell.colSpan = 5;
    cell.append(
      button("wb-link", `${folded.length} more: ${names}`, () => {
        state.all = true;
        sync();
      }),
    );
    node.append(cell);
    return node;
  }

  /** One quantizer: a tick, its name and what it is, then what it would make. */
  function row(rung) {
    const node = h("tr", "wb-ladder-row"),
      tick = Object.assign(h("input"), { type: "checkbox" });
    const name = h("td", "wb-ladder-name"),
      label = h("label"),
      cells = {};
    tick.setAttribute("aria-label", rung.name);
    tick.addEventListener("change", () => {
      choose(rung.key, tick.checked);
    });
    const what = h("span", "", rung.what);
    what.title = rung.what;
    label.append(h("b", "", rung.name), what);
    name.append(label);
    const first = h("td", "wb-ladder-tick");
    first.append(tick);
    node.append(first, name);
    for (const part of ["size", "bits"]) node.append((cells[part] = h("td", "is-number")));
    cells.size.append((cells.words = h("span")), (cells.bar = h("i", "wb-ladder-bar")));
    const notes = h("td", "wb-ladder-notes");
    notes.append((cells.told = h("span")));
    node.append(notes);
    node.addEventListener("click", (event) => {
      if (event.target === tick || tick.disabled || event.target.closest("summary") || String(getSelection())) return;
      choose(rung.key, !tick.checked);
    });
    return { node, tick, cells, rung };
  }

  /* ---- settings of the methods chosen -------------------------------------------------------------------- */

  function block(name) {
    const { title, fields } = methods[name],
      node = h("div", "wb-ladder-block"),
      own = (state.settings[name] ||= {});
    const changed = () => {
      publish();
      ask();
    };
    node.append(settingsSection(fields, own, () => ({}), changed, h("h3", "wb-h", title), title).node);
    return { name, node };
  }

  /* ---- choosing ------------------------------------------------------------------------------------------ */

  const usable = (key) => byKey.has(key) && !reason(byKey.get(key));
  const reason = (rung) => rung.unavailable || state.found?.rows[rung.key]?.problem || "";

  function choose(key, on) {
    if (on) state.chosen.add(key);
    else state.chosen.delete(key);
    publish();
    sync();
  }

  function take(keys) {
    state.chosen = new Set(keys);
    setText(ui.fitted, "");
    publish();
    sync();
  }

  async function fit() {
    const gigabytes = Number(ui.memory.value);
    if (!(gigabytes > 0)) {
      ui.memory.focus();
      return;
    }
    const reply = await server.fit({ model: state.model, gigabytes, settings: state.settings }).catch(() => null);
    if (reply?.keys) take(reply.keys.filter(usable));
    setText(ui.fitted, reply?.text || reply?.error || unreachedText());
  }

  function quantizers() {
    return rungs
      .filter((rung) => state.chosen.has(rung.key))
      .map((rung) => ({ ...rung.given, ...state.settings[rung.given.method] }));
  }

  function publish() {
    sent = JSON.stringify({ model: state.model, quantizers: quantizers() });
    props.value = JSON.parse(sent);
  }

  /* ---- what each would make ------------------------------------------------------------------------------ */

  function ask() {
    clearTimeout(timer);
    timer = setTimeout(estimate, 80);
  }

  async function estimate() {
    const mine = ++asked,
      { model } = state;
    delete root.dataset.model;
    root.classList.toggle("is-waiting", true);
    const reply = await server.estimates({ model, settings: state.settings }).catch(() => null);
    if (mine !== asked) return;
    ui.empty.hidden = Boolean(model) || reply?.waiting !== false;
    root.classList.toggle("is-waiting", false);
    ui.problem.hidden = Boolean(reply && !reply.error);
    setText(ui.problem, reply ? reply.error || "" : unreachedText());
    state.found = reply?.rows ? reply : null;
    for (const key of [...state.chosen]) if (state.found && !usable(key)) state.chosen.delete(key);
    if (state.found) root.dataset.model = model;
    if (model) publish();
    sync();
  }

  function size(bytes) {
    for (const unit of ["B", "kB", "MB", "GB"]) {
      if (bytes < 1000) return `${bytes < 10 && unit !== "B" ? bytes.toFixed(1) : Math.round(bytes)} ${unit}`;
      bytes /= 1000;
    }
    return `${bytes.toFixed(1)} TB`;
  }

  function syncRow({ node, tick, cells, rung }) {
    const found = state.found?.rows[rung.key] || {},
      why = reason(rung);
    tick.disabled = Boolean(why);
    tick.checked = state.chosen.has(rung.key);
    node.classList.toggle("is-off", Boolean(why));
    node.hidden = Boolean(rung.more) && !state.all && !tick.checked;
    node.classList.toggle("is-chosen", tick.checked);
    const known = !why && found.bytes > 0;
    setText(cells.words, known ? size(found.bytes) : "–");
    cells.bar.hidden = !known;
    cells.bar.style.setProperty("--part", Math.min(1, known ? found.bytes / state.found.bytes : 0));
    setText(cells.bits, known && found.bits ? found.bits.toFixed(found.bits < 10 ? 2 : 1) : "–");
    setText(cells.told, why || (found.notes || []).join(" "));
    cells.told.title = cells.told.textContent;
  }

  function sync() {
    ui.body.hidden = !state.model;
    rows.forEach(syncRow);
    ui.table.querySelectorAll(".wb-ladder-more").forEach((node) => {
      node.hidden = state.all;
    });
    const chosen = rungs.filter((rung) => state.chosen.has(rung.key));
    const together = chosen.reduce((sum, rung) => sum + (state.found?.rows[rung.key]?.bytes || 0), 0);
    const original = state.found ? `${state.model} itself: ${state.found.words}` : "";
    const picked = chosen.length ? `${chosen.length} chosen, ${size(together)} together` : "None chosen";
    setText(ui.summary, [picked, original].filter(Boolean).join(" · "));
    const shown = blocks.filter((one) => chosen.some((rung) => rung.given.method === one.name));
    ui.settings.hidden = !shown.length;
    if (ui.blocks.childElementCount !== shown.length || shown.some((one) => !one.node.isConnected)) {
      ui.blocks.replaceChildren(...shown.map((one) => one.node));
    }
  }

  /* ---- coming and going ---------------------------------------------------------------------------------- */

  /** The rung of a quantizer as it is given to the job; undefined if there is none. */
  function rungOf(quantizer) {
    return rungs.find(({ given }) => Object.entries(given).every(([name, value]) => quantizer[name] === value));
  }

  /** The settings that were changed before the tab was left, by method. */
  function remembered(quantizers) {
    const kept = {};
    for (const quantizer of quantizers) {
      const { given } = rungOf(quantizer) || { given: quantizer };
      const own = Object.entries(quantizer).filter(([name]) => !(name in given));
      Object.assign((kept[quantizer.method] ||= {}), Object.fromEntries(own));
    }
    return kept;
  }

  /** Take over a value from Python or from before the tab was left. */
  function begin(value) {
    if (value.quantizers)
      state.chosen = new Set(
        value.quantizers
          .map(rungOf)
          .filter(Boolean)
          .map((rung) => rung.key),
      );
    else if (!state.chosen.size) state.chosen = new Set(presets[0]?.keys || []);
    if (value.model === state.model && state.found) {
      sync();
      return;
    }
    state.model = value.model || "";
    state.found = null;
    sync();
    ask();
  }

  begin(props.value || {});
  watch("value", () => {
    if (props.value && JSON.stringify(props.value) !== sent) begin(props.value);
  });
}
