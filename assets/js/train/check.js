/* What a training takes before it starts: memory as a bar against what is free, disk, rows that are cut off.
   value: {settings, fit}; `settings` are those of the form, and `fit` those a person asked for, which Python lays over
   them at 'input'. server.takes({settings}) answers at once, server.fit({settings}) gives settings that fit, and the look at
   the rows is what row_look.js shows. */
import { rootOf } from "../lib/component.js";
import { button, h, setText } from "../lib/dom.js";
import { unreachedText } from "../lib/login.js";
import { rowLook } from "./row_look.js";

/** @typedef {{ name: string, title: string, share: number, size: string }} Part */
/** @typedef {{ text: string, fits: boolean, free: number, parts: Part[], lines: string[] }} Takes */
/** @typedef {{ setting: string, title: string, before: string, after: string, reason: string }} Change */
/** @typedef {{ settings?: Record<string, unknown>, fit?: Record<string, unknown> }} Value */

const REST_MILLISECONDS = 250;

/** @param {import("../lib/component.js").Scope<Value>} scope */
export function mount({ element, props, server, trigger, watch }) {
  const root = rootOf(element, "wb-training-check");
  const verdict = h("p", "wb-check-verdict"),
    bar = h("div", "wb-check-bar"),
    list = h("ul", "wb-check-parts"),
    lines = h("ul", "wb-check-lines"),
    changes = h("ul", "wb-check-changes"),
    told = h("p", "wb-hint");
  const fit = button("wb-button wb-check-fit", "Make it fit", makeItFit);
  const look = rowLook(server, showRows);
  verdict.setAttribute("role", "status");
  changes.setAttribute("role", "status");
  bar.setAttribute("role", "img");
  root.append(h("h3", "wb-h", "Before the start"), verdict, bar, list, fit, changes, lines, ...look.nodes, told);
  let drawn = "",
    turn = 0,
    timer = 0;
  /** The settings that were made to fit, and whether the form has come to hold them. */
  let fitted = /** @type {Record<string, unknown>} */ ({}),
    hasArrived = false;

  const settings = () => props.value?.settings || {};

  function ask() {
    const now = JSON.stringify(settings());
    if (now === drawn) return;
    drawn = now;
    look.stop();
    clearTimeout(timer);
    timer = setTimeout(takes, REST_MILLISECONDS);
  }

  async function takes() {
    const mine = ++turn;
    const reply = await server.takes({ settings: settings(), names: Object.keys(fitted) }).catch(() => null);
    if (mine !== turn) return;
    if (reply?.values) followFitted(reply.values);
    setText(told, "");
    draw(reply?.parts ? reply : null, reply ? reply.error || reply.text || "" : unreachedText());
  }

  /**
   * Tells of what was changed as long as the form holds it; it may come there in several steps.
   * @param {Record<string, unknown>} values
   */
  function followFitted(values) {
    const isHeld = Object.entries(fitted).every(
      ([name, value]) => JSON.stringify(values[name]) === JSON.stringify(value),
    );
    if (hasArrived && !isHeld) {
      changes.replaceChildren();
      [fitted, hasArrived] = [{}, false];
    } else hasArrived = isHeld;
  }

  /**
   * @param {Takes | null} found
   * @param {string} text
   */
  function draw(found, text) {
    setText(verdict, found ? found.text : text);
    root.classList.toggle("is-short", found ? !found.fits : false);
    bar.hidden = list.hidden = !found;
    look.offer(found ? settings : null);
    fit.hidden = !found || found.fits;
    if (!found) {
      lines.replaceChildren();
      return;
    }
    bar.setAttribute("aria-label", found.text);
    bar.style.setProperty("--free", `${100 * found.free}%`);
    bar.replaceChildren(
      ...found.parts.map((part) => {
        const piece = h("i", `is-${part.name}`);
        piece.style.width = `${100 * part.share}%`;
        piece.title = `${part.title}: ${part.size}`;
        return piece;
      }),
    );
    list.replaceChildren(...found.parts.map((part) => listed(part)));
    lines.replaceChildren(...found.lines.map((line) => h("li", "", line)));
  }

  /** @param {Part} part */
  function listed(part) {
    const item = h("li"),
      mark = h("i", `is-${part.name}`);
    item.append(mark, h("span", "", part.title), h("b", "", part.size));
    return item;
  }

  /**
   * @param {string[]} found
   * @param {string} error
   */
  function showRows(found, error) {
    setText(told, error);
    if (found.length) lines.replaceChildren(...found.map((line) => h("li", "", line)));
  }

  async function makeItFit() {
    fit.disabled = true;
    const reply = await server.fit({ settings: settings() }).catch(() => null);
    fit.disabled = false;
    setText(told, reply ? reply.error || "" : unreachedText());
    if (!reply?.settings) return;
    changes.replaceChildren(
      ...reply.changes.map((/** @type {Change} */ change) =>
        h("li", "", `${change.title}: ${change.before} → ${change.after}. ${change.reason}`),
      ),
    );
    [fitted, hasArrived] = [reply.settings, false];
    props.value = { settings: settings(), fit: reply.settings };
    trigger("input");
  }

  draw(null, "");
  watch("value", ask);
  ask();
}
