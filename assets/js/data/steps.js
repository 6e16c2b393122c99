// @ts-nocheck
/* js_on_load of the recipe of a dataset, after its parts (fields, data_texts, data_touched, data_menu, data_recipe,
   data_step_row). props: value ({dataset, drafts: {name: steps}, job}), catalogue ({groups, steps}), empty.
   server.load tells the recipe and what its steps did, check what is wrong with a draft; apply and save start jobs. */
import { alike } from "../forms/settings.js";
import { button, emptyState, h, setText } from "../lib/dom.js";
import { unreachedText } from "../lib/login.js";
import { poll } from "../lib/polling.js";
import { recipeText, saveAs } from "./recipe_text.js";
import { stepMenu } from "./step_menu.js";
import { sentence, stepRow } from "./step_row.js";

export function mount({ element, props, server, trigger, watch }) {
  const root = element.querySelector(".wb-data-steps");
  const catalogue = props.catalogue;

  const state = { dataset: "", drafts: {}, base: null, draft: [], problems: [], busy: "", job: "" };
  const views = new Map();
  let sent = "",
    timer = 0,
    asked = 0,
    looked = 0;

  const menu = stepMenu(catalogue, add);
  const yaml = recipeText(readYaml),
    copyOf = saveAs(saveCopy);
  const ui = build();
  const poke = poll(root, refresh);

  /* ---- the frame ----------------------------------------------------------------------------------------- */

  function build() {
    const ui = { empty: h("div"), body: h("div", "wb-builder-body wb-ds"), list: h("ol", "wb-ds-list") };
    ui.bar = h("div", "wb-ds-bar");
    ui.said = h("span", "wb-ds-said");
    ui.said.setAttribute("role", "status");
    ui.problem = h("div", "wb-note is-error");
    ui.none = h(
      "div",
      "wb-ds-none",
      "No steps yet: the rows are as they were read. Add one, such as exact duplicates.",
    );
    ui.undo = button("wb-button", "Undo", undo, "Back to the steps there were before the last change");
    ui.discard = button("wb-button", "Discard", discard, "Back to the steps as they are applied");
    ui.apply = button("wb-button is-primary", "Apply", apply, "Make the dataset anew with these steps");
    ui.apply.id = "apply-steps";
    ui.bar.append(menu.button, ui.said, ui.undo, ui.discard, ui.apply);
    ui.body.append(ui.bar, menu.node, ui.problem, ui.none, ui.list, yaml.node, copyOf.node);
    ui.empty.append(emptyState(props.empty));
    root.append(ui.empty, ui.body);
    ui.empty.hidden = ui.problem.hidden = ui.body.hidden = true;
    return ui;
  }

  /* ---- the recipe as it is ------------------------------------------------------------------------------- */

  /** The server's answer; {error} when it could not be reached. */
  async function ask(name, query) {
    const reply = await server[name]({ dataset: state.dataset, ...query }).catch(() => null);
    return reply || { error: unreachedText() };
  }

  async function refresh() {
    if (state.busy) return 500;
    const { dataset } = state,
      mine = ++looked,
      reply = await ask("load", { seen: state.base?.mark || "" });
    if (dataset !== state.dataset || mine !== looked || state.busy) return 300;
    if (reply.error) {
      fail(reply.error);
      return 4000;
    }
    if (!dataset) {
      ui.empty.hidden = reply.waiting !== false;
      return 2000;
    }
    ui.empty.hidden = true;
    if (reply.name) take(reply);
    else if (state.base) {
      state.base.running = reply.running;
      draw();
    }
    return reply.running ? 700 : 2500;
  }

  function fail(text) {
    ui.problem.hidden = !text;
    setText(ui.problem, text);
  }

  /** Takes over the recipe as it is applied; steps changed here but not applied stay as they are, save edits by hand made
   *  since: those are never taken back by a draft begun before them. */
  function take(base) {
    const kept = state.base ? dirty() : Boolean(state.drafts[base.name]);
    let draft = state.base ? state.draft : clone(state.drafts[base.name] || []);
    if (kept && state.base && !alike(hand(state.base.applied), hand(base.applied))) {
      draft = [...draft.filter((one) => one.method !== "edit_rows"), ...clone(hand(base.applied))];
    }
    state.base = base;
    root.dataset.mark = base.mark;
    state.draft = kept && !alike(draft, base.applied) ? draft : adopt(base.applied);
    fail("");
    menu.suit(base.kind);
    copyOf.suggest(base.copy);
    yaml.show(dirty() ? "" : base.yaml, base.name);
    publish();
    draw();
    if (dirty()) check();
    else state.problems = [];
  }

  /** The applied steps; those that differ at most in restored rows stay the objects they are, with all that is open. */
  function adopt(steps) {
    const bare = ({ restored, ...rest }) => rest;
    return steps.map((step, place) => {
      const old = state.draft[place];
      if (!old || !alike(bare(old), bare(step))) return clone(step);
      if (step.restored) old.restored = clone(step.restored);
      else delete old.restored;
      return old;
    });
  }

  const clone = (value) => JSON.parse(JSON.stringify(value));
  const dirty = () => Boolean(state.base) && !alike(state.draft, state.base.applied);
  const hand = (steps) => steps.filter((one) => one.method === "edit_rows");
  const infoOf = (step) => catalogue.steps[step.method];

  function publish() {
    if (dirty()) state.drafts[state.dataset] = clone(state.draft);
    else delete state.drafts[state.dataset];
    sent = JSON.stringify({ dataset: state.dataset, drafts: state.drafts, job: state.job });
    props.value = JSON.parse(sent);
  }

  /* ---- drawing ------------------------------------------------------------------------------------------- */

  function draw() {
    ui.body.hidden = !state.base;
    if (!state.base) return;
    const rows = state.draft.map(viewOf),
      { report, applied, failed, running } = state.base;
    const broke = failed && dirty() && alike(failed.steps, state.draft) ? [failed.problem] : [];
    const problems = [...state.problems, ...broke];
    const others = [...applied];
    let settled = true;
    rows.forEach((row, place) => {
      settled = settled && alike(row.step, applied[place]);
      const at = others.findIndex((one) => alike(one, row.step)),
        known = at >= 0;
      if (known) others.splice(at, 1);
      row.draw({
        place,
        last: place === rows.length - 1,
        done: settled ? report[place] || null : null,
        state: known ? "again" : "unsaved",
        problems: problems.filter((one) => one.step === place + 1),
      });
    });
    const nodes = rows.map((row) => row.node);
    if (nodes.length !== ui.list.childElementCount || nodes.some((node, place) => ui.list.children[place] !== node)) {
      ui.list.replaceChildren(...nodes);
    }
    ui.none.hidden = Boolean(rows.length);
    const loose = problems.filter((one) => !one.step || one.step > rows.length);
    fail(loose.map((one) => [one.field, sentence(one)].filter(Boolean).join(": ")).join("\n"));
    drawBar(running, problems.length);
  }

  function drawBar(running, problems) {
    const unsaved = dirty(),
      busy = Boolean(state.busy || running);
    ui.bar.classList.toggle("is-unsaved", unsaved && !busy);
    root.classList.toggle("is-busy", busy);
    root.dataset.state = busy ? "busy" : unsaved ? "unsaved" : "applied";
    const wrong = problems ? `${problems} to put right` : "not applied yet";
    const { train = 0, eval: held = 0 } = state.base.rows || {};
    const rows = `${train.toLocaleString("en-US")} train${held ? ` + ${held.toLocaleString("en-US")} eval` : ""} rows`;
    setText(ui.said, state.busy || (running ? running.text : unsaved ? `Changed, ${wrong}` : `${rows}, all applied`));
    ui.said.classList.toggle("is-running", busy);
    ui.apply.disabled = busy || !unsaved;
    ui.discard.disabled = busy || !unsaved;
    ui.undo.disabled = busy || unsaved || !state.base.undo;
    ui.undo.title = unsaved
      ? "Apply or discard first"
      : state.base.undo
        ? `Back to the steps before the last change (${state.base.undo} kept)`
        : "Nothing was changed yet";
  }

  function viewOf(step) {
    const known = views.get(step);
    if (known) return known;
    const place = () => state.draft.indexOf(step),
      key = () => state.base.report[place()]?.key;
    const unknown = { title: step.method, summary: "This workbench has no such step.", fields: [], kinds: [] };
    const view = stepRow(step, infoOf(step) || unknown, {
      move: (by) => move(step, by),
      remove: () => remove(step),
      changed: () => {
        changed();
      },
      lists: () => state.base.lists,
      ask: (what, start, count) => ask("touched", { step: place() + 1, what, start, count, key: key() }),
      restore: (ids, back) => restore(step, ids, back),
    });
    views.set(step, view);
    return view;
  }

  /* ---- changing it --------------------------------------------------------------------------------------- */

  function changed() {
    publish();
    draw();
    clearTimeout(timer);
    timer = setTimeout(check, 250);
  }

  async function check() {
    const mine = ++asked,
      draft = clone(state.draft);
    const reply = await ask("check", { steps: draft });
    if (mine !== asked || !alike(draft, state.draft)) return;
    const found = reply.error ? [{ step: 0, field: "", message: reply.error, remedy: "" }] : reply.problems;
    state.problems = reply.error || dirty() ? found : [];
    yaml.show(reply.yaml, state.dataset);
    draw();
  }

  function add(method) {
    const step = { method };
    for (const field of catalogue.steps[method].fields) if (field.required) step[field.name] = firstValue(field);
    state.draft.push(step);
    changed();
    const view = viewOf(step);
    view.head.click();
    view.head.focus();
    view.node.scrollIntoView({ block: "nearest" });
  }

  /** What a setting without a usual value begins with. */
  function firstValue(field) {
    if (field.kind === "number") return field.low ?? 0;
    if (field.kind === "choice") return field.choices[0];
    const first = state.base.lists[field.list]?.[0]?.[1] ?? "";
    return (
      { flag: false, data: field.many ? [] : {}, pairs: {}, weights: {}, shares: {}, one: first }[field.kind] ??
      (["ticks", "lines", "numbers", "several"].includes(field.kind) ? [] : "")
    );
  }

  function move(step, by) {
    const from = state.draft.indexOf(step),
      to = from + by,
      held = document.activeElement;
    if (to < 0 || to >= state.draft.length) return;
    state.draft.splice(to, 0, ...state.draft.splice(from, 1));
    changed();
    const view = viewOf(step),
      wanted = view.node.contains(held) && !held.disabled ? held : by < 0 ? view.down : view.up;
    wanted.focus();
    setText(ui.said, `${view.info.title} is step ${to + 1} now, not applied yet`);
  }

  function remove(step) {
    const place = state.draft.indexOf(step);
    state.draft.splice(place, 1);
    views.delete(step);
    changed();
    const next = state.draft[Math.min(place, state.draft.length - 1)];
    (next ? viewOf(next).head : menu.button).focus();
    setText(ui.said, "Taken out, not applied yet");
  }

  function discard() {
    state.draft = clone(state.base.applied);
    state.problems = [];
    views.clear();
    yaml.show(state.base.yaml, state.dataset);
    publish();
    draw();
    menu.button.focus();
  }

  /** Does something on the server while everything else waits; resolves to the error in words or ''. */
  async function busy(words, name, query) {
    state.busy = words;
    looked++;
    draw();
    const reply = await ask(name, query);
    state.busy = "";
    if (reply.name && reply.applied) take(reply);
    if (reply.problems) state.problems = reply.problems;
    if (reply.job) start(reply.job);
    draw();
    poke();
    return reply.error || "";
  }

  function start(job) {
    state.job = job;
    publish();
    trigger("submit");
  }

  async function apply() {
    const error = await busy("Starting …", "apply", { steps: state.draft, base: state.base.applied });
    if (error) fail(error);
  }

  async function undo() {
    const error = await busy("Going back …", "undo", {});
    if (error) fail(error);
  }

  async function restore(step, ids, back) {
    const place = state.draft.indexOf(step),
      key = state.base.report[place]?.key;
    const error = await busy("Restoring …", "restore", { step: place + 1, ids, back, key });
    if (!error && dirty()) {
      step.restored = clone(state.base.applied[place]?.restored || []);
      if (!step.restored.length) delete step.restored;
      publish();
      draw();
    }
    return error;
  }

  async function readYaml(text) {
    const reply = await ask("read", { yaml: text });
    if (reply.error) return reply.error;
    state.draft = reply.steps;
    changed();
    return "";
  }

  async function saveCopy(name, part) {
    return busy("Starting …", "save", { name, part });
  }

  /* ---- coming and going ---------------------------------------------------------------------------------- */

  function begin(value) {
    const dataset = value.dataset || "";
    state.drafts = value.drafts || state.drafts;
    state.job = value.job || "";
    if (dataset === state.dataset && state.base) return;
    Object.assign(state, { dataset, base: null, draft: [], problems: [] });
    views.clear();
    draw();
    poke();
  }

  begin(props.value || {});
  watch("value", () => {
    if (props.value && JSON.stringify(props.value) !== sent) begin(props.value);
  });
}
