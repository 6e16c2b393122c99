/* What is redrawn between the press and the release of a button or a row gets no click: the browser finds what was
   pressed gone. So the server's answers, which components draw, wait for the release. */

/** Milliseconds after which a press holds nothing up any more: its release was not seen. */
const LONGEST_MS = 10_000;
/** They open lists of the browser's own, which keep the release for themselves. */
const FIELDS = "select, input, textarea";

let release = () => {};
/** @type {Promise<void> | null} */
let press = null;

function begun() {
  if (press) return; // a second finger, a key that repeats
  /** @type {Promise<void>} */
  const done = new Promise((resolve) => {
    release = resolve;
  });
  const timer = setTimeout(release, LONGEST_MS);
  press = done.then(() => {
    clearTimeout(timer);
    press = null;
  });
}

function ended() {
  setTimeout(release); // after the click, which follows the release at once
}

/** @param {Event} event */
const isField = ({ target }) => Boolean(/** @type {Element | null} */ (target)?.closest?.(FIELDS));

/**
 * Follows the presses of mouse, finger and space bar.
 * @param {Document} page
 * @param {Window} window
 */
export function followPresses(page, window) {
  page.addEventListener("pointerdown", (event) => event.button === 0 && !isField(event) && begun(), true);
  page.addEventListener("keydown", (event) => event.key === " " && !isField(event) && begun(), true);
  for (const end of ["pointerup", "pointercancel", "contextmenu", "dragend", "keyup"])
    page.addEventListener(end, ended, true);
  window.addEventListener("blur", ended);
}

/**
 * The same value, when nothing is pressed.
 * @template T
 * @param {T} value
 */
export async function whenReleased(value) {
  while (press) await press;
  return value;
}
