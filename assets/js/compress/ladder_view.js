/* What is drawn of the ladder: the presets, the table of quantizers, and the settings of those that are ticked. */
import { SettingsSection } from "../forms/fields.js";
import { withSetting } from "../forms/settings.js";
import { classes, createElement, html, useRef } from "../lib/preact.js";
import { fileSize, rungProblem } from "./rungs.js";

/** @import { Field, Settings } from "../forms/settings.js" */
/** @import { Estimates, Rung } from "./rungs.js" */

/** @typedef {{ title: string, fields: Field[] }} LadderMethod */
/** @typedef {{ title: string, keys: string[], help: string }} Preset */
/**
 * @typedef {{
 *   groups: { id: string, title: string, note: string }[], rungs: Rung[], methods: Record<string, LadderMethod>,
 *   presets: Preset[],
 * }} Catalogue
 */
/** @typedef {{ model: string, chosen: Set<string>, settings: Record<string, Settings>, estimates: Estimates | null, isAllShown: boolean, problem: string, fitText: string }} LadderState */
/**
 * What a person does: tick one, take several in place of those chosen, have one found that fits, set what is set of a
 * method, see all.
 * @typedef {{
 *   choose: (key: string, isOn: boolean) => void, take: (keys: string[]) => void, fit: (gigabytes: number) => void,
 *   set: (method: string, settings: Settings) => void, showAll: () => void,
 * }} LadderActions
 */
/** @typedef {{ catalogue: Catalogue, state: LadderState, act: LadderActions }} LadderProps */

const COLUMNS = ["Chosen", "Quantizer", "Size", "Bits", "Notes"];
const NUMBERS = ["Size", "Bits"];

/** @param {LadderProps} props */
export function LadderView(props) {
  const { catalogue, state } = props;
  const chosen = catalogue.rungs.filter(({ key }) => state.chosen.has(key));
  const bytes = chosen.reduce((sum, { key }) => sum + (state.estimates?.rows[key]?.bytes || 0), 0);
  const picked = chosen.length ? `${chosen.length} chosen, ${fileSize(bytes)} together` : "None chosen";
  const original = state.estimates && `${state.model} itself: ${state.estimates.words}`;
  return html`
    ${createElement(Presets, props)}
    ${state.problem && html`<div class="wb-note is-error">${state.problem}</div>`}
    <div class="wb-table-box">${createElement(Table, props)}</div>
    <span class="wb-ladder-summary" role="status">${[picked, original].filter(Boolean).join(" · ")}</span>
    ${createElement(MethodSettings, { ...props, names: new Set(chosen.map(({ given }) => given.method)) })}
  `;
}

/** @param {LadderProps} props */
function Presets({ catalogue, state, act }) {
  const memory = useRef(/** @type {HTMLInputElement | null} */ (null));
  function fit() {
    const gigabytes = Number(memory.current?.value);
    if (gigabytes > 0) act.fit(gigabytes);
    else memory.current?.focus();
  }
  /** @param {KeyboardEvent} event */
  const onKey = ({ key }) => {
    if (key === "Enter") fit();
  };
  return html`<div class="wb-ladder-presets">
    ${catalogue.presets.map(
      ({ title, keys, help }) =>
        html`<button type="button" class="wb-button" title=${help} onClick=${() => act.take(keys)}>${title}</button>`,
    )}
    <span class="wb-ladder-fit">
      <button
        type="button"
        class="wb-button"
        title="The best that fits into this much memory, context included."
        onClick=${fit}
      >Fit into</button>
      <input
        type="number"
        class="wb-input is-number"
        min="0.05"
        step="any"
        defaultValue="4"
        aria-label="Gigabytes to fit into"
        ref=${memory}
        onKeyDown=${onKey}
      />
      <span class="wb-hint">GB</span>
    </span>
    <button type="button" class="wb-link" onClick=${() => act.take([])}>None</button>
    <div class="wb-hint wb-ladder-fitted">${state.fitText}</div>
  </div>`;
}

