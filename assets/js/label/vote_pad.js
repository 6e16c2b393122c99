/* VotePad: answers to judge, sides at random. Nothing here knows which model wrote what. */
import { outliving, storage, uuid } from "../lib/browser.js";
import { rootOf } from "../lib/component.js";
import { isVisible } from "../lib/dom.js";
import { poll, retryPause } from "../lib/polling.js";
import { createElement, render } from "../lib/preact.js";
import { missingParts, openRow } from "./ballot.js";
import { dropDraft, isEmpty, newDraft, readDraft, writeDraft } from "./drafts.js";
import { hasLetters, padActs } from "./pad_acts.js";
import { Pad } from "./pad_frame.js";
import { pressKey, rowStop } from "./pad_keys.js";
import { answerOf, attentionClock } from "./pad_server.js";
import { firstState } from "./pad_state.js";
import { isTyping, keyAction } from "./vote_keys.js";
import { translatePage, wordsOf } from "./words.js";

/** @import { Cast } from "./ballot.js" */
/** @import { DialogName, Reply, State } from "./pad_state.js" */
/** @import { WordTable } from "./words.js" */
/** @typedef {{ session: string, annotator: string }} Who */
/** @typedef {Who & Cast & { token: string, key: string, seconds: number, language: string }} CastVote */

const HOLD = 20000,
  IDLE = 3000,
  NEWS_CHARACTERS = 200;

