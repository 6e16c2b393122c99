// @ts-nocheck
/* js_on_load of MergeBuilder, after its parts (merge_curve, merge_setting, merge_recipe, merge_models, merge_layers).
   props: value ({recipe, output, seed, kernels} or null), catalogue (the methods), empty. The recipe is edited as the
   plain data it is, so that what has no control here comes out as it went in. */
import { copyText, storage } from "../lib/browser.js";
import { button, emptyState, fillSelect, h, select, setText } from "../lib/dom.js";
import { unreachedText } from "../lib/login.js";
import { poll } from "../lib/polling.js";
import { layersEditor } from "./layers.js";
import { field, modelsEditor, numberInput, segmented } from "./models.js";
import { perModel, recipeRules, takesBase } from "./recipe_rules.js";
import { settingControl } from "./setting.js";
import { settingEditor } from "./setting_editor.js";

export function mount({ element, props, server, watch }) {
  const root = element.querySelector(".wb-merge-builder");
  const KEY = "workbench.merge";
  const PRECISIONS = [
    ["float32", "float32"],
    ["bfloat16", "bfloat16"],
    ["float16", "float16"],
  ];

  /* What the parts share: the recipe and what is known of methods and models. `named`: the person chose the name. */
  const app = {
    recipe: { merge_method: "" },
    output: "",
    seed: 0,
    kernels: "fast",
    named: false,
    models: new Map(),
    changed,
    modelSelect,
    fillModels,
    firstModel,
    sourceControls,
    methods: new Map(props.catalogue.map((method) => [method.name, method])),
  };
  const rules = recipeRules(app);
  Object.assign(app, { rules, method: rules.method });
  let seenModels = "",
    sent = "",
    begun = false,
    timer = 0,
    asked = 0,
    shared = [];

  const editor = settingEditor(),
    whole = modelsEditor(app),
    layered = layersEditor(app);
  const ui = build();

  /* ---- models and settings, for the parts ---------------------------------------------------------------- */

  function modelOptions(extra) {
    const all = [...app.models.values()];
    const text = (one) => (one.base ? `${one.name} · adapter of ${one.base}` : one.name);
    const groups = [
      ["Models", all.filter((one) => !one.base)],
      ["Adapters, folded in on the way", all.filter((one) => one.base)],
    ];
    const options = groups
      .filter(([, list]) => list.length)
      .map(([name, list]) => [name, list.map((one) => [one.name, text(one)])]);
    if (extra && !app.models.has(extra)) options.unshift([extra, extra]); // BASE+ADAPTER, or what the check says is gone
    return options;
  }

  function fillModels(node, value) {
    fillSelect(node, modelOptions(value));
    if (node.value !== value) node.value = value;
  }

  function modelSelect(value, onPick) {
    const node = h("select", "wb-input wb-merge-pick");
    node.setAttribute("aria-label", "Model");
    fillModels(node, value);
    node.addEventListener("change", () => onPick(node.value));
    return node;
  }

  /** A model for a new row: not taken yet, of the shape the others have, the newest. */
  function firstModel(taken = []) {
    const shape = app.models.get(taken[0])?.shape,
      newest = [...app.models.values()].reverse();
    const free = newest.filter((one) => !taken.includes(one.name));
    return (free.find((one) => !shape || one.shape === shape) || free[0] || newest[0])?.name || "";
  }

  function control(parameter, owner, host, about, inherited) {
    const set = (value) => {
      const place = (owner().parameters ||= {});
      if (value === undefined) delete place[parameter.name];
      else place[parameter.name] = value;
      if (!Object.keys(place).length) delete owner().parameters;
      changed();
    };
    const get = () => owner().parameters?.[parameter.name];
    return settingControl(parameter, { get, set, inherited, about, open: (one) => editor.open(one, host) });
  }

  /** The controls of one source's own settings, put into `box`. */
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
        ui.sharedHost,
        () => (perModel(one) ? "all models" : ""),
        () => one.default ?? undefined,
      ),
    );
    ui.shared.replaceChildren(...shared.map((one) => one.node));
    ui.sharedBox.hidden = !shared.length;
    shared.forEach((one) => one.sync());
  }

  /* ---- the frame ----------------------------------------------------------------------------------------- */

  function section(title, ...parts) {
    const node = h("div", "wb-merge-section");
    if (title) node.append(h("h2", "wb-h", title));
    node.append(...parts);
    return node;
  }

  function build() {
    const ui = { empty: h("div"), body: h("div", "wb-builder-body"), hint: h("div", "wb-note is-warn") };
    ui.method = select(methodOptions(), "", "Method");
    ui.method.addEventListener("change", () => {
      rules.useMethod(ui.method.value);
      rebuild();
      changed();
    });
    ui.badge = h("span", "wb-chip is-ok", "fast");
    ui.badge.title = "Computed by our own implementation.";
    ui.paper = Object.assign(h("a", "wb-link"), { rel: "noopener noreferrer", target: "_blank" });
    ui.summary = h("span", "wb-hint");
    ui.mode = segmented(
      [
        ["models", "Whole models"],
        ["slices", "Layers (frankenmerge)"],
      ],
      "What is merged",
      useMode,
    );
    const top = h("div", "wb-merge-top"),
      about = h("div", "wb-merge-about");
    top.append(ui.method, ui.mode.node);
    about.append(ui.badge, ui.summary, ui.paper);
    ui.parts = h("div");
    ui.base = select([], "", "Base model");
    ui.base.addEventListener("change", () => {
      rules.setBase(ui.base.value || undefined);
      rebuild();
      changed();
    });
    ui.baseField = field("Base model", ui.base, "What the others are measured against.", "is-base");
    ui.modules = h("div", "wb-hint", "This recipe merges a model of several parts. Change it as YAML below.");
    ui.shared = h("div", "wb-merge-settings is-many");
    ui.sharedHost = h("div", "wb-merge-host");
    ui.sharedBox = section("Settings of the method", ui.shared, ui.sharedHost);
    ui.body.append(
      ui.hint,
      top,
      about,
      section("", ui.parts, ui.modules, ui.baseField),
      ui.sharedBox,
      buildResult(ui),
      buildCheck(ui),
      buildYaml(ui),
    );
    ui.empty.append(emptyState(props.empty));
    root.append(ui.empty, ui.body);
    ui.body.hidden = true;
    return ui;
  }

  function methodOptions() {
    const named = (test) =>
      [...app.methods.values()]
        .filter(test)
        .map((one) => [one.name, one.title])
        .sort((one, other) => one[1].localeCompare(other[1]));
    return [
      ["Measured against a base model", named((one) => one.base === "required")],
      ["Without a base model, or with one if you like", named((one) => one.base !== "required")],
    ];
  }

  function useMode(mode) {
    if (mode === rules.modeOf()) return;
    rules.useMode(mode);
    rebuild();
    changed();
  }

  /** Name, precision, tokenizer and the like. */
  function buildResult(ui) {
    const bind = (node, set) => {
      node.addEventListener(node.tagName === "SELECT" ? "change" : "input", () => {
        set(node.value);
        changed();
      });
      return node;
    };
    const place = (name) => (value) => {
      if (value) app.recipe[name] = value;
      else delete app.recipe[name];
    };
    ui.output = bind(
      Object.assign(h("input", "wb-input"), { placeholder: "name on the shelf", spellcheck: false }),
      (value) => {
        app.output = value.trim();
        app.named = Boolean(app.output);
      },
    );
    ui.dtype = bind(select([["", "as the models"], ...PRECISIONS], "", "Compute type"), place("dtype"));
    ui.outDtype = bind(select([["", "as computed"], ...PRECISIONS], "", "File type"), place("out_dtype"));
    ui.tokenizer = bind(select([], "", "Tokenizer"), (value) => rules.setTokenizer(value, ui.pad.value));
    ui.pad = bind(numberInput(1, 1024), (value) => rules.setTokenizer(ui.tokenizer.value, value));
    ui.template = bind(select([], "", "Chat template"), (value) => {
      if (value !== "…") place("chat_template")(value);
    });
    ui.seed = bind(numberInput(0), (value) => {
      app.seed = Math.max(0, Math.round(Number(value) || 0));
    });
    ui.kernels = bind(
      select(
        [
          ["fast", "ours (fast)"],
          ["stock", "mergekit's"],
        ],
        "fast",
        "Implementation",
      ),
      (value) => {
        app.kernels = value;
      },
    );
    const grid = h("div", "wb-merge-grid"),
      more = h("details", "wb-folded"),
      moreGrid = h("div", "wb-merge-grid");
    grid.append(
      field("Name of the result", ui.output, "", "is-wide"),
      field("Compute type", ui.dtype, "Precision the merge is computed in."),
      field("File type", ui.outDtype, "Precision of the file."),
    );
    moreGrid.append(
      field("Tokenizer", ui.tokenizer, "Which tokenizer the result has, and with it its vocabulary.", "is-wide"),
      field(
        "Pad vocabulary to",
        ui.pad,
        "Rounds the rows of the embedding up to a multiple; some kernels are faster with 64.",
      ),
      field("Chat template", ui.template),
      field("Random seed", ui.seed, "The same seed gives the same weights, bit by bit."),
      field("Implementation", ui.kernels, "Which code merges the tensors; both give the same, fast sooner."),
    );
    more.append(h("summary", "", "Tokenizer, chat template, random seed"), moreGrid);
    return section("Result", grid, more);
  }

  function buildCheck(ui) {
    const box = h("div", "wb-merge-check"),
      head = h("div", "wb-merge-check-head");
    ui.state = h("span", "wb-chip");
    ui.problems = h("div", "wb-notes");
    ui.notes = h("ul", "wb-merge-notes");
    ui.facts = h("dl", "wb-kv");
    ui.state.setAttribute("role", "status");
    head.append(ui.state, button("wb-link", "Start over", startOver, "Two models that fit, by SLERP"));
    box.append(head, ui.problems, ui.notes, ui.facts);
    return box;
  }

  function buildYaml(ui) {
    const box = h("details", "wb-log wb-merge-yaml"),
      row = h("div", "wb-merge-foot");
    ui.yaml = h("textarea", "wb-input");
    Object.assign(ui.yaml, { rows: 14, spellcheck: false });
    ui.yaml.setAttribute("aria-label", "Recipe as YAML");
    ui.yaml.addEventListener("input", () => {
      ui.yaml.dataset.dirty = "yes";
    });
    ui.said = h("span", "wb-hint");
    ui.said.setAttribute("role", "status");
    ui.exported = h("pre");
    ui.exported.hidden = true;
    row.append(
      button("wb-button is-primary", "Apply", applyYaml),
      button("wb-button", "Copy", copyYaml),
      button("wb-button", "For mergekit", exportYaml, "With folders and hub ids in place of the shelf's names"),
      ui.said,
    );
    box.append(h("summary", "", "YAML"), ui.yaml, row, ui.exported);
    return box;
  }

  /** A word beneath the YAML: what was done goes by itself, what went wrong stays. */
  function say(words, wrong = false) {
    setText(ui.said, words);
    ui.said.classList.toggle("is-wrong", wrong);
    if (!wrong)
      setTimeout(() => {
        if (ui.said.textContent === words) setText(ui.said, "");
      }, 6000);
  }

  /** A server function's answer, or null after saying what went wrong. */
  async function answer(call) {
    const reply = await call.catch(() => null);
    if (reply && !reply.error) return reply;
    say(reply?.error || unreachedText(), true);
    return null;
  }

  async function applyYaml() {
    const reply = await answer(server.read({ yaml: ui.yaml.value }));
    if (!reply) return;
    delete ui.yaml.dataset.dirty;
    take({ ...current(), recipe: reply.recipe });
    changed();
    say("Applied.");
  }

  async function copyYaml() {
    say((await copyText(ui.yaml.value)) ? "Copied." : "Could not copy.");
  }

  async function exportYaml() {
    const reply = await answer(server.export({ recipe: app.recipe }));
    if (!reply) return;
    setText(ui.exported, reply.yaml);
    ui.exported.hidden = false;
    say((await copyText(reply.yaml)) ? "Copied: mergekit-yaml runs it as it is." : "");
  }

  /* ---- drawing ------------------------------------------------------------------------------------------- */

  /** Build the parts anew: another method, mode or recipe. */
  function rebuild() {
    editor.shut();
    const mode = rules.modeOf(),
      part = { models: whole, slices: layered }[mode];
    ui.mode.show(mode);
    part?.rebuild();
    ui.parts.replaceChildren(...(part ? [part.node] : []));
    ui.modules.hidden = Boolean(part);
    buildShared();
    sync();
  }

  /** Bring everything shown up to the recipe, in place. */
  function sync() {
    const { recipe } = app,
      method = app.method(),
      mode = rules.modeOf();
    const names = [...new Set(rules.sources().map((one) => one.model))];
    const unknown = method ? [] : [[recipe.merge_method, `${recipe.merge_method} (unknown)`]];
    fillSelect(ui.method, [...unknown, ...methodOptions()]);
    ui.method.value = recipe.merge_method;
    ui.badge.hidden = !method || method.kernel === "stock" || app.kernels === "stock";
    setText(ui.badge, method?.kernel === "own" ? "ours" : "fast");
    setText(ui.summary, method?.summary || "");
    ui.paper.hidden = !/^https:\/\//.test(method?.url || "");
    if (!ui.paper.hidden) {
      ui.paper.href = method.url;
      setText(ui.paper, method.url.replace(/^https:\/\/(www\.)?/, ""));
    }
    ui.baseField.hidden = mode !== "slices" || !takesBase(method);
    const bases = [...new Set([...names, recipe.base_model])].filter(Boolean);
    fillSelect(ui.base, [["", "none"], ...bases.map((one) => [one, one])]);
    ui.base.value = recipe.base_model || "";
    ({ models: whole, slices: layered })[mode]?.sync();
    syncResult(names);
    const shape = app.models.get(firstModel())?.shape;
    ui.hint.hidden = [...app.models.values()].filter((one) => one.shape === shape).length > 1;
    setText(ui.hint, props.empty[2]);
  }

  function syncResult(names) {
    const { recipe } = app,
      { tokenizer } = recipe,
      template = recipe.chat_template || "";
    const put = (node, value) => {
      if (document.activeElement !== node || node.tagName === "SELECT") node.value = value;
    };
    const source = tokenizer?.source || recipe.tokenizer_source || (tokenizer ? "union" : "");
    const strange = source && !["base", "union", ...names].includes(source) ? [[source, source]] : [];
    fillSelect(ui.tokenizer, [
      ["", "copied from the base or first model"],
      ["base", "the base's, matched by token"],
      ["union", "union of all vocabularies"],
      ...names.map((one) => [one, `of ${one}`]),
      ...strange,
    ]);
    const known = ["", "auto"].includes(template);
    fillSelect(ui.template, [["", "tokenizer's"], ["auto", "most models'"], ...(known ? [] : [["…", "as in YAML"]])]);
    put(ui.template, known ? template : "…");
    put(ui.tokenizer, source);
    put(ui.pad, tokenizer?.pad_to_multiple_of ?? "");
    put(ui.dtype, recipe.dtype || "");
    put(ui.outDtype, recipe.out_dtype || "");
    put(ui.output, app.output);
    put(ui.seed, app.seed);
    put(ui.kernels, app.kernels);
  }

  /* ---- checking ------------------------------------------------------------------------------------------ */

  function current() {
    return { recipe: app.recipe, output: app.output, seed: app.seed, kernels: app.kernels };
  }

  /** The recipe was edited: tell Python, and have it checked when the hand rests. */
  function changed() {
    publish();
    setText(ui.state, "Checking …");
    ui.state.className = "wb-chip is-queued";
    delete root.dataset.checked;
    clearTimeout(timer);
    timer = setTimeout(check, 400);
  }

  /** Make the recipe the component's value, and remember it in this browser. */
  function publish() {
    sent = JSON.stringify(current());
    props.value = JSON.parse(sent);
    storage.set(KEY, JSON.stringify({ ...current(), output: app.named ? app.output : "" }));
  }

  async function check() {
    const mine = ++asked;
    const reply = await server.check({ ...current(), name: !app.named }).catch(() => null);
    if (mine !== asked) return;
    if (!reply || reply.error) {
      const message = reply?.error || unreachedText();
      showCheck({ problems: [{ message, remedy: "It is asked again at the next change." }] });
      return;
    }
    if (!app.named && reply.name && reply.name !== app.output) {
      app.output = reply.name;
      publish();
    }
    if (!ui.yaml.dataset.dirty && ui.yaml.value !== reply.yaml) {
      ui.yaml.value = reply.yaml;
      ui.yaml.rows = Math.min(26, Math.max(8, reply.yaml.split("\n").length));
    }
    showCheck(reply);
    sync();
  }

  function showCheck({ problems = [], notes = [], facts = [] }) {
    const line = (tag, className, { field: where, message, remedy }) => {
      const node = h(tag, className);
      if (where) node.append(h("code", "", where), " ");
      node.append(message);
      if (remedy) node.append(" ", h("span", "wb-merge-remedy", remedy));
      return node;
    };
    const count = problems.length === 1 ? "One thing" : `${problems.length} things`;
    setText(ui.state, problems.length ? `${count} to put right` : "Ready to merge");
    ui.state.className = `wb-chip ${problems.length ? "is-failed" : "is-done"}`;
    ui.problems.replaceChildren(...problems.map((one) => line("div", "wb-note is-error", one)));
    ui.notes.replaceChildren(...notes.map((one) => line("li", "", one)));
    ui.facts.replaceChildren(...facts.flatMap(([name, value]) => [h("dt", "", name), h("dd", "", value)]));
    root.dataset.checked = problems.length ? "problems" : "ready";
  }

  /* ---- coming and going ---------------------------------------------------------------------------------- */

  function take(value) {
    begun = true;
    rules.take(value.recipe);
    Object.assign(app, { output: value.output || "", seed: value.seed || 0, kernels: value.kernels || "fast" });
    rebuild();
  }

  /** Take over a value from Python or an earlier visit; one without a name gets one suggested. */
  function begin(value) {
    app.named = Boolean(value.output);
    ui.empty.hidden = true;
    ui.body.hidden = false;
    delete ui.yaml.dataset.dirty;
    take(value);
    changed();
  }

  function startOver() {
    begin({ recipe: rules.beginning() });
    ui.method.focus();
  }

  /** What this browser was at when the page was left, if its models are still there. */
  function remembered() {
    try {
      const value = JSON.parse(storage.get(KEY)),
        text = JSON.stringify(value.recipe);
      const named = [...text.matchAll(/"(?:base_)?model":"([^"+]+)/g)].map((found) => found[1]);
      return named.length && named.every((name) => app.models.has(name)) ? value : null;
    } catch {
      return null;
    }
  }

  /** Follow the shelf; the first answer begins the recipe. */
  async function step() {
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
