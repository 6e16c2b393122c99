/* ChatGrid: answers of up to four models side by side. Its value is {chat: id}; texts come from server.poll, which sends
   only what is new to this page, not from the value. */
import { copyText } from "../lib/browser.js";
import { rootOf } from "../lib/component.js";
import { button, emptyState, h, setText } from "../lib/dom.js";
import { markdown } from "../lib/markdown.js";
import { poll } from "../lib/polling.js";
import { deviceNotice } from "./device_notice.js";
import { chatId } from "./identity.js";
import { cursorOf, merged, noConversation, pauseAfter } from "./panes.js";

/** @import { Message, PaneData } from "./panes.js" */
/** @typedef {ReturnType<typeof messageView>} MessageView */
/** @typedef {ReturnType<typeof paneView>} PaneView */

const STATES = new Map([
  ["waiting", "Waiting for its turn …"],
  ["stopped", "Stopped"],
]);

function paneView() {
  const node = h("section", "wb-pane"),
    head = h("header", "wb-pane-head"),
    title = h("div", "wb-pane-title"),
    name = h("h3"),
    weights = h("div", "wb-pane-weights"),
    note = h("div", "wb-hint"),
    list = h("div", "wb-pane-list"),
    status = h("div", "wb-pane-status");
  title.append(h("i", "wb-pane-mark"), name);
  head.append(title, weights, note);
  list.setAttribute("role", "log");
  list.tabIndex = 0;
  node.append(head, list, status);
  const view = { node, name, weights, note, list, status, messages: /** @type {MessageView[]} */ ([]), follow: true };
  list.addEventListener("scroll", () => {
    view.follow = list.scrollHeight - list.scrollTop - list.clientHeight < 30;
  });
  return view;
}

/** @param {string} role */
function messageView(role) {
  const node = h("div", `wb-msg is-${role === "user" ? "user" : "assistant"}`),
    body = h("div", "wb-msg-body"),
    stats = h("span", "wb-hint"),
    foot = h("div", "wb-msg-foot");
  const view = { node, body, stats, role, text: /** @type {string | null} */ (null) };
  const copy = button("wb-copy", "Copy", async () => {
    setText(copy, (await copyText(view.text || "")) ? "Copied" : "Could not copy");
    setTimeout(() => setText(copy, "Copy"), 1200);
  });
  node.append(body);
  foot.append(stats, copy);
  if (role !== "user") node.append(foot);
  return view;
}

/**
 * @param {MessageView} view
 * @param {Message} message
 */
function drawMessage(view, { text, stats }) {
  if (view.text !== text) {
    view.text = text;
    if (view.role === "user") setText(view.body, text);
    else view.body.replaceChildren(markdown(text));
  }
  setText(view.stats, stats);
}

/**
 * @param {PaneView} view
 * @param {PaneData} pane
 */
function drawPane(view, pane) {
  const { messages } = pane,
    isStreaming = pane.state === "streaming";
  view.node.dataset.state = pane.state || "idle";
  view.node.dataset.color = /^[a-d]$/.test(pane.color) ? pane.color : "a";
  setText(view.name, pane.title);
  setText(view.weights, pane.weights);
  view.weights.title = pane.weights;
  setText(view.note, pane.note);
  const same = view.messages.findIndex(({ role }, index) => role !== messages[index]?.role);
  if (same >= 0) for (const old of view.messages.splice(same)) old.node.remove();
  for (const message of messages.slice(view.messages.length)) {
    const added = messageView(message.role);
    view.messages.push(added);
    view.list.append(added.node);
  }
  view.messages.forEach((one, index) => {
    drawMessage(one, messages[index]);
    one.node.classList.toggle("is-streaming", isStreaming && index === messages.length - 1 && one.role !== "user");
  });
  view.list.setAttribute("aria-busy", String(isStreaming)); // an answer is read aloud when it is whole
  const failed = pane.state === "error";
  view.status.setAttribute("role", failed ? "alert" : "status");
  view.status.className = failed ? "wb-error" : "wb-pane-status";
  setText(view.status, failed ? pane.error || "This model could not answer." : STATES.get(pane.state));
  view.status.hidden = !view.status.textContent;
  if (view.follow) view.list.scrollTop = view.list.scrollHeight;
}

/** @param {import("../lib/component.js").Scope<{ chat: string } | null>} scope */
export function mount({ element, props, server, watch }) {
  const root = rootOf(element, "wb-chat-grid");
  let chat = "",
    conversation = noConversation();
  /** @type {PaneView[]} */
  let views = [];

  const notice = deviceNotice((how, job) => server.act({ chat, how, job }).catch(() => null));
  root.before(notice.node);

  /** A chat belongs to a browser: its id is remembered there and becomes the component's value. */
  function claim() {
    if (props.value?.chat) return props.value.chat;
    props.value = { chat: chatId() };
    return props.value.chat;
  }

  /** @param {PaneData[]} panes */
  function draw(panes) {
    if (!panes.length) {
      views = [];
      root.replaceChildren(emptyState(props.empty));
      return;
    }
    if (!views.length) root.replaceChildren();
    for (const old of views.splice(panes.length)) old.node.remove();
    while (views.length < panes.length) {
      const view = paneView();
      views.push(view);
      root.append(view.node);
    }
    panes.forEach((pane, index) => {
      drawPane(views[index], pane);
    });
    root.dataset.columns = String(panes.length);
  }

  async function step() {
    const asked = claim();
    if (asked !== chat) [chat, conversation] = [asked, noConversation()];
    const reply = await server.poll({ chat, ...cursorOf(conversation) }).catch(() => undefined);
    root.classList.toggle("is-offline", reply?.version === undefined);
    if (reply?.version === undefined || asked !== props.value?.chat) return 1000;
    conversation = merged(conversation, reply);
    notice.draw(reply.device);
    if (reply.panes || reply.changes) draw(conversation.panes);
    Object.assign(root.dataset, { version: reply.version, busy: reply.busy });
    return pauseAfter(reply);
  }

  claim();
  draw([]);
  const wake = poll(element, step);
  watch("value", () => {
    claim();
    wake();
  });
}