/** @param {import("../lib/component.js").Scope<Who | null, { words: WordTable }>} scope */
export function mount({ element, props, server, watch }) {
  const root = rootOf(element, "wb-vote-pad");
  const state = firstState(props.words ?? {});
  let session = /** @type {string | null} */ (null),
    pending = /** @type {Reply | null} */ (null), // what comes after the feedback to a training question
    waiting = 0,
    since = 0,
    lost = 0,
    tries = 0,
    isKnown = false, // whether the server has found a pair to be this browser's, by its cookie
    isStarting = false;
  state.letters = hasLetters();
  const clock = attentionClock(element, () => Boolean(state.pair && !state.isPaused && !isReading()));

  /** Whether something else than the pair is read. */
  const isReading = () => Boolean(state.feedback) || (state.dialog !== "" && state.dialog !== "flag");

  /* ---- drawing ------------------------------------------------------------------------------------------- */

  /**
   * Draws what changed; the focus goes to `focus`, or stays in the pad when what had it is gone.
   * @param {Partial<State>} [changes]
   * @param {string} [focus]
   */
  function update(changes = {}, focus = "") {
    Object.assign(state, changes);
    if (changes.draft && state.pair && session) {
      writeDraft(storage, session, state.pair.token, state.draft);
      if (state.missing.length) state.missing = missingParts(state.ask, state.pair, state.draft);
    }
    const before = document.activeElement;
    const isInside = before instanceof HTMLElement && root.contains(before);
    render(createElement(Pad, { state, act }), root);
    root.lang = state.language;
    Object.assign(root.dataset, {
      item: state.pair?.token ?? "",
      waiting: String(waiting > 0),
      busy: String(state.busy),
      failed: String(Boolean(state.failed)),
      letters: state.letters ? "on" : "off",
    });
    clock.follow();
    const isLost = isInside && (!root.contains(document.activeElement) || before.matches(":disabled"));
    const next = focus ? root.querySelector(focus) : null;
    const target = next ?? (isLost ? root.querySelector("[data-anchor]") : null);
    if (target instanceof HTMLElement) target.focus({ preventScroll: !next });
  }

  /** @param {Reply} reply */
  function show(reply) {
    const before = state.pair?.token;
    const pair = reply.item || null;
    pending = null;
    waiting = pair ? 0 : Number(reply.wait) || 0;
    if (reply.words && reply.ask) {
      state.words = wordsOf(reply.words);
      state.language = reply.ask.language;
      translatePage(state.words);
    }
    const ask = reply.ask ?? state.ask;
    const draft = pair && session ? readDraft(storage, session, pair.token) : newDraft();
    const { words } = state;
    const hint = reply.can_undo && state.letters ? words("undo_hint") : "";
    const turn = pair?.prompt.at(-1)?.content ?? "";
    const isNew = pair?.token !== before;
    const isInRows = isNew && document.activeElement instanceof Element && document.activeElement.closest("[data-row]");
    // whoever began from the keyboard is in the field of a name still, where the pad's keys would be text
    const isInForm = isStarting && Boolean(document.activeElement?.closest("#annotator, #session"));
    if (pair) isStarting = false;
    if (isNew) clock.restart();
    since = performance.now();
    update(
      {
        ask,
        pair,
        draft,
        row: Math.max(0, openRow(ask, draft, 0)),
        current: -1,
        editing: "",
        feedback: null,
        failed: null,
        sent: "",
        missing: [],
        isPaused: false,
        canUndo: Boolean(reply.can_undo),
        note: reply.note ?? "",
        pace: reply.pace ?? state.pace,
        lines: pair ? null : [reply.title ?? "", reply.message ?? "", hint],
        hasBody: true,
        share: pair ? (pair.total ? Math.min(1, pair.done / pair.total) : 0) : 1,
        news: pair && isNew ? `${words("new_pair")} ${turn.slice(0, NEWS_CHARACTERS)}` : "",
      },
      isInRows ? rowStop(0) : isInForm && pair ? "[data-anchor]" : "",
    );
    poke();
    if (pair && ask.guidelines > Number(storage.get(readKey()) || 0)) openDialog("guidelines");
  }

  /**
   * Say what went wrong; what reached no server is tried again until one answers.
   * @param {Reply} reply
   * @param {() => void} again
   * @param {string} [choice] of the vote that waits
   */
  function fail({ error, unreached = false }, again, choice = "") {
    const failed = { text: error || state.words("not_saved"), again, choice, isRetrying: unreached };
    update({ failed, said: "", hasBody: true });
    if (!unreached) return;
    tries += 1;
    // what is said stays meanwhile, so that it is read aloud once
    setTimeout(() => {
      if (root.isConnected && state.failed === failed && !state.busy) again();
    }, retryPause(tries));
  }

  /* ---- talking to the server ----------------------------------------------------------------------------- */

  /** @returns {Who & { language: string }} */
  function who() {
    const { session = "", annotator = "" } = props.value ?? {};
    return { session, annotator, language: state.language };
  }

  const readKey = () => `workbench.guidelines.${session}`;

  /** @param {Promise<Reply | null>} call */
  async function ask(call) {
    const reply = await answerOf(call, state.words("no_answer"));
    if (!reply.unreached) tries = 0;
    return reply;
  }

  /**
   * Run a request; while one is under way, keys and buttons do nothing.
   * @param {(isCurrent: () => boolean) => Promise<void>} work
   */
  async function request(work) {
    if (state.busy) return;
    update({ busy: true });
    const asked = session;
    try {
      await work(() => asked === session);
    } finally {
      if (asked === session) update({ busy: false });
    }
  }

  function load() {
    return request(async (isCurrent) => {
      const reply = await ask(server.next_pair(who()));
      if (!isCurrent()) return;
      if (reply.error) fail(reply, load);
      else show(reply);
    });
  }

  /** @param {Cast} cast */
  function cast(cast) {
    if (state.busy || state.failed || state.feedback || state.isPaused || !state.pair) return;
    send({ ...who(), ...cast, token: state.pair.token, key: uuid(), seconds: clock.seconds() });
  }

  /**
   * Send a vote; a retry sends the very same one, so it cannot count twice.
   * @param {CastVote} vote
   * @returns {Promise<void>}
   */
  function send(vote) {
    return request(async (isCurrent) => {
      update({ sent: vote.choice });
      const reply = await ask(server.cast_vote(vote));
      if (!isCurrent()) return;
      if (reply.error || !reply.saved) {
        fail(reply, () => send(vote), vote.choice);
        return;
      }
      isKnown = true;
      dropDraft(storage, session ?? "");
      state.draft = newDraft();
      const { item, feedback } = reply;
      if (feedback) {
        pending = reply;
        update({ feedback, missing: [], editing: "", failed: null });
      } else after(reply);
      const { words } = state;
      update({ said: item ? words("saved_count", { done: item.done, total: item.total }) : words("saved") });
    });
  }

  /** What follows a vote. @param {Reply} reply */
  function after(reply) {
    show(reply);
    if (reply.next_error) fail({ error: reply.next_error }, load);
  }

  /** @param {number} [event] the latest vote without it */
  function undo(event) {
    if (state.busy || state.failed || state.feedback || !state.canUndo) return;
    const query = { key: uuid(), ...(event === undefined ? {} : { event }) };
    /** @returns {Promise<void>} */
    const attempt = () =>
      request(async (isCurrent) => {
        const reply = await ask(server.undo_vote({ ...who(), ...query }));
        if (!isCurrent()) return;
        if (reply.error) {
          fail(reply, attempt);
          return;
        }
        show(reply);
        update({ said: state.words("undone") });
      });
    attempt();
  }

  /** @param {DialogName} name */
  async function openDialog(name) {
    if (state.failed || (name === "flag" && (!state.pair || state.isPaused))) return;
    if (state.dialog) return closeDialog();
    const asked = session;
    if (name === "guidelines") {
      if (!state.ask.guidelines) return;
      const reply = await ask(server.guidelines(who()));
      if (asked !== session) return;
      const read = Number(storage.get(readKey()) || 0);
      if (!reply.error) storage.set(readKey(), String(reply.version ?? 0));
      const isChanged = read > 0 && read < Number(reply.version);
      update({ guidelines: reply.error || reply.text || "", guidelinesChanged: isChanged });
    }
    if (name === "own_votes") {
      const reply = await ask(server.own_votes(who()));
      if (asked !== session) return;
      if (reply.error) return update({ said: reply.error });
      update({ ownVotes: reply.votes ?? [] });
    }
    update({ dialog: name });
  }

  /** Closing gives the focus back to what had it, and then the dialog is taken away. */
  const closeDialog = () => root.querySelector("dialog")?.close();

  /* ---- what a person can do ------------------------------------------------------------------------------ */

  const act = padActs({
    state,
    update,
    cast,
    undo,
    load,
    open: openDialog,
    close: closeDialog,
    goOn() {
      if (pending) after(pending);
    },
  });

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (!root.isConnected) {
      leave();
      return;
    }
    if (!isVisible(element) || isTyping(event.target) || !session) return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.key.length === 1 && !state.letters) return;
    if (root.querySelector("dialog[open]")) {
      if (keyAction(event.key) === state.dialog) closeDialog();
    } else if (pressKey(event, { state, act, update })) event.preventDefault();
  }

  /* ---- the pair lies open here --------------------------------------------------------------------------- */

  /** The pair that is leased to this page. */
  const openToken = () => (pending ? pending.item?.token : state.pair?.token);

  /** While the pair is seen, tell the server, so that it goes to nobody else; while there is none, ask for one. */
  async function keep() {
    // a pair whose judge pauses stays theirs unless somebody else has no other
    if (!session || state.busy || state.failed || state.isPaused) return IDLE;
    if (waiting && performance.now() - since >= waiting * 1000 - 200) await load();
    if (waiting) return waiting * 1000;
    const token = openToken();
    if (!token) {
      // an end is not for good: the session is closed, or somebody takes a vote back
      if (!pending && performance.now() - since >= 1000) await load();
      return HOLD;
    }
    const age = performance.now() - since;
    if (isKnown && age < HOLD) return HOLD - age;
    const asked = session;
    const reply = await ask(server.hold_pair({ ...who(), token }));
    if (reply.held) [lost, isKnown] = [0, true];
    if (reply.held !== false || asked !== session || openToken() !== token || state.busy) return HOLD;
    lost += 1;
    if (lost > 2) {
      fail({ error: state.words("no_cookie") }, load);
      return IDLE;
    }
    if (pending) return HOLD;
    await load();
    if (!state.note) update({ said: state.words("pair_gone") });
    return HOLD;
  }

  /** Give the pair back when the page closes; one that something was entered for stays leased, since a reload closes. */
  function giveBack() {
    const token = openToken();
    if (!token || !props.value || !isEmpty(state.draft)) return;
    outliving(() => server.return_pair({ ...who(), token }).catch(() => {}));
    state.pair = null;
  }

  /**
   * A page that comes back as it was left has given its pair back.
   * @param {PageTransitionEvent} event
   */
  function onShow(event) {
    if (event.persisted && session) load();
  }

  function leave() {
    document.removeEventListener("keydown", onKey);
    window.removeEventListener("pagehide", giveBack);
    window.removeEventListener("pageshow", onShow);
    clock.stop();
  }

  /**
   * The pair of a session that is left goes back; under another name in the same one it stays open here.
   * @param {Who | null} value
   */
  function leaveSession(value) {
    const token = openToken();
    if (!token || !session || !isEmpty(state.draft)) return;
    const [name, annotator] = JSON.parse(session);
    if (name !== value?.session) server.return_pair({ session: name, annotator, token }).catch(() => {});
  }

  function start() {
    const value = props.value?.session ? props.value : null;
    const next = value ? JSON.stringify([value.session, value.annotator]) : "";
    if (next === session) return;
    leaveSession(value);
    session = next;
    isStarting = true;
    pending = null;
    waiting = 0;
    isKnown = false;
    closeDialog();
    const lines = value ? [state.words("loading")] : props.empty;
    const { ask } = firstState({});
    /** @type {Partial<State>} */
    const rest = { said: "", news: "", feedback: null, failed: null, isPaused: false, missing: [], dialog: "" };
    update({ ...rest, pair: null, ask, canUndo: false, busy: false, sent: "", lines, hasBody: false });
    if (value) load();
  }

  /** There is a login again: a vote that waits for it is sent as it was. */
  function onLogin() {
    if (!root.isConnected) {
      document.removeEventListener("wb-login", onLogin);
      return;
    }
    act.retry();
  }

  document.addEventListener("keydown", onKey);
  document.addEventListener("wb-login", onLogin);
  window.addEventListener("pagehide", giveBack);
  window.addEventListener("pageshow", onShow);
  const poke = poll(element, keep);
  watch("value", start);
  start();
}
