/* A tab that is opened for the first time is shown when its parts have arrived, all of them at once: as they come one
   after another, each moves what stands beneath it, and a press that began on a button ends beside it.

   Until then its parts are laid out and can be reached by keyboard, but are neither seen nor pressed. */

import { shelf } from "../shelf/mark.js";
import { isVisible } from "./dom.js";

const STILL_FRAMES = 4;
/** Milliseconds a server that does not answer a call, or parts that never come to rest, keep a tab from sight. */
const CALL_MS = 3000,
  LONGEST_MS = 12_000;
const CONTROLS = "button, input, select, textarea, summary";

/** Whether the tab that comes with the page is not shown yet. */
let isFirst = true;
/** What is under way: since when, and for which part of the page; null where that is not known. */
const waiting = /** @type {Set<{ since: number, part: Element | null }>} */ (new Set());
const opened = /** @type {WeakSet<Element>} */ (new WeakSet());

/**
 * Holds the tab of this part until something has come, if it is being opened.
 * @template T
 * @param {Promise<T>} coming
 * @param {Element | null} part
 */
export async function awaited(coming, part) {
  const one = { since: performance.now(), part };
  waiting.add(one);
  try {
    return await coming;
  } finally {
    waiting.delete(one);
  }
}

/** @param {Element} panel */
function isWaiting(panel) {
  if (shelf.mark === null && document.querySelector(".wb-pulse")) return true; // what every list offers is to come
  const late = performance.now() - CALL_MS;
  return [...waiting].some(({ since, part }) => since > late && (!part || panel.contains(part)));
}

/** @param {Element} panel */
function placesOf(panel) {
  const boxes = [...panel.querySelectorAll(CONTROLS)].map((control) => control.getBoundingClientRect());
  return boxes.map(({ left, top }) => `${Math.round(left)},${Math.round(top + window.scrollY)}`).join(" ");
}

/** @param {HTMLElement} panel */
async function settle(panel) {
  panel.classList.add("is-settling");
  panel.setAttribute("aria-busy", "true");
  const until = performance.now() + LONGEST_MS;
  for (let still = 0, places = ""; still < STILL_FRAMES && performance.now() < until; ) {
    await new Promise(requestAnimationFrame);
    if (!isVisible(panel)) {
      opened.delete(panel); // it was left before it had come: the next time is its first
      break;
    }
    const now = placesOf(panel);
    still = isWaiting(panel) || now !== places ? 0 : still + 1;
    places = now;
  }
  panel.classList.remove("is-settling");
  panel.removeAttribute("aria-busy");
}

/**
 * Watches for tabs that are opened; before the browser draws them, they are held. `settled` is called when the first,
 * which comes with the page, has been shown.
 * @param {() => void} settled
 */
export function holdOpenedTabs(settled) {
  const panels = document.getElementsByClassName("tabitem");
  async function hold() {
    const fresh = [...panels].filter((panel) => !opened.has(panel) && isVisible(/** @type {HTMLElement} */ (panel)));
    for (const panel of fresh) opened.add(panel);
    await Promise.all(fresh.map((panel) => settle(/** @type {HTMLElement} */ (panel))));
    if (isFirst && fresh.length) {
      isFirst = false;
      settled();
    }
  }
  const changes = { subtree: true, childList: true, attributes: true, attributeFilter: ["style"] };
  new MutationObserver(hold).observe(document.body, changes);
  hold();
  document.documentElement.classList.remove("is-starting"); // set in theme.js, before there is a tab
}

/* Events of Gradio's own fill parts, too, and do not say which; those of a page that has just come are for tabs that
   are not opened yet. */
const call = window.fetch;
window.fetch = (input, init) => {
  const reply = call(input, init);
  const isEvent = String(input instanceof Request ? input.url : input).includes("/run/");
  return isEvent && !isFirst ? awaited(reply, null) : reply;
};