/** @param {LadderProps} props */
function Table({ catalogue, state, act }) {
  const bodies = catalogue.groups
    .map((group) => ({ ...group, rungs: catalogue.rungs.filter((rung) => rung.group === group.id) }))
    .filter(({ rungs }) => rungs.length);
  return html`<table class="wb-table wb-ladder-table">
    <thead>
      <tr>
        ${COLUMNS.map((title) =>
          title === "Chosen"
            ? html`<th class="wb-ladder-tick"><span class="wb-only-read">${title}</span></th>`
            : html`<th class=${NUMBERS.includes(title) && "is-number"}><span>${title}</span></th>`,
        )}
      </tr>
    </thead>
    ${bodies.map(({ id, title, note, rungs }) => {
      const more = rungs.filter((rung) => rung.more);
      return html`<tbody key=${id}>
        <tr class="wb-ladder-group"><th colspan="5"><b>${title}</b><span>${note}</span></th></tr>
        ${rungs.map((rung) => createElement(Row, { key: rung.key, rung, state, act }))}
        ${more.length > 0 && createElement(MoreRow, { rungs: more, isHidden: state.isAllShown, show: act.showAll })}
      </tbody>`;
    })}
  </table>`;
}

/**
 * What is seldom wanted, by name.
 * @param {{ rungs: Rung[], isHidden: boolean, show: () => void }} props
 */
function MoreRow({ rungs, isHidden, show }) {
  const names = rungs.map(({ name }) => name).join(", ");
  return html`<tr class="wb-ladder-more" hidden=${isHidden}>
    <td colspan="5">
      <button type="button" class="wb-link" onClick=${show}>${`${rungs.length} more: ${names}`}</button>
    </td>
  </tr>`;
}

/**
 * One quantizer: a tick, its name and what it is, then what it would make.
 * @param {{ rung: Rung, state: LadderState, act: LadderActions }} props
 */
function Row({ rung, state, act }) {
  const problem = rungProblem(rung, state.estimates),
    isChosen = state.chosen.has(rung.key),
    { bytes = 0, bits, notes = [] } = (!problem && state.estimates?.rows[rung.key]) || {};
  const text = problem || notes.join(" ");
  /** @param {MouseEvent & { target: HTMLElement }} event */
  function onClick({ target }) {
    if (problem || target.tagName === "INPUT" || String(getSelection())) return;
    act.choose(rung.key, !isChosen);
  }
  const share = bytes && state.estimates ? Math.min(1, bytes / state.estimates.bytes) : 0;
  return html`<tr
    class=${classes("wb-ladder-row", problem && "is-off", isChosen && "is-chosen")}
    hidden=${rung.more && !state.isAllShown && !isChosen}
    onClick=${onClick}
  >
    <td class="wb-ladder-tick">
      <input
        type="checkbox"
        aria-label=${rung.name}
        checked=${isChosen}
        disabled=${Boolean(problem)}
        onChange=${(/** @type {{ currentTarget: HTMLInputElement }} */ { currentTarget: box }) => act.choose(rung.key, box.checked)}
      />
    </td>
    <td class="wb-ladder-name"><label><b>${rung.name}</b><span title=${rung.what}>${rung.what}</span></label></td>
    <td class="is-number">
      <span>${bytes ? fileSize(bytes) : "–"}</span>
      <i class="wb-ladder-bar" hidden=${!bytes} style=${{ "--part": String(share) }} />
    </td>
    <td class="is-number">${bytes && bits ? bits.toFixed(bits < 10 ? 2 : 1) : "–"}</td>
    <td class="wb-ladder-notes"><span title=${text}>${text}</span></td>
  </tr>`;
}

/** @param {LadderProps & { names: Set<string> }} props */
function MethodSettings({ catalogue, state, act, names }) {
  const shown = Object.entries(catalogue.methods).filter(([name, { fields }]) => names.has(name) && fields.length);
  const context = { lists: {}, problems: [], kept: {} };
  return html`<details class="wb-log wb-ladder-settings" hidden=${!shown.length}>
    <summary>Settings</summary>
    <div class="wb-ladder-blocks">
      ${shown.map(([name, { title, fields }]) => {
        const values = state.settings[name] || {};
        return html`<div class="wb-ladder-block" key=${name}>
          ${createElement(SettingsSection, {
            title,
            head: html`<h3 class="wb-h">${title}</h3>`,
            fields,
            values,
            change: (setting, value) => act.set(name, withSetting(values, setting, value)),
            replace: (settings) => act.set(name, settings),
            context,
            path: [],
          })}
        </div>`;
      })}
    </div>
  </details>`;
}
