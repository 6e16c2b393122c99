/* Part of DataSteps: one step of the recipe: its number, title, settings in short, what it did, and its form. */
import { SettingsSection } from "../forms/fields.js";
import { shortSettings } from "../forms/setting_words.js";
import { withSetting } from "../forms/settings.js";
import { button, h, setText, statusChip } from "../lib/dom.js";
import { formatDuration } from "../lib/format.js";
import { createElement, html, render } from "../lib/preact.js";
import { touchedPage } from "./touched_rows.js";

/** @import { Field, Lists, Settings } from "../forms/settings.js" */
/** @import { Content } from "../lib/preact.js" */
/** @import { Ask, Restore, What } from "./touched_rows.js" */
/** @typedef {Record<string, any> & { method: string, restored?: number[] }} Step */
/**
 * @typedef {{
 *   title: string, summary: string, more?: string, fields: Field[], kinds: string[], by_hand?: boolean,
 *   unavailable?: string,
 * }} StepInfo
 */
/** @typedef {{ step: number, field: string, message: string, remedy: string }} Problem */
/**
 * What a step did: rows given to it and left by it.
 * @typedef {Record<What | "given" | "left" | "added" | "seconds", number> & { notes?: string[], key: string }} Done
 */
/**
 * @typedef {{
 *   place: number, last: boolean, done: Done | null, state: "again" | "unsaved", problems: Problem[],
 * }} State
 */
/**
 * @typedef {{
 *   move: (by: number) => void, remove: () => void, changed: () => void, lists: () => Lists, ask: Ask, restore: Restore,
 * }} Act
 */

/** @type {[name: What, sign: string, words: string][]} */
const WHAT = [
  ["removed", "−", "rows taken out"],
  ["changed", "~", "rows changed"],
  ["flagged", "⚑", "rows flagged"],
];

/**
 * The row of one step. Returns {node, step, info, draw(state), …}: `done` of a state is what the step did, null if that
 * is not known.
 * @param {Step} step
 * @param {StepInfo} info
 * @param {Act} act
 */
