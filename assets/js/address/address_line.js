/* AddressLine: the address says where one is, and opens it. Its own element holds one line, where an address leads to
   nothing. Opening a thing sets the value to {kind, key} and triggers 'input'.
   server.find({kind, name}), or server.find_session({name}) on the pages of one session each, gives {problem}. */

import { shownThings } from "../lib/address.js";
import { rootOf } from "../lib/component.js";
import { button, h } from "../lib/dom.js";
import { until } from "../lib/polling.js";
import { sessionPlaces } from "./session_places.js";
import { tabPlaces } from "./tab_places.js";

const OPENING_MS = 15_000;

/** @typedef {import("../lib/address.js").Place} Place */
/**
 * Where one can be: `asked` by the address, `now` in the page, the address of a place, and how its tabs are shown,
 * which gives what is wrong with them.
 * @typedef {{ asked: () => Place, now: () => Place | null, href: (place: Place) => string, title: (place: Place) => string,
 *   show: (place: Place) => Promise<string> }} Places
 */

/** @param {import("../lib/component.js").Scope<{ kind: string, key: string } | null, { page: string }>} scope */
export function mount({ element, props, server, trigger }) {
  const root = rootOf(element, "wb-address-line");
  const title = document.title;
  /** @type {Places} */
  const places = props.page ? sessionPlaces(props.page) : tabPlaces();
  /** What is being opened; the address is not touched before it is. @type {Place | null} */
  let opening = null;
  /** Whether a person did something since the address was written: only that makes a step to go back to. */
  let isActive = false,
    timer = 0;

  /** @param {string} text */
  function say(text) {
    root.replaceChildren();
    if (!text) return;
    const box = h("div", "wb-note is-warn", text);
    box.setAttribute("role", "status");
    box.append(button("wb-address-close", "×", () => say(""), "Close this line"));
    root.append(box);
  }

  /** @param {Place} place */
  async function open(place) {
    opening = place;
    say("");
    let problem = await places.show(place);
    const shown = shownThings.get(place.kind) ?? "";
    if (!problem && place.name && shown !== place.name) problem = await show(place);
    else if (props.page && !place.name && shown) choose(place);
    if (opening !== place) return; // another was asked for meanwhile
    say(problem);
    opening = null;
    isActive = false;
    write();
  }

  /** @param {Place} place */
  async function show(place) {
    const { kind, name } = place;
    const asked = props.page ? server.find_session({ name }) : server.find({ kind, name });
    const reply = await asked.catch(() => null);
    if (!reply || reply.error || reply.problem)
      return reply?.problem || reply?.error || "The server could not be reached.";
    choose(place);
    await until(() => shownThings.get(kind) === name, OPENING_MS);
    return "";
  }

  /** @param {Place} place */
  function choose({ kind, name }) {
    props.value = { kind, key: name };
    trigger("input");
  }

  function write() {
    clearTimeout(timer);
    if (opening) return;
    const place = places.now();
    if (!place) return;
    document.title = [place.name, places.title(place), title].filter(Boolean).join(" · ");
    const href = places.href(place);
    if (href === location.href) return;
    if (isActive && isStep(places.asked(), place)) {
      say("");
      history.pushState(null, "", href);
    } else history.replaceState(history.state, "", href);
    isActive = false;
  }

  /**
   * Whether going back from a place to the one before shows another: a tab shows the last thing until it has the next.
   * @param {Place} before
   * @param {Place} place
   */
  function isStep(before, place) {
    const isElsewhere = before.tab !== place.tab || before.section !== place.section;
    return isElsewhere || Boolean(props.page || (before.name && place.name));
  }

  /** A moment later: a tab and the thing in it are chosen one after the other. */
  function writeSoon() {
    clearTimeout(timer);
    timer = setTimeout(write, 120);
  }

  /** @param {Event} event */
  function act(event) {
    if (event.isTrusted) isActive = true;
  }

  window.addEventListener("popstate", () => open(places.asked()));
  document.addEventListener("wb-shown", writeSoon);
  document.addEventListener("pointerdown", act, true);
  document.addEventListener("keydown", act, true);
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[data-session]") : null;
    if (!(link instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.pushState(null, "", link.href);
    open(places.asked());
  });
  const changes = { subtree: true, attributes: true, attributeFilter: ["aria-selected"] };
  if (!props.page) new MutationObserver(writeSoon).observe(document.body, changes);
  open(places.asked());
}
