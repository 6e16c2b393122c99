/* VotePad: pairs of answers to judge, sides at random. Nothing here knows which model wrote what. */
import { outliving, uuid } from "../lib/browser.js";
import { rootOf } from "../lib/component.js";
import { isVisible } from "../lib/dom.js";
import { unreachedText } from "../lib/login.js";
import { poll } from "../lib/polling.js";
import { padFrame } from "./pad_frame.js";
import { isTyping, keyAction, keyName } from "./vote_keys.js";

/** @import { Pair, Vote } from "./pad_frame.js" */
/** @typedef {{ session: string, annotator: string }} Who */
/** @typedef {Who & { token: string, choice: Vote, key: string, seconds: number }} CastVote */
/**
 * What the server answers: `error`, or the pair and what may be done. `wait` is the seconds after which it is worth asking
 * again, 0 for never; `held` answers whether the pair still lies open here.
 * @typedef {{
 *   error?: string | null, item?: Pair | null, title?: string, message?: string, wait?: number, can_undo?: boolean,
 *   note?: string, saved?: boolean, next_error?: string, held?: boolean,
 * }} Reply
 */

const TIMEOUT = 10000,
  HOLD = 20000,
  IDLE = 3000;
const NO_COOKIE =
  "This pair is not known as yours: your browser does not send the cookie of this page. Allow it, then retry.";

