/* The look at the rows of a training: a button that begins it, then how far it is, and a button that stops it.
   server.rows({page, settings}) begins one and ends an older one of the same page, server.rows({page}) tells of it:
   {done, total, text}, or at its end {lines}, {error} or {stopped}; server.rows({page, stop}) ends it. */
import { button, h, setText } from "../lib/dom.js";
import { unreachedText } from "../lib/login.js";

const PAUSE_MILLISECONDS = 300;

/** @typedef {{ done?: number, total?: number, text?: string, lines?: string[], error?: string, stopped?: boolean }} State */

/**
 * @param {import("../lib/component.js").Scope["server"]} server
 * @param {(lines: string[], error: string) => void} show
 */
export function rowLook(server, show) {
  const page = `${Date.now()}-${Math.random()}`,
    begin = button("wb-button", "Look at the rows", start),
    end = button("wb-button", "Stop", stop),
    track = h("div", "wb-progress"),
    fill = h("i"),
    words = h("span"),
    under = h("div", "wb-check-look");
  track.setAttribute("role", "progressbar");
  track.setAttribute("aria-label", "Rows looked at");
  track.append(fill);
  under.append(words, track, end);
  under.hidden = true;
  /** Counts what was begun and stopped: replies to what came before are not for us any more. */
  let turn = 0;
  let settings = /** @type {(() => Record<string, unknown>) | null} */ (null);

  /** @param {State} state */
  function draw({ done = 0, total = 0, text = "" }) {
    const share = total ? Math.min(1, done / total) : 0;
    fill.style.width = `${(100 * share).toFixed(1)}%`;
    track.setAttribute("aria-valuenow", String(Math.floor(100 * share)));
    setText(words, total ? `${text}: ${done} of ${total}` : `${text}…`);
  }

  async function start() {
    if (!settings) return;
    const mine = ++turn;
    show([], "");
    draw({ text: "Looking at the rows" });
    setRunning(true);
    let state = await ask({ settings: settings() });
    while (mine === turn && !isOver(state)) {
      draw(state);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLISECONDS));
      if (mine === turn) state = await ask({});
    }
    if (mine !== turn) return;
    setRunning(false);
    show(state.lines || [], state.error || "");
  }

  /**
   * @param {Record<string, unknown>} query
   * @returns {Promise<State>}
   */
  const ask = (query) => server.rows({ page, ...query }).catch(() => ({ error: unreachedText() }));

  function stop() {
    if (under.hidden) return;
    turn += 1;
    setRunning(false);
    ask({ stop: true });
  }

  /** @param {boolean} isRunning */
  function setRunning(isRunning) {
    const hadFocus = document.activeElement === (isRunning ? begin : end);
    under.hidden = !isRunning;
    begin.hidden = isRunning || !settings;
    if (hadFocus) (isRunning ? end : begin).focus();
  }

  /**
   * Shows the button, or without settings nothing.
   * @param {(() => Record<string, unknown>) | null} given
   */
  function offer(given) {
    settings = given;
    setRunning(!under.hidden && !!given);
  }

  return { nodes: [begin, under], offer, stop };
}

/** @param {State} state */
const isOver = (state) => !!(state.lines || state.error || state.stopped);
