/* What is redrawn between the press and the release of a button or a row gets no click: the browser finds what was
   pressed gone. So the server's answers, which components draw, wait for the release. */

/** Milliseconds after which a press holds nothing up any more: its release was not seen. */
const LONGEST_MS = 10_000;
/** They open lists of the browser's own, which keep the release for themselves. */
const FIELDS = "select, input, textarea";

let release = () => {};
/** @type {Promise<void> | null} */
let press = null;

function ended() {
  setTimeout(release); // after the click, which follows the release at once
}

document.addEventListener(
  "pointerdown",
  (event) => {
    if (press || event.button !== 0) return; // a second finger, another button
    if (event.target instanceof Element && event.target.closest(FIELDS)) return;
    const done = new Promise((resolve) => {
      release = () => resolve(undefined);
    });
    const timer = setTimeout(release, LONGEST_MS);
    press = done.then(() => {
      clearTimeout(timer);
      press = null;
    });
  },
  true,
);
for (const end of ["pointerup", "pointercancel", "contextmenu", "dragend"]) document.addEventListener(end, ended, true);
window.addEventListener("blur", ended);

/**
 * The same value, when nothing is pressed.
 * @template T
 * @param {T} value
 */
export async function whenReleased(value) {
  while (press) await press;
  return value;
}
