import { isVisible } from "./dom.js";

const LONGEST_PAUSE = 8000;

/**
 * Milliseconds to wait after so many tries in vain: twice as long each time, up to a limit, and at random, so that the
 * pages of many people do not all ask in the moment their server is back.
 * @param {number} tries from 1
 * @param {() => number} [random]
 */
export const retryPause = (tries, random = Math.random) =>
  Math.round(Math.min(LONGEST_PAUSE, 1500 * 2 ** (tries - 1)) * (0.2 + 0.8 * random()));

/**
 * Call `step` for as long as `element` is in the page and can be seen. `step` resolves to the pause in
 * milliseconds before its next call. Returns a function that makes the next call happen now.
 * @param {HTMLElement} element
 * @param {() => number | Promise<number>} step
 */
export function poll(element, step) {
  let timer = 0,
    running = false,
    again = false;
  async function tick() {
    clearTimeout(timer);
    if (!element.isConnected) return stop();
    if (running) {
      again = true;
      return;
    }
    let pause = 400;
    if (isVisible(element)) {
      running = true;
      try {
        pause = (await step()) || 1000;
      } catch (error) {
        console.error(error);
        pause = retryPause(1);
      }
      running = false;
    }
    if (again) {
      again = false;
      pause = 0;
    }
    timer = setTimeout(tick, pause);
  }
  function stop() {
    document.removeEventListener("wb-poke", tick);
    document.removeEventListener("visibilitychange", tick);
  }
  document.addEventListener("wb-poke", tick);
  document.addEventListener("visibilitychange", tick);
  tick();
  return tick;
}

/** Every live component asks the server now instead of at its next turn. */
export const pollNow = () => document.dispatchEvent(new Event("wb-poke"));

/**
 * Resolves to whether it came true in that time.
 * @param {() => unknown} isTrue
 * @param {number} milliseconds
 */
export async function until(isTrue, milliseconds) {
  for (const end = performance.now() + milliseconds; performance.now() < end; ) {
    if (isTrue()) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return Boolean(isTrue());
}
