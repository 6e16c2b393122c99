/* MergeBuilder: the recipe of a merge. It is edited as the plain data it is, so that what has no control here comes out as
   it went in. */
import { storage } from "../lib/browser.js";
import { rootOf } from "../lib/component.js";
import { fillSelect, h } from "../lib/dom.js";
import { unreachedText } from "../lib/login.js";
import { poll } from "../lib/polling.js";
import { builderFrame } from "./builder_frame.js";
import { layersEditor } from "./layers.js";
import { modelsEditor } from "./models.js";
import { recipeCheck } from "./recipe_check.js";
import { perModel, recipeRules } from "./recipe_rules.js";
import { recipeYaml } from "./recipe_yaml.js";
import { resultFields } from "./result_fields.js";
import { settingControl } from "./setting.js";
import { settingEditor } from "./setting_editor.js";

/** @import { Choice, ChoiceOrGroup } from "../lib/dom.js" */
/** @import { App } from "./models.js" */
/** @import { Found } from "./recipe_check.js" */
/** @import { Method, Mode, Model, Recipe, Source } from "./recipe_rules.js" */
/** @import { SettingControl } from "./setting.js" */
/** @import { Parameter } from "./setting_values.js" */
/** @typedef {{ recipe: Recipe, output?: string, seed?: number, kernels?: string }} Merge */
/** @typedef {Found & { error?: string, name: string, yaml: string }} CheckReply */
/** The models of the shelf, or null if they are as they were. @typedef {{ error?: string, mark: string, models: Model[] | null }} ModelsReply */

const KEY = "workbench.merge",
  REST_MILLISECONDS = 400;

