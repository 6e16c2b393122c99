/* Part of VotePad: calls to the server, and the time a person has looked at the pair. */
import { isVisible } from "../lib/dom.js";
import { isWorthRetrying, unreachedText } from "../lib/login.js";
import { idleClock } from "./idle_clock.js";

/** @import { Reply } from "./pad_state.js" */

const TIMEOUT = 10000;
const SIGNS = ["keydown", "pointermove", "pointerdown", "wheel", "scroll", "touchstart"];

/**
 * The server's answer, or one with `error` when there was none in time; `unreached` if another try may bring one.
 * @param {Promise<Reply | null>} call
 * @param {string} lateText
 * @returns {Promise<Reply>}
 */
export async function answerOf(call, lateText) {
  /** @type {Promise<Reply>} */
  const late = new Promise((resolve) => {
    setTimeout(() => resolve({ error: lateText, unreached: true }), TIMEOUT);
  });
  const answered = call.catch((error) => {
    console.error(error);
    return null;
  });
  const reply = await Promise.race([answered, late]);
  return reply || { error: unreachedText(), unreached: isWorthRetrying() };
}

/**
 * The clock of the pad: it runs while `isShown()` and the page is visible, after signs of a person.
 * @param {HTMLElement} element
 * @param {() => boolean} isShown
 */
export function attentionClock(element, isShown) {
  const clock = idleClock(performance.now());
  const follow = () => clock.setSeen(isVisible(element) && isShown(), performance.now());
  const sign = () => {
    if (isVisible(element)) clock.noteInput(performance.now());
  };
  for (const name of SIGNS) document.addEventListener(name, sign, { capture: true, passive: true });
  document.addEventListener("visibilitychange", follow);
  return {
    follow,
    restart: () => clock.restart(performance.now()),
    seconds: () => clock.seconds(performance.now()),
    stop() {
      for (const name of SIGNS) document.removeEventListener(name, sign, { capture: true });
      document.removeEventListener("visibilitychange", follow);
    },
  };
}