export function stepRow(step, info, act) {
  const node = h("li", "wb-ds-step"),
    line = h("div", "wb-ds-line"),
    body = h("div", "wb-ds-body");
  const number = h("span", "wb-ds-number"),
    head = button("wb-ds-title", "", toggle),
    wrong = h("div", "wb-ds-problems");
  const title = h("b", "", info.title),
    short = h("span", "wb-ds-short"),
    counts = h("span", "wb-ds-counts");
  const up = button("wb-icon", "↑", () => act.move(-1), "Move up (Alt+↑)");
  const down = button("wb-icon", "↓", () => act.move(1), "Move down (Alt+↓)");
  const gone = button("wb-icon", "✕", act.remove, "Remove");
  const page = touchedPage({ ask: act.ask, restore: act.restore, close: () => look("") });
  const view = { node, step, info, head, up, down, draw, open: false };
  const kept = {}; // what was set of methods not chosen
  let problems = /** @type {Problem[]} */ ([]);
  for (const one of [up, down, gone]) one.setAttribute("aria-label", `${one.title.split(" (")[0]}: ${info.title}`);
  node.dataset.method = step.method;
  head.append(title, short);
  line.append(number, head, counts, up, down, gone);
  node.append(line, wrong, body, page.node);
  body.hidden = page.node.hidden = true;
  head.setAttribute("aria-expanded", "false");
  line.addEventListener("keydown", (event) => {
    if (!event.altKey || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    event.preventDefault();
    act.move(event.key === "ArrowUp" ? -1 : 1);
  });

  function toggle() {
    view.open = !view.open;
    drawForm();
    body.hidden = !view.open;
    head.setAttribute("aria-expanded", String(view.open));
  }

  /** The settings, and what there is to say of the step. They are drawn when they can be seen. */
  function drawForm() {
    if (!view.open) return;
    /** @param {Settings} values */
    function replace(values) {
      for (const { name } of info.fields) delete step[name];
      Object.assign(step, values);
      act.changed();
    }
    const fields = info.by_hand ? [] : info.fields;
    const { method: _, restored, ...values } = step;
    const section = createElement(SettingsSection, {
      title: info.title,
      head: html`<p class="wb-ds-about">${withLinks([info.summary, info.more].filter(Boolean).join(" "))}</p>`,
      fields,
      values,
      change: (name, value) => replace(withSetting(values, name, value)),
      replace,
      path: [],
      context: {
        lists: act.lists(),
        problems: problems.map((problem) => ({ path: [problem.field], text: sentence(problem) })),
        kept,
      },
    });
    const notes = [
      info.by_hand && "Rows are edited, deleted and added under Rows.",
      restored?.length && `${restored.length} rows are kept as they were.`,
      !fields.length && !info.by_hand && "It has no settings.",
    ];
    render([section, ...notes.map((text) => text && html`<p class="wb-ds-about">${text}</p>`)], body);
  }

  /** @param {What | ""} what */
  function look(what) {
    const shut = !what || (!page.node.hidden && page.what === what);
    page.node.hidden = shut;
    counts
      .querySelectorAll("button")
      .forEach((one) => one.setAttribute("aria-expanded", String(!shut && one.dataset.what === what)));
    if (!shut) page.show(what);
  }

  /** @param {State} shown */
  function draw({ place, last, done, state, problems: wrongs }) {
    problems = wrongs;
    setText(number, place + 1);
    setText(short, shortSettings(info, step));
    short.title = short.textContent;
    up.disabled = place === 0;
    down.disabled = last;
    node.classList.toggle("is-unsaved", state === "unsaved");
    drawCounts(done, state);
    drawForm();
    const named = new Set(info.by_hand ? [] : info.fields.map((field) => field.name));
    const rest = problems.filter((one) => !view.open || !named.has(one.field));
    const notes = (done?.notes ?? []).map((text) => h("div", "wb-ds-notes", text));
    wrong.replaceChildren(...rest.map((one) => h("div", "wb-note is-error", withField(info, one))), ...notes);
    if (!done) {
      page.node.hidden = true;
    }
  }

  /**
   * @param {State["done"]} done
   * @param {State["state"]} state
   */
  function drawCounts(done, state) {
    const key = JSON.stringify([done, state]);
    if (counts.dataset.key === key) return;
    counts.dataset.key = key;
    if (!done) {
      counts.replaceChildren(
        statusChip(state === "again" ? "idle" : "queued", state === "again" ? "runs again" : "not applied yet"),
      );
      return;
    }
    const open = page.node.hidden ? "" : page.what;
    const [given, left] = [done.given, done.left].map((number) => number.toLocaleString("en-US"));
    const flow = h("span", "wb-ds-flow", `${given} → ${left}`);
    const wanted = WHAT.filter(([name]) => done[name] || (step.restored?.length && name === open));
    const badges = wanted.map(([name, sign, words]) => {
      const one = button(
        `wb-ds-count is-${name}`,
        `${sign}${done[name].toLocaleString("en-US")}`,
        () => look(name),
        `${done[name].toLocaleString("en-US")} ${words}: show them`,
      );
      one.dataset.what = name;
      one.setAttribute("aria-expanded", String(name === open));
      one.setAttribute("aria-label", `${one.title} (${info.title})`);
      return one;
    });
    const more = document.createDocumentFragment();
    if (done.added)
      more.append(
        Object.assign(h("span", "wb-ds-count", `+${done.added.toLocaleString("en-US")}`), {
          title: `${done.added} rows added`,
        }),
      );
    counts.replaceChildren(flow, ...badges, more, h("span", "wb-ds-seconds", seconds(done.seconds)));
  }

  return view;
}

/** @param {Problem} problem */
export const sentence = (problem) => [problem.message, problem.remedy].filter(Boolean).join(" ");
/** @param {number} value */
const seconds = (value) => (value < 0.1 ? "<0.1 s" : value < 10 ? `${value.toFixed(1)} s` : formatDuration(value));

/**
 * A text, its addresses as links.
 * @param {string} text
 * @returns {Content[]}
 */
const withLinks = (text) =>
  text
    .split(/(https:\/\/[^\s,)]+[^\s,).])/)
    .map((words) =>
      words.startsWith("https://")
        ? html`<a href=${words} target="_blank" rel="noopener noreferrer">${words.slice(8)}</a>`
        : words,
    );

/**
 * @param {StepInfo} info
 * @param {Problem} problem
 */
function withField(info, problem) {
  const field = info.fields.find((one) => one.name === problem.field);
  return field ? `${field.label}: ${sentence(problem)}` : sentence(problem);
}
