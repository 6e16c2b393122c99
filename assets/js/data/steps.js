/* DataSteps: the recipe of a dataset, the steps that are applied and those changed here.
   server.load tells the recipe and what its steps did, check what is wrong with a draft; apply and save start jobs. */
import { alike } from "../forms/settings.js";
import { rootOf } from "../lib/component.js";
import { unreachedText } from "../lib/login.js";
import { poll } from "../lib/polling.js";
import { adopted, clone, isBase, newStep, stepStates, withHandEdits } from "./draft_steps.js";
import { recipeText, saveAs } from "./recipe_text.js";
import { stepMenu } from "./step_menu.js";
import { sentence, stepRow } from "./step_row.js";
import { stepsFrame } from "./steps_frame.js";

/** @import { Base } from "./draft_steps.js" */
/** @import { Catalogue } from "./step_menu.js" */
/** @import { Problem, Step, StepInfo } from "./step_row.js" */
/** @typedef {Record<string, Step[]>} Drafts by name of the dataset */
/** @typedef {{ dataset?: string, drafts?: Drafts, job?: string }} Shown */
/**
 * What the server's functions answer. `waiting`: no dataset is chosen, but there are some.
 * @typedef {Partial<Base> & {
 *   error?: string, waiting?: boolean, problems?: Problem[], job?: string, steps?: Step[],
 * }} Reply
 */
/** @typedef {ReturnType<typeof stepRow>} StepView */

