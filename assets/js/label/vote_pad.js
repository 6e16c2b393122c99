// @ts-nocheck
/* js_on_load of VotePad. props: value ({session, annotator}), empty. Nothing here knows which model wrote what. */
import { uuid } from "../lib/browser.js";
import { emptyState, h, isVisible, setText } from "../lib/dom.js";
import { unreachedText } from "../lib/login.js";
import { markdown } from "../lib/markdown.js";
import { poll } from "../lib/polling.js";
import { letterKeys } from "./letter_keys.js";

export function mount({ element, props, server, watch }) {
  const root = element.querySelector(".wb-vote-pad");
  const TIMEOUT = 10000,
    HOLD = 20000,
    IDLE = 3000;
  const NO_COOKIE =
    "This pair is not known as yours: your browser does not send the cookie of this page. Allow it, then retry.";
  const CHOICES = [
    ["left", "Left is better", "←"],
    ["tie", "Equally good", "↓"],
    ["both_bad", "Both bad", "B"],
    ["skip", "Skip", "S"],
    ["right", "Right is better", "→"],
  ];
  const KEYS = {
    ArrowLeft: "left",
    1: "left",
    a: "left",
    ArrowRight: "right",
    2: "right",
    l: "right",
    ArrowDown: "tie",
    t: "tie",
    b: "both_bad",
    s: "skip",
    u: "undo",
    Backspace: "undo",
  };

  let item = null,
    canUndo = false,
    since = 0,
    busy = false,
    failed = null,
    session = null,
    waiting = 0,
    lost = 0;
  const ui = build();

  function build() {
    const ui = { empty: h("div"), body: h("div", "wb-vote-body") };
    ui.progress = h("div", "wb-progress");
    ui.bar = h("i");
    ui.progress.append(ui.bar);
    ui.progress.setAttribute("role", "progressbar");
    ui.progress.setAttribute("aria-label", "Pairs judged");
    ui.count = h("span");
    ui.saved = h("span", "wb-vote-saved");
    ui.saved.setAttribute("role", "status");
    const top = h("div", "wb-vote-top");
    top.append(ui.count, ui.saved);
    ui.note = h("div", "wb-hint wb-vote-note");
    ui.prompt = scroller("wb-vote-prompt", "Prompt");
    ui.left = scroller("wb-vote-text", "Left answer");
    ui.right = scroller("wb-vote-text", "Right answer");
    const pair = h("div", "wb-vote-pair");
    pair.append(side("Left", ui.left), side("Right", ui.right));
    ui.error = h("div", "wb-error");
    ui.error.setAttribute("role", "alert");
    ui.buttons = buttons(ui);
    ui.letters = letterKeys(root);
    ui.body.append(top, ui.progress, ui.note, ui.prompt, pair, ui.error, ui.buttons, ui.letters.node);
    root.append(ui.empty, ui.body);
    return ui;
  }

  /** A box whose text the keyboard can scroll. */
  function scroller(className, label) {
    const node = h("div", className);
    node.tabIndex = 0;
    node.setAttribute("role", "group");
    node.setAttribute("aria-label", label);
    return node;
  }

  function side(name, text) {
    const node = h("section", "wb-vote-side");
    node.dataset.side = name.toLowerCase();
    node.append(h("h3", "wb-h", name), text);
    return node;
  }

  function button(choice, text, cap) {
    const node = h("button", `wb-vote-button is-${choice}`);
    node.type = "button";
    node.dataset.choice = choice;
    node.append(h("span", "", text), h("kbd", /\w/.test(cap) ? "is-letter" : "", cap));
    return node;
  }

  function buttons(ui) {
    const row = h("div", "wb-vote-buttons");
    for (const [choice, text, cap] of CHOICES) {
      const node = button(choice, text, cap);
      node.addEventListener("click", () => cast(choice));
      row.append(node);
    }
    ui.undo = button("undo", "Undo", "U");
    ui.undo.addEventListener("click", undo);
    row.append(ui.undo);
    return row;
  }

  /* ---- talking to the server ----------------------------------------------------------------------------- */

  function who() {
    return { session: props.value.session, annotator: props.value.annotator };
  }

  /** The server's answer, or an object with `error` when there was none in time. */
  async function ask(call) {
    const late = new Promise((resolve) =>
      setTimeout(() => resolve({ error: "The server did not answer in time." }), TIMEOUT),
    );
    const reply = await Promise.race([call.catch((error) => ({ error: String(error?.message || error) })), late]);
    return reply || { error: unreachedText() };
  }

  /** Run a request; while one is under way, keys and buttons do nothing. */
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
    return request(async (current) => {
      const reply = await ask(server.next_pair(who()));
      if (!current()) return;
      if (reply.error) fail(reply.error, load);
      else show(reply);
    });
  }

  function cast(choice) {
    if (busy || failed || !item) return;
    const seconds = Math.round(performance.now() - since) / 1000;
    send({ ...who(), token: item.token, choice, key: uuid(), seconds });
  }

  /** Send a vote; a retry sends the very same one, so it cannot count twice. */
  function send(vote) {
    return request(async (current) => {
      root.dataset.choice = vote.choice;
      const reply = await ask(server.cast_vote(vote));
      if (!current()) return;
      if (reply.error || !reply.saved) {
        fail(reply.error || "The vote was not saved.", () => send(vote), vote.choice);
        return;
      }
      const total = reply.item ? `  (${reply.item.done} of ${reply.item.total})` : "";
      show(reply);
      if (reply.next_error) fail(reply.next_error, load);
      setText(ui.saved, `Saved ✓${total}`);
    });
  }

  function undo() {
    if (busy || failed || !canUndo) return;
    const key = uuid();
    const attempt = () =>
      request(async (current) => {
        const reply = await ask(server.undo_vote({ ...who(), key }));
        if (!current()) return;
        if (reply.error) {
          fail(reply.error, attempt);
          return;
        }
        show(reply);
        setText(ui.saved, "Undone. Vote again.");
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
    if (ui.note.hidden) setText(ui.saved, "The pair before went to someone else; nothing was saved for it.");
    return HOLD;
  }

  /** Give the pair back when the page closes. Gradio's client cannot ask for a request that outlives its page. */
  function giveBack() {
    if (!item || !props.value) return;
    const plain = window.fetch;
    window.fetch = (url, options) => plain(url, { ...options, keepalive: true });
    try {
      server.return_pair({ ...who(), token: item.token }).catch(() => {});
    } finally {
      window.fetch = plain;
    }
    item = null;
  }

  /** A page that comes back as it was left has given its pair back. */
  function onShow(event) {
    if (event.persisted && session) load();
  }

  /* ---- drawing ------------------------------------------------------------------------------------------- */

  function fail(text, again, choice = "") {
    failed = { again, choice };
    setText(ui.saved, "");
    const name = (CHOICES.find(([known]) => known === choice) || [])[1];
    const retry = h("button", "wb-button is-primary", "Retry");
    retry.type = "button";
    retry.append(h("kbd", "is-letter", "R"));
    retry.addEventListener("click", retryNow);
    const drop = h("button", "wb-button", choice ? "Drop this vote and reload" : "Reload");
    drop.type = "button";
    drop.addEventListener("click", () => {
      settle();
      load();
    });
    const actions = h("div", "wb-vote-actions");
    actions.append(retry, drop);
    const kept = name ? `Not saved yet. Your choice “${name}” is kept.` : "";
    ui.error.replaceChildren(h("strong", "", text), h("div", "", kept), actions);
    if (!item) showBody();
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
    ui.error.replaceChildren();
    refresh();
  }

  function showBody() {
    ui.empty.hidden = true;
    ui.body.hidden = false;
  }

  function show(reply) {
    settle();
    item = reply.item || null;
    canUndo = Boolean(reply.can_undo);
    waiting = item ? 0 : Number(reply.wait) || 0;
    since = performance.now();
    setText(ui.note, reply.note);
    ui.note.hidden = !reply.note;
    root.dataset.item = item ? item.token : "";
    root.dataset.waiting = waiting > 0;
    if (item) drawItem();
    else drawEnd(reply);
    poke();
    refresh();
  }

  function fillBar(share) {
    ui.bar.style.width = `${(share * 100).toFixed(1)}%`;
    ui.progress.setAttribute("aria-valuenow", Math.floor(share * 100));
  }

  function drawItem() {
    showBody();
    ui.buttons.classList.remove("is-end");
    ui.body.classList.remove("is-end");
    ui.prompt.replaceChildren(
      ...(item.prompt || []).map((turn) => {
        const line = h("div", "wb-vote-turn");
        line.append(h("span", "wb-vote-role", turn.role), h("div", "wb-vote-content", turn.content));
        return line;
      }),
    );
    const left = markdown(item.left),
      right = markdown(item.right);
    ui.left.replaceChildren(left);
    ui.right.replaceChildren(right);
    ui.left.scrollTop = ui.right.scrollTop = ui.prompt.scrollTop = 0;
    const share = item.total ? Math.min(1, item.done / item.total) : 0;
    fillBar(share);
    const mine = item.remaining_for_you === undefined ? "" : `  ·  ${item.remaining_for_you} left for you`;
    setText(ui.count, `${item.done} of ${item.total} judged${mine}`);
    since = performance.now();
  }

  function drawEnd(reply) {
    fillBar(1);
    setText(ui.count, "");
    ui.body.classList.add("is-end");
    showBody();
    ui.empty.hidden = false;
    ui.empty.replaceChildren(
      emptyState([
        reply.title,
        reply.message,
        canUndo && ui.letters.isOn() ? "Press U to take back the last vote." : "",
      ]),
    );
  }

  function refresh() {
    root.dataset.busy = busy;
    root.dataset.failed = Boolean(failed);
    ui.error.hidden = !failed;
    for (const node of ui.buttons.children) {
      const choice = node.dataset.choice;
      node.disabled = Boolean(failed) || (choice === "undo" ? !canUndo : !item);
      node.classList.toggle("is-chosen", failed?.choice === choice || (busy && root.dataset.choice === choice));
    }
  }

  /* ---- keyboard ------------------------------------------------------------------------------------------ */

  function typing(target) {
    if (target?.type === "checkbox") return false;
    return target && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName || ""));
  }

  /** Arrows scroll a text that is longer than its box. */
  function scrolls({ target, key }) {
    const long = [ui.prompt, ui.left, ui.right].find((one) => one === target && one.scrollHeight > one.clientHeight);
    return Boolean(long) && key === "ArrowDown";
  }

  function onKey(event) {
    if (!root.isConnected) {
      leave();
      return;
    }
    if (!isVisible(element) || typing(event.target) || !session) return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (scrolls(event) || (event.key.length === 1 && !ui.letters.isOn())) return;
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (failed && name === "r") {
      event.preventDefault();
      retryNow();
      return;
    }
    const choice = KEYS[name];
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

  /** The pair of a session that is left goes back; under another name in the same one it stays open here. */
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
    setText(ui.saved, "");
    settle();
    ui.body.hidden = true;
    ui.empty.hidden = false;
    ui.empty.replaceChildren(emptyState(value ? ["Loading …"] : props.empty));
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
