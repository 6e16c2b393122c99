/* The bell of the header: a count of what was not seen, a list of the latest, and words at the page's edge for what
   happens while somebody looks. props.asks names the function that gives {now, notices}, newest first;
   props.pause: seconds between two calls at least. Triggers 'input' with a job's notice as its value, 'submit' with a
   session's, 'select' with that of the bin. */
import { storage } from "../lib/browser.js";
import { rootOf } from "../lib/component.js";
import { button, h, setText } from "../lib/dom.js";
import { shelf } from "../shelf/mark.js";
import { isOutsideOn, outsideSwitch, tellOutside } from "./outside.js";
import { ago, readRemembered, unread, withAllRead, withRead } from "./unread.js";

/** @typedef {import("./unread.js").Notice} Notice */

const KEY = "workbench.notices";
const LOOK_MILLISECONDS = 400,
  HIDDEN_MILLISECONDS = 10_000,
  SHOWN_MILLISECONDS = 10_000,
  DUE_MILLISECONDS = 300_000; // what becomes due by the clock alone changes nothing else
const EVENTS = /** @type {const} */ ({ job: "input", session: "submit", bin: "select" });
const WORDS = { job: "Open it", session: "Vote", bin: "See the bin" };
const SIGNS = { ok: "✓", bad: "!", turn: "●" };

/**
 * Bring a part of the page into view, once the tab it lies in is shown.
 * @param {string} id
 */
function showSoon(id, tries = 20) {
  const node = document.getElementById(id);
  if (node?.checkVisibility()) node.scrollIntoView({ block: "center" });
  else if (tries) setTimeout(() => showSoon(id, tries - 1), 100);
}

/** @param {import("../lib/component.js").Scope<Notice | null, { asks: string, pause?: number }>} scope */
export function mount({ element, props, server, trigger }) {
  const root = rootOf(element, "wb-notice-bell");
  const count = h("span", "wb-notice-count"),
    bell = button("wb-notice-open", "", () => toggle(Boolean(panel.hidden)));
  const panel = h("div", "wb-notice-panel"),
    list = h("ul", "wb-notice-list"),
    none = h("p", "wb-hint", "What ends or waits for you is told here.");
  const toasts = h("div", "wb-notice-toasts");
  /** @type {Notice[]} */
  let notices = [];
  /** @type {import("./unread.js").Read | null} */
  let read = null;
  let now = 0,
    looked = /** @type {string | null} */ (null),
    lookedAt = 0;
  /** @type {Set<string>} */
  const told = new Set();

  bell.append(h("span", "wb-notice-icon"), count);
  bell.setAttribute("aria-expanded", "false");
  panel.setAttribute("role", "group");
  panel.setAttribute("aria-label", "Notices");
  toasts.setAttribute("role", "status");
  panel.hidden = true;
  panel.append(list, none, outsideSwitch());
  root.append(bell, panel);
  document.body.append(toasts); // above everything, and heard wherever the page is scrolled to

  function draw() {
    const fresh = read ? unread(notices, read).length : 0;
    setText(count, fresh || "");
    count.hidden = !fresh;
    bell.setAttribute("aria-label", fresh ? `Notices: ${fresh} new` : "Notices");
    bell.title = bell.getAttribute("aria-label") ?? "";
    none.hidden = notices.length > 0;
    list.replaceChildren(...notices.map(line));
  }

  /** @param {Notice} notice */
  function line(notice) {
    const node = h("li", `wb-notice is-${notice.level}`),
      open = button("wb-notice-line", "", () => go(notice));
    if (read && unread([notice], read).length) node.classList.add("is-new");
    open.append(...words(notice), h("span", "wb-notice-time", ago(notice.time, now)));
    node.append(open);
    return node;
  }

  /** @param {Notice} notice */
  function words(notice) {
    const sign = h("span", "wb-notice-sign", SIGNS[notice.level]);
    sign.setAttribute("aria-hidden", "true");
    return [sign, h("b", "", notice.title), ...(notice.text ? [h("span", "wb-notice-text", notice.text)] : [])];
  }

  /** @param {boolean} isOpen */
  function toggle(isOpen) {
    panel.hidden = !isOpen;
    bell.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen && read) remember(withAllRead(notices, read));
    draw();
  }

  /** @param {import("./unread.js").Read} next */
  function remember(next) {
    read = next;
    storage.set(KEY, JSON.stringify(next));
  }

  /** @param {Notice} notice */
  function go(notice) {
    if (read) remember(withRead(read, notice));
    toggle(false);
    props.value = notice;
    trigger(EVENTS[notice.target]);
    if (notice.target === "bin") showSoon("bin-table");
  }

  /** @param {Notice} notice */
  function tell(notice) {
    told.add(notice.id);
    if (document.hidden) {
      tellOutside(notice, () => go(notice));
      return;
    }
    const node = h("div", `wb-notice-toast is-${notice.level}`);
    const close = () => node.remove();
    node.append(
      ...words(notice),
      button("wb-link", WORDS[notice.target], () => {
        close();
        go(notice);
      }),
      button("wb-icon", "✕", close, "Dismiss"),
    );
    toasts.append(node);
    let left = setTimeout(close, SHOWN_MILLISECONDS); // time stands still while somebody reads it or is at its buttons
    const stay = () => clearTimeout(left);
    const leave = () => {
      stay();
      left = setTimeout(close, SHOWN_MILLISECONDS);
    };
    for (const event of ["pointerenter", "focusin"]) node.addEventListener(event, stay);
    for (const event of ["pointerleave", "focusout"]) node.addEventListener(event, leave);
  }

  async function look() {
    const answer = await server[props.asks]({});
    if (!answer?.notices) return;
    ({ now, notices } = answer);
    const first = read === null;
    read = readRemembered(storage.get(KEY), notices, now); // another tab may have shown some of them
    if (first) remember(read);
    const fresh = unread(notices, read).filter(({ id }) => !told.has(id));
    if (first) for (const { id } of fresh) told.add(id);
    else fresh.reverse().forEach(tell);
    draw();
  }

  async function turn() {
    if (!element.isConnected) {
      toasts.remove();
      return;
    }
    const mark = shelf.mark;
    const passed = Date.now() - lookedAt;
    const isNews = document.hidden ? isOutsideOn() : mark !== looked || passed > DUE_MILLISECONDS;
    if (isNews && passed >= 1000 * (props.pause ?? 0)) {
      looked = mark;
      lookedAt = Date.now();
      await look().catch(() => {
        looked = null;
      });
    }
    setTimeout(turn, document.hidden ? HIDDEN_MILLISECONDS : LOOK_MILLISECONDS);
  }

  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || panel.hidden) return;
    toggle(false);
    bell.focus();
  });
  document.addEventListener("pointerdown", ({ target }) => {
    if (!panel.hidden && target instanceof Node && !root.contains(target)) toggle(false);
  });
  draw();
  turn();
}