/** @param {import("../lib/component.js").Scope<Merge | null, { catalogue: Method[] }>} scope */
export function mount({ element, props, server, watch }) {
  const root = rootOf(element, "wb-merge-builder");
  const known = {
    recipe: /** @type {Recipe} */ ({ merge_method: "" }),
    methods: new Map(props.catalogue.map((method) => [method.name, method])),
    models: /** @type {Map<string, Model>} */ (new Map()),
  };
  const rules = recipeRules(known);
  /** @type {App} */
  const app = Object.assign(known, {
    rules,
    method: rules.method,
    output: "",
    seed: 0,
    kernels: "fast",
    named: false,
    changed,
    modelSelect,
    fillModels,
    firstModel,
    sourceControls,
  });
  let seenModels = "",
    sent = "",
    begun = false,
    timer = 0,
    asked = 0,
    shared = /** @type {SettingControl[]} */ ([]);

  const editor = settingEditor(),
    whole = modelsEditor(app),
    layered = layersEditor(app),
    result = resultFields(app),
    checking = recipeCheck(root, startOver);
  const yaml = recipeYaml(server, {
    apply(recipe) {
      take({ ...current(), recipe });
      changed();
    },
    recipe: () => app.recipe,
  });
  const frame = builderFrame(root, props.empty, app, {
    below: [result.node, checking.node, yaml.node],
    rebuild,
    useMode,
  });

  /* ---- models and settings, for the parts ---------------------------------------------------------------- */

  /** @param {string} extra a model that is shown whether it is there or not */
  function modelOptions(extra) {
    const all = [...app.models.values()];
    /** @param {Model} one @returns {Choice} */
    const option = (one) => [one.name, one.base ? `${one.name} · adapter of ${one.base}` : one.name];
    const whole = all.filter((one) => !one.base).map(option),
      adapters = all.filter((one) => one.base).map(option);
    /** @type {ChoiceOrGroup[]} */
    const options = [];
    if (extra && !app.models.has(extra)) options.push([extra, extra]); // BASE+ADAPTER, or what the check says is gone
    if (whole.length) options.push(["Models", whole]);
    if (adapters.length) options.push(["Adapters, folded in on the way", adapters]);
    return options;
  }

  /**
   * @param {HTMLSelectElement} node
   * @param {string} value
   */
  function fillModels(node, value) {
    fillSelect(node, modelOptions(value));
    if (node.value !== value) node.value = value;
  }

  /**
   * @param {string} value
   * @param {(model: string) => void} onPick
   */
  function modelSelect(value, onPick) {
    const node = h("select", "wb-input wb-merge-pick");
    node.setAttribute("aria-label", "Model");
    fillModels(node, value);
    node.addEventListener("change", () => onPick(node.value));
    return node;
  }

  /**
   * A model for a new row: not taken yet, of the shape the others have, the newest.
   * @param {string[]} [taken]
   */
  function firstModel(taken = []) {
    const shape = app.models.get(taken[0])?.shape,
      newest = [...app.models.values()].reverse();
    const free = newest.filter((one) => !taken.includes(one.name));
    return (free.find((one) => !shape || one.shape === shape) || free[0] || newest[0])?.name || "";
  }

  /**
   * @param {Parameter} parameter
   * @param {() => Source | Recipe} owner whose setting it is
   * @param {HTMLElement} host where the editor opens
   * @param {() => string} about
   * @param {() => unknown} inherited
   */
  function control(parameter, owner, host, about, inherited) {
    /** @param {unknown} value */
    function set(value) {
      const of = owner(),
        place = (of.parameters ||= {});
      if (value === undefined) delete place[parameter.name];
      else place[parameter.name] = value;
      if (!Object.keys(place).length) delete of.parameters;
      changed();
    }
    const get = () => owner().parameters?.[parameter.name];
    return settingControl(parameter, { get, set, inherited, about, open: (one) => editor.open(one, host) });
  }

  /**
   * The controls of one source's own settings, put into `box`.
   * @param {Source} source
   * @param {HTMLElement} box
   * @param {HTMLElement} host
   */
  function sourceControls(source, box, host) {
    const wanted = (app.method()?.parameters || []).filter((one) => rules.belongs(one, source));
    const controls = wanted.map((parameter) =>
      control(
        parameter,
        () => source,
        host,
        () => source.model,
        () => app.recipe.parameters?.[parameter.name] ?? parameter.default ?? undefined,
      ),
    );
    box.append(...controls.map((one) => one.node));
    box.classList.toggle("is-many", controls.length > 1);
    return controls;
  }

  /** Settings that hold for all; one that each model may have shows here only where the recipe gives it for all. */
  function buildShared() {
    const given = app.recipe.parameters || {};
    const wanted = (app.method()?.parameters || []).filter((one) => !perModel(one) || given[one.name] !== undefined);
    shared = wanted.map((one) =>
      control(
        { ...one, required: one.required && !perModel(one) },
        () => app.recipe,
        frame.sharedHost,
        () => (perModel(one) ? "all models" : ""),
        () => one.default ?? undefined,
      ),
    );
    frame.showShared(shared.map((one) => one.node));
    shared.forEach((one) => one.sync());
  }

  /** @param {"models" | "slices"} mode */
  function useMode(mode) {
    if (mode === rules.modeOf()) return;
    rules.useMode(mode);
    rebuild();
    changed();
  }

  /** The editor of a mode; what only YAML can say has none. @param {Mode} mode */
  const partOf = (mode) => (mode === "models" ? whole : mode === "slices" ? layered : null);

  /* ---- drawing ------------------------------------------------------------------------------------------- */

  /** Build the parts anew: another method, mode or recipe. */
  function rebuild() {
    editor.shut();
    const mode = rules.modeOf(),
      part = partOf(mode);
    part?.rebuild();
    frame.showPart(mode, part?.node ?? null);
    buildShared();
    sync();
  }

  /** Bring everything shown up to the recipe, in place. */
  function sync() {
    const names = [...new Set(rules.sources().map((one) => one.model))],
      shape = app.models.get(firstModel())?.shape,
      alike = [...app.models.values()].filter((one) => one.shape === shape);
    frame.sync(names, alike.length > 1);
    partOf(rules.modeOf())?.sync();
    result.sync(names);
  }

  /* ---- checking ------------------------------------------------------------------------------------------ */

  function current() {
    return { recipe: app.recipe, output: app.output, seed: app.seed, kernels: app.kernels };
  }

  /** The recipe was edited: tell Python, and have it checked when the hand rests. */
  function changed(rest = REST_MILLISECONDS) {
    publish();
    checking.showChecking();
    clearTimeout(timer);
    timer = setTimeout(check, rest);
  }

  /** Make the recipe the component's value, and remember it in this browser. */
  function publish() {
    sent = JSON.stringify(current());
    props.value = JSON.parse(sent);
    storage.set(KEY, JSON.stringify({ ...current(), output: app.named ? app.output : "" }));
  }

  async function check() {
    const mine = ++asked;
    /** @type {CheckReply | null} */
    const reply = await server.check({ ...current(), name: !app.named }).catch(() => null);
    if (mine !== asked) return;
    if (!reply || reply.error) {
      const message = reply?.error || unreachedText();
      checking.show({ problems: [{ message, remedy: "It is asked again at the next change." }] });
      return;
    }
    if (!app.named && reply.name && reply.name !== app.output) {
      app.output = reply.name;
      publish();
    }
    yaml.show(reply.yaml);
    checking.show(reply);
    sync();
  }

  /* ---- coming and going ---------------------------------------------------------------------------------- */

  /** @param {Merge} value */
  function take(value) {
    begun = true;
    rules.take(value.recipe);
    Object.assign(app, { output: value.output || "", seed: value.seed || 0, kernels: value.kernels || "fast" });
    rebuild();
  }

  /**
   * Take over a value from Python or an earlier visit; one without a name gets one suggested.
   * @param {Merge} value
   */
  function begin(value) {
    app.named = Boolean(value.output);
    frame.begin();
    yaml.forget();
    take(value);
    changed(0);
  }

  function startOver() {
    begin({ recipe: rules.beginning() });
    frame.focus();
  }

  /**
   * What this browser was at when the page was left, if its models are still there.
   * @returns {Merge | null}
   */
  function remembered() {
    try {
      const value = JSON.parse(storage.get(KEY) ?? "null"),
        text = JSON.stringify(value.recipe);
      const named = [...text.matchAll(/"(?:base_)?model":"([^"+]+)/g)].map((found) => found[1]);
      return named.length && named.every((name) => app.models.has(name)) ? value : null;
    } catch {
      return null;
    }
  }

  /** Follow the shelf; the first answer begins the recipe. */
  async function step() {
    /** @type {ModelsReply | null} */
    const reply = await server.models({ seen: seenModels }).catch(() => null);
    if (!reply || reply.error) return 2000;
    if (!reply.models) return 4000;
    seenModels = reply.mark;
    app.models = new Map(reply.models.map((one) => [one.name, one]));
    if (begun) {
      sync();
      check();
    } else if (props.value?.recipe) begin(props.value);
    else if (app.models.size) begin(remembered() || { recipe: rules.beginning() });
    return 4000;
  }

  poll(element, step);
  watch("value", () => {
    if (props.value?.recipe && JSON.stringify(props.value) !== sent) begin(props.value);
  });
}
