/* A form made of the fields of a spec. server.lists({have: {list: tag}}) gives {list: {tag, choices}} for the lists that
   are not as they were. problems, set by the server after an attempt to start: each is shown beside its setting, and the
   first is brought into view. Triggers 'input' after every change; a value set from elsewhere is drawn anew and left as
   it is. */
import { rootOf } from "../lib/component.js";
import { poll } from "../lib/polling.js";
import { createElement, render } from "../lib/preact.js";
import { shelf } from "../shelf/mark.js";
import { Fields } from "./fields.js";
import { fillFirst, fitMethods, methodsFitTo } from "./fitting.js";
import { shownPath, unsettled, withSetting } from "./settings.js";

/** @import { Change, KeptSettings } from "./fields.js" */
/** @import { Field, Lists, Problem, Settings } from "./settings.js" */
/** @typedef {{ problems: Problem[] }} FormProps */
/** @typedef {{ form: { fields: Field[], more: string, lists: boolean } }} FormConstants */

/** @param {import("../lib/component.js").Scope<Settings, FormProps, FormConstants>} scope */
export function mount({ element, props, constants, server, trigger, watch }) {
  const root = rootOf(element, "wb-form");
  const { fields, more } = constants.form;
  const tags = /** @type {Record<string, string>} */ ({}); // which state of a list this form has
  const kept = /** @type {KeptSettings} */ ({});
  const fold = { isOpen: false };

  let settings = /** @type {Settings} */ (structuredClone(props.value || {})),
    lists = /** @type {Lists} */ ({}),
    problems = /** @type {Problem[]} */ ([]),
    mark = /** @type {string | null} */ (null),
    isStale = true,
    turn = 0,
    generation = 0,
    sent = "";
  let fittedTo = methodsFitTo(fields, settings);

  function draw() {
    const context = { lists, problems, kept };
    const key = generation; // another one: nothing that is typed stays
    render(createElement(Fields, { key, fields, values: settings, change, context, path: [], more, fold }), root);
  }

  /** @type {Change} */
  function change(name, value, path) {
    settings = withSetting(settings, name, value);
    problems = unsettled(problems, path);
    fit();
    draw();
    publish();
    trigger("input");
  }

  function publish() {
    sent = JSON.stringify(settings);
    props.value = JSON.parse(sent);
  }

  /** Fills empty choices and changes methods that do not fit what was just chosen. Says whether it set anything. */
  function fit() {
    const before = settings;
    const filled = fillFirst(fields, before, lists);
    ({ settings, fittedTo } = fitMethods({ fields, settings: filled, before, lists, fittedTo, kept }));
    return settings !== before;
  }

  async function refresh() {
    const now = shelf.mark;
    if (!isStale && now === mark) return 400;
    const mine = ++turn,
      reply = await server.lists({ have: tags }).catch(() => null);
    if (mine !== turn) return 1;
    if (!reply || reply.error) return 2000;
    mark = now;
    isStale = false;
    for (const [name, { tag, choices }] of Object.entries(reply)) {
      tags[name] = tag;
      lists = { ...lists, [name]: choices };
    }
    const isOther = fit();
    draw();
    if (isOther) {
      publish();
      trigger("input");
    }
    return 400;
  }

  function begin() {
    settings = structuredClone(props.value || {});
    sent = JSON.stringify(settings);
    fittedTo = methodsFitTo(fields, settings);
    problems = [];
    generation++;
    draw();
    isStale = true; // what was set from elsewhere may be newer than the lists
    turn++;
    poke();
  }

  /** Shows what is wrong beside the settings, in place of what was wrong before. */
  function showProblems() {
    problems = (props.problems || [])
      .map(({ path, text }) => ({ path: shownPath(fields, settings, path), text }))
      .filter(({ path }) => path.length);
    draw();
    if (problems.length) bringIntoView(controlOf(root, problems[0].path));
  }

  draw();
  const poke = constants.form.lists ? poll(root, refresh) : () => {};
  watch("value", () => {
    if (JSON.stringify(props.value || {}) !== sent) begin();
  });
  watch("problems", showProblems);
}

/**
 * The control of the setting that a path leads to: the first in its frame that can be wrong.
 * @param {HTMLElement} root
 * @param {string[]} path
 */
function controlOf(root, path) {
  const frames = path.map((name) => `[data-field="${CSS.escape(name)}"]`).join(" ");
  return /** @type {HTMLElement | null} */ (root.querySelector(`${frames} [aria-invalid]`));
}

/** @param {HTMLElement | null} control */
function bringIntoView(control) {
  for (let fold = control?.closest("details"); fold; fold = fold.parentElement?.closest("details")) fold.open = true;
  control?.focus();
}