/** @param {import("../lib/component.js").Scope<Shown | null, { catalogue: Catalogue }>} scope */
export function mount({ element, props, server, trigger, watch }) {
  const root = rootOf(element, "wb-data-steps"),
    catalogue = props.catalogue;
  const state = {
    dataset: "",
    drafts: /** @type {Drafts} */ ({}),
    base: /** @type {Base | null} */ (null),
    draft: /** @type {Step[]} */ ([]),
    problems: /** @type {Problem[]} */ ([]),
    busy: "",
    job: "",
  };
  const views = /** @type {Map<Step, StepView>} */ (new Map());
  let sent = "",
    timer = 0,
    asked = 0,
    looked = 0;

  const menu = stepMenu(catalogue, add),
    yaml = recipeText(readYaml),
    copyOf = saveAs(saveCopy);
  const frame = stepsFrame(root, props.empty, { menu, below: [yaml.node, copyOf.node] }, { undo, discard, apply });
  const poke = poll(root, refresh);

  /* ---- the recipe as it is ------------------------------------------------------------------------------- */

  /**
   * The server's answer; {error} when it could not be reached.
   * @param {string} name
   * @param {Record<string, unknown>} query
   * @returns {Promise<any>}
   */
  async function ask(name, query) {
    const reply = await server[name]({ dataset: state.dataset, ...query }).catch(() => null);
    return reply || { error: unreachedText() };
  }

  async function refresh() {
    if (state.busy) return 500;
    const { dataset } = state,
      mine = ++looked;
    /** @type {Reply} */
    const reply = await ask("load", { seen: state.base?.mark || "" });
    if (dataset !== state.dataset || mine !== looked || state.busy) return 300;
    if (reply.error) {
      frame.fail(reply.error);
      return 4000;
    }
    if (!dataset) {
      frame.empty.hidden = reply.waiting !== false;
      return 2000;
    }
    frame.empty.hidden = true;
    if (isBase(reply)) take(reply);
    else if (state.base) {
      state.base.running = reply.running ?? null;
      draw();
    }
    return reply.running ? 700 : 2500;
  }

  /**
   * Takes over the recipe as it is applied; steps changed here but not applied stay as they are, save edits by hand made
   * since.
   * @param {Base} base
   */
  function take(base) {
    const before = state.base,
      kept = before ? dirty() : Boolean(state.drafts[base.name]);
    let draft = before ? state.draft : clone(state.drafts[base.name] || []);
    if (kept && before) draft = withHandEdits(draft, before.applied, base.applied);
    state.base = base;
    root.dataset.mark = base.mark;
    state.draft = kept && !alike(draft, base.applied) ? draft : adopted(state.draft, base.applied);
    frame.fail("");
    menu.suit(base.kind);
    copyOf.suggest(base.copy);
    yaml.show(dirty() ? "" : base.yaml, base.name);
    publish();
    draw();
    if (dirty()) check();
    else state.problems = [];
  }

  const dirty = () => Boolean(state.base) && !alike(state.draft, state.base?.applied);
  const lists = () => state.base?.lists ?? {};
  /** What identifies the run of the step at a place. @param {number} place */
  const runKey = (place) => state.base?.report[place]?.key;

  function publish() {
    if (dirty()) state.drafts[state.dataset] = clone(state.draft);
    else delete state.drafts[state.dataset];
    sent = JSON.stringify({ dataset: state.dataset, drafts: state.drafts, job: state.job });
    props.value = JSON.parse(sent);
  }

  /* ---- drawing ------------------------------------------------------------------------------------------- */

  function draw() {
    frame.body.hidden = !state.base;
    if (!state.base) return;
    const rows = state.draft.map(viewOf),
      { failed, running } = state.base;
    const broke = failed && dirty() && alike(failed.steps, state.draft) ? [failed.problem] : [];
    const problems = [...state.problems, ...broke];
    const states = stepStates(state.draft, state.base, problems);
    rows.forEach((row, place) => row.draw(states[place]));
    frame.drawList(rows.map((row) => row.node));
    const loose = problems.filter((one) => !one.step || one.step > rows.length);
    frame.fail(loose.map((one) => [one.field, sentence(one)].filter(Boolean).join(": ")).join("\n"));
    frame.drawBar({
      busy: state.busy || running?.text || "",
      isUnsaved: dirty(),
      problems: problems.length,
      kept: state.base.undo,
      rows: state.base.rows ?? {},
    });
  }

  /**
   * @param {Step} step
   * @returns {StepView}
   */
  function viewOf(step) {
    const known = views.get(step);
    if (known) return known;
    const place = () => state.draft.indexOf(step);
    /** @type {StepInfo} */
    const unknown = { title: step.method, summary: "This workbench has no such step.", fields: [], kinds: [] };
    const view = stepRow(step, catalogue.steps[step.method] || unknown, {
      move: (by) => move(step, by),
      remove: () => remove(step),
      changed,
      lists,
      ask: (what, start, count) => ask("touched", { step: place() + 1, what, start, count, key: runKey(place()) }),
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
    /** @type {Reply} */
    const reply = await ask("check", { steps: draft });
    if (mine !== asked || !alike(draft, state.draft)) return;
    if (reply.error) state.problems = [{ step: 0, field: "", message: reply.error, remedy: "" }];
    else state.problems = (dirty() && reply.problems) || [];
    yaml.show(reply.yaml ?? "", state.dataset);
    draw();
  }

  /** @param {string} method */
  function add(method) {
    const step = newStep(method, catalogue.steps[method], lists());
    state.draft.push(step);
    changed();
    const view = viewOf(step);
    view.head.click();
    view.head.focus();
    view.node.scrollIntoView({ block: "nearest" });
  }

  /**
   * @param {Step} step
   * @param {number} by
   */
  function move(step, by) {
    const from = state.draft.indexOf(step),
      to = from + by,
      held = document.activeElement;
    if (to < 0 || to >= state.draft.length) return;
    state.draft.splice(to, 0, ...state.draft.splice(from, 1));
    changed();
    const view = viewOf(step),
      isUsable = held instanceof HTMLElement && view.node.contains(held) && !held.matches(":disabled");
    (isUsable ? held : by < 0 ? view.down : view.up).focus();
    frame.say(`${view.info.title} is step ${to + 1} now, not applied yet`);
  }

  /** @param {Step} step */
  function remove(step) {
    const place = state.draft.indexOf(step);
    state.draft.splice(place, 1);
    views.delete(step);
    changed();
    const next = state.draft[Math.min(place, state.draft.length - 1)];
    (next ? viewOf(next).head : menu.button).focus();
    frame.say("Taken out, not applied yet");
  }

  function discard() {
    if (!state.base) return;
    state.draft = clone(state.base.applied);
    state.problems = [];
    views.clear();
    yaml.show(state.base.yaml, state.dataset);
    publish();
    draw();
    menu.button.focus();
  }

  /**
   * Does something on the server while everything else waits; resolves to the error in words or ''.
   * @param {string} words
   * @param {string} name
   * @param {Record<string, unknown>} query
   */
  async function busy(words, name, query) {
    state.busy = words;
    looked++;
    draw();
    /** @type {Reply} */
    const reply = await ask(name, query);
    state.busy = "";
    if (isBase(reply)) take(reply);
    if (reply.problems) state.problems = reply.problems;
    if (reply.job) start(reply.job);
    draw();
    poke();
    return reply.error || "";
  }

  /** @param {string} job */
  function start(job) {
    state.job = job;
    publish();
    trigger("submit");
  }

  async function apply() {
    const error = await busy("Starting …", "apply", { steps: state.draft, base: state.base?.applied });
    if (error) frame.fail(error);
  }

  async function undo() {
    const error = await busy("Going back …", "undo", {});
    if (error) frame.fail(error);
  }

  /**
   * @param {Step} step
   * @param {number[]} ids
   * @param {boolean} back
   */
  async function restore(step, ids, back) {
    const place = state.draft.indexOf(step);
    const error = await busy("Restoring …", "restore", { step: place + 1, ids, back, key: runKey(place) });
    if (!error && dirty()) {
      const restored = state.base?.applied[place]?.restored ?? [];
      if (restored.length) step.restored = clone(restored);
      else delete step.restored;
      publish();
      draw();
    }
    return error;
  }

  /** @param {string} text */
  async function readYaml(text) {
    /** @type {Reply} */
    const reply = await ask("read", { yaml: text });
    if (reply.error) return reply.error;
    state.draft = reply.steps ?? [];
    changed();
    return "";
  }

  /**
   * @param {string} name
   * @param {string} part
   */
  async function saveCopy(name, part) {
    return busy("Starting …", "save", { name, part });
  }

  /* ---- coming and going ---------------------------------------------------------------------------------- */

  /** @param {Shown} value */
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