/** @param {import("../lib/component.js").Scope<Who | null>} scope */
export function mount({ element, props, server, watch }) {
  const root = rootOf(element, "wb-vote-pad");
  let item = /** @type {Pair | null} */ (null),
    canUndo = false,
    since = 0,
    busy = false,
    failed = /** @type {{ again: () => void, choice: Vote | "" } | null} */ (null),
    session = /** @type {string | null} */ (null),
    waiting = 0,
    lost = 0;
  const frame = padFrame(root, { cast, undo });

  /* ---- talking to the server ----------------------------------------------------------------------------- */

  /** @returns {Who} */
  function who() {
    const { session = "", annotator = "" } = props.value ?? {};
    return { session, annotator };
  }

  /**
   * The server's answer, or one with `error` when there was none in time.
   * @param {Promise<Reply | null>} call
   * @returns {Promise<Reply>}
   */
  async function ask(call) {
    /** @type {Promise<Reply>} */
    const late = new Promise((resolve) =>
      setTimeout(() => resolve({ error: "The server did not answer in time." }), TIMEOUT),
    );
    const reply = await Promise.race([call.catch((error) => ({ error: String(error?.message || error) })), late]);
    return reply || { error: unreachedText() };
  }

  /**
   * Run a request; while one is under way, keys and buttons do nothing.
   * @param {(isCurrent: () => boolean) => Promise<void>} work
   */
  async function request(work) {
    if (busy) return;
    busy = true;
    refresh();
    const asked = session;
    try {
      await work(() => asked === session);
    } finally {
      if (asked === session) {
        busy = false;
        refresh();
      }
    }
  }

  function load() {
    return request(async (isCurrent) => {
      const reply = await ask(server.next_pair(who()));
      if (!isCurrent()) return;
      if (reply.error) fail(reply.error, load);
      else show(reply);
    });
  }

  /** @param {Vote} choice */
  function cast(choice) {
    if (busy || failed || !item) return;
    const seconds = Math.round(performance.now() - since) / 1000;
    send({ ...who(), token: item.token, choice, key: uuid(), seconds });
  }

  /**
   * Send a vote; a retry sends the very same one, so it cannot count twice.
   * @param {CastVote} vote
   * @returns {Promise<void>}
   */
  function send(vote) {
    return request(async (isCurrent) => {
      root.dataset.choice = vote.choice;
      const reply = await ask(server.cast_vote(vote));
      if (!isCurrent()) return;
      if (reply.error || !reply.saved) {
        fail(reply.error || "The vote was not saved.", () => send(vote), vote.choice);
        return;
      }
      const total = reply.item ? `  (${reply.item.done} of ${reply.item.total})` : "";
      show(reply);
      if (reply.next_error) fail(reply.next_error, load);
      frame.say(`Saved ✓${total}`);
    });
  }

  function undo() {
    if (busy || failed || !canUndo) return;
    const key = uuid();
    /** @returns {Promise<void>} */
    const attempt = () =>
      request(async (isCurrent) => {
        const reply = await ask(server.undo_vote({ ...who(), key }));
        if (!isCurrent()) return;
        if (reply.error) {
          fail(reply.error, attempt);
          return;
        }
        show(reply);
        frame.say("Undone. Vote again.");
      });
    attempt();
  }

  /* ---- the pair lies open here --------------------------------------------------------------------------- */

  /** While the pair is seen, tell the server, so that it goes to nobody else; while there is none, ask for one. */
  async function keep() {
    if (!session || busy || failed) return IDLE;
    if (waiting && performance.now() - since >= waiting * 1000 - 200) await load();
    if (waiting) return waiting * 1000;
    if (!item) {
      // an end is not for good: the session is closed, or somebody takes a vote back
      if (performance.now() - since >= 1000) await load();
      return HOLD;
    }
    const [asked, token] = [session, item.token];
    const reply = await ask(server.hold_pair({ ...who(), token }));
    if (reply.held) lost = 0;
    if (reply.held !== false || asked !== session || item?.token !== token || busy) return HOLD;
    lost += 1;
    if (lost > 2) {
      fail(NO_COOKIE, load);
      return IDLE;
    }
    await load();
    if (frame.note.hidden) frame.say("The pair before went to someone else; nothing was saved for it.");
    return HOLD;
  }

  /** Give the pair back when the page closes. */
  function giveBack() {
    const pair = item;
    if (!pair || !props.value) return;
    outliving(() => server.return_pair({ ...who(), token: pair.token }).catch(() => {}));
    item = null;
  }

  /**
   * A page that comes back as it was left has given its pair back.
   * @param {PageTransitionEvent} event
   */
  function onShow(event) {
    if (event.persisted && session) load();
  }

  /* ---- drawing ------------------------------------------------------------------------------------------- */

  /**
   * @param {string} text
   * @param {() => void} again
   * @param {Vote | ""} [choice] the vote that waits
   */
  function fail(text, again, choice = "") {
    failed = { again, choice };
    frame.say("");
    frame.drawError(text, choice, retryNow, () => {
      settle();
      load();
    });
    if (!item) frame.showBody();
    refresh();
  }

  function retryNow() {
    if (busy || !failed) return;
    const { again } = failed;
    settle();
    again();
  }

  function settle() {
    failed = null;
    delete root.dataset.choice;
    frame.error.replaceChildren();
    refresh();
  }

  /** @param {Reply} reply */
  function show(reply) {
    settle();
    item = reply.item || null;
    canUndo = Boolean(reply.can_undo);
    waiting = item ? 0 : Number(reply.wait) || 0;
    frame.remark(reply.note);
    Object.assign(root.dataset, { item: item?.token ?? "", waiting: String(waiting > 0) });
    if (item) frame.drawPair(item);
    else frame.drawEnd(reply.title ?? "", reply.message ?? "", canUndo);
    since = performance.now();
    poke();
    refresh();
  }

  function refresh() {
    Object.assign(root.dataset, { busy: String(busy), failed: String(Boolean(failed)) });
    frame.error.hidden = !failed;
    for (const node of frame.buttons) {
      const { choice } = node.dataset;
      node.disabled = Boolean(failed) || (choice === "undo" ? !canUndo : !item);
      node.classList.toggle("is-chosen", failed?.choice === choice || (busy && root.dataset.choice === choice));
    }
  }

  /* ---- keyboard ------------------------------------------------------------------------------------------ */

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (!root.isConnected) {
      leave();
      return;
    }
    if (!isVisible(element) || isTyping(event.target) || !session) return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (frame.scrolls(event) || (event.key.length === 1 && !frame.letters.isOn())) return;
    if (failed && keyName(event.key) === "r") {
      event.preventDefault();
      retryNow();
      return;
    }
    const choice = keyAction(event.key);
    if (!choice) return;
    event.preventDefault();
    if (choice === "undo") undo();
    else cast(choice);
  }

  function leave() {
    document.removeEventListener("keydown", onKey);
    window.removeEventListener("pagehide", giveBack);
    window.removeEventListener("pageshow", onShow);
  }

  /**
   * The pair of a session that is left goes back; under another name in the same one it stays open here.
   * @param {Who | null} value
   */
  function leaveSession(value) {
    if (!item || !session) return;
    const [name, annotator] = JSON.parse(session);
    if (name !== value?.session) server.return_pair({ session: name, annotator, token: item.token }).catch(() => {});
  }

  function start() {
    const value = props.value?.session ? props.value : null;
    const next = value ? JSON.stringify([value.session, value.annotator]) : "";
    if (next === session) return;
    leaveSession(value);
    session = next;
    item = null;
    canUndo = busy = false;
    waiting = 0;
    frame.say("");
    settle();
    frame.body.hidden = true;
    frame.showEmpty(value ? ["Loading …"] : props.empty);
    if (value) load();
  }

  /** There is a login again: a vote that waits for it is sent as it was. */
  function onLogin() {
    if (!root.isConnected) {
      document.removeEventListener("wb-login", onLogin);
      return;
    }
    retryNow();
  }

  document.addEventListener("keydown", onKey);
  document.addEventListener("wb-login", onLogin);
  window.addEventListener("pagehide", giveBack);
  window.addEventListener("pageshow", onShow);
  const poke = poll(element, keep);
  watch("value", start);
  start();
}
