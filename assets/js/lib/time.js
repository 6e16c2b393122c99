/* Moments in the reader's language and time zone. <wb-time datetime="2026-11-29T17:44:00+00:00"> says one; what it held
   before, written for those without scripts, gives way. */
import { h, setText } from "./dom.js";

/**
 * A moment as 'Nov 29, 17:44' would be said in the locale; the year only where it is not this one. '' for none.
 * @param {string} moment ISO 8601 with its offset
 * @param {{ locale?: string, timeZone?: string, now?: Date }} [reader]
 */
export function shortTime(moment, { locale, timeZone, now = new Date() } = {}) {
  const date = new Date(moment);
  if (Number.isNaN(date.getTime())) return "";
  /** @param {Date} one */
  const year = (one) => new Intl.DateTimeFormat("en", { year: "numeric", timeZone }).format(one);
  return new Intl.DateTimeFormat(locale, {
    ...(year(date) === year(now) ? {} : { year: "numeric" }),
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    timeZone,
  }).format(date);
}

/** @param {string} moment */
const wholeTime = (moment) =>
  new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" }).format(new Date(moment));

class LocalTime extends (globalThis.HTMLElement ?? Object) {
  static observedAttributes = ["datetime"];

  connectedCallback() {
    this.draw();
    // a list that is drawn anew takes this element over, and puts back what it held before
    new MutationObserver(() => {
      if (!this.querySelector("time")) this.draw();
    }).observe(this, { childList: true });
  }

  attributeChangedCallback() {
    if (this.isConnected) this.draw();
  }

  draw() {
    const moment = this.getAttribute("datetime") ?? "",
      text = shortTime(moment);
    if (!text) return; // what stands there already says it
    const node = this.querySelector("time") ?? h("time");
    node.dateTime = moment;
    node.title = wholeTime(moment);
    setText(node, text);
    if (!node.isConnected) this.replaceChildren(node);
  }
}

/** @param {string} moment */
export function timeNode(moment) {
  const node = document.createElement("wb-time");
  node.setAttribute("datetime", moment);
  return node;
}

/** Makes the element known; called once a page. */
export function defineTime() {
  if (!customElements.get("wb-time")) customElements.define("wb-time", LocalTime);
}
