// @ts-nocheck
/* js_on_load of a form made of the fields of a spec, after its part `fields`. props: value ({field: what was set}; what is
   as usual need not be there), form ({fields, more, lists}). server.lists({have: {list: tag}}) gives {list: {tag,
   choices: [[label, value, tag?], …]}} for the lists that are not as they were.
   problems, set by the server after an attempt to start, are [{path, text}]: each is shown beside its setting, and the
   first is brought into view.
   Triggers 'input' after every change; a value set from elsewhere is drawn anew and left as it is. */
import { poll } from "../lib/polling.js";
import { shelf } from "../shelf/mark.js";
import { fieldControl, fitting, layout, usualMethod } from "./fields.js";

export function mount({ element, props, server, trigger, watch }) {
  const root = element.querySelector(".wb-form");
  const all = props.form.fields,
    fitted = all.filter((field) => field.fits);
  const tags = {}; // {list: which state of it this form has}
  const kept = {}; // {field: {method: what was set of it}}: it stays while another method is looked at

  let settings = clone(props.value || {}),
    lists = null,
    mark = null,
    stale = true,
    turn = 0;
  let sent = "",
    controls = [],
    drawn = null,
    suited = suitedNow();
  const fold = {};

  function clone(value) {
    return JSON.parse(JSON.stringify(value));
  }

  function draw() {
    controls = all.map((field) => fieldControl(field, settings, () => lists || {}, changed, kept));
    drawn = layout(all, controls, settings, fold, props.form.more);
    root.replaceChildren(...drawn.nodes);
  }

  function changed() {
    suit();
    drawn.update();
    publish();
    trigger("input");
  }

  function publish() {
    sent = JSON.stringify(settings);
    props.value = JSON.parse(sent);
  }

  /** What each method field was last made to fit. */
  function suitedNow() {
    return Object.fromEntries(fitted.map((field) => [field.name, settings[field.fits.field] ?? ""]));
  }

  /** Empty choices fill themselves; a method that cannot work on what was just chosen gives way to one that can. A method
   *  chosen by hand, or together with what it cannot work on, stays: the server says why. Says whether it set anything. */
  function suit() {
    const filled = new Set();
    for (const field of all) {
      const options = lists?.[field.list] || [];
      if (!field.first || settings[field.name] || !options.length) continue;
      settings[field.name] = options[0][1];
      filled.add(field.name);
    }
    let set = filled.size > 0;
    for (const field of fitted) {
      const on = settings[field.fits.field] ?? "";
      if (suited[field.name] === on) continue;
      suited[field.name] = on;
      if (filled.has(field.fits.field) && settings[field.name]) continue;
      const usual = usualMethod(field),
        fits = fitting(field, settings, lists || {});
      const fit = field.methods.filter((one) => !one.unavailable && fits(one.method)).map((one) => one.method);
      if (fits(settings[field.name]?.method ?? usual) || !fit.length) continue;
      const method = fit.includes(usual) ? usual : fit[0];
      settings[field.name] = { method, ...(kept[field.name]?.[method] || {}) };
      set = true;
    }
    controls.forEach((one) => one.refresh?.());
    return set;
  }

  async function refresh() {
    const now = shelf.mark;
    if (!stale && now === mark) return 400;
    const mine = ++turn,
      reply = await server.lists({ have: tags }).catch(() => null);
    if (mine !== turn) return 1;
    if (!reply || reply.error) return 2000;
    mark = now;
    stale = false;
    for (const [name, list] of Object.entries(reply)) {
      tags[name] = list.tag;
      lists = { ...lists, [name]: list.choices };
    }
    lists ||= {};
    if (suit()) {
      publish();
      trigger("input");
    }
    return 400;
  }

  function begin() {
    settings = clone(props.value || {});
    sent = JSON.stringify(settings);
    suited = suitedNow();
    draw();
    stale = true; // what was set from elsewhere may be newer than the lists
    turn++;
    poke();
  }

  /** Shows what is wrong beside the settings, in place of what was wrong before. */
  function showProblems(problems) {
    controls.forEach((one) => one.hush());
    const places = problems.map(({ path, text }) =>
      controls.find((one) => one.name === path[0])?.tell(path.slice(1), text),
    );
    const first = places.find(Boolean);
    if (!first) return;
    for (let around = first.closest("details"); around; around = around.parentElement.closest("details"))
      around.open = true;
    first.focus();
  }

  draw();
  const poke = props.form.lists ? poll(root, refresh) : () => {};
  watch("value", () => {
    if (JSON.stringify(props.value || {}) !== sent) begin();
  });
  watch("problems", () => showProblems(props.problems || []));
}
