// @ts-nocheck
/* js_on_load of ChatGrid. props: value ({chat: id}), empty. Texts come from server.poll, not from the value. */
import { copyText, storage, uuid } from "../lib/browser.js";
import { emptyState, h, setText } from "../lib/dom.js";
import { markdown } from "../lib/markdown.js";
import { poll } from "../lib/polling.js";

export function mount({ element, props, server, watch }) {
  const root = element.querySelector(".wb-chat-grid");
  const KEY = "workbench.chat";
  const shown = { chat: "", version: -1, busy: false, panes: [] };

  /** A chat belongs to a browser: its id is remembered there and becomes the component's value. */
  function claim() {
    if (props.value?.chat) return;
    const chat = storage.get(KEY) || uuid();
    storage.set(KEY, chat);
    props.value = { chat };
  }

  function pane() {
    const node = h("section", "wb-pane");
    const head = h("header", "wb-pane-head");
    const title = h("div", "wb-pane-title");
    const mark = h("i", "wb-pane-mark");
    const name = h("b");
    title.append(mark, name);
    const weights = h("div", "wb-pane-weights");
    const note = h("div", "wb-hint");
    head.append(title, weights, note);
    const list = h("div", "wb-pane-list");
    const status = h("div", "wb-pane-status");
    node.append(head, list, status);
    const view = { node, name, weights, note, list, status, messages: [], follow: true };
    list.addEventListener("scroll", () => {
      view.follow = list.scrollHeight - list.scrollTop - list.clientHeight < 30;
    });
    return view;
  }

  function message(role) {
    const node = h("div", `wb-msg is-${role === "user" ? "user" : "assistant"}`);
    const body = h("div", "wb-msg-body");
    node.append(body);
    const view = { node, body, role, text: null, stats: null };
    if (role !== "user") node.append(footer(view));
    return view;
  }

  function footer(view) {
    const line = h("div", "wb-msg-foot");
    view.statsNode = h("span", "wb-hint");
    const copy = h("button", "wb-copy", "Copy");
    copy.type = "button";
    copy.addEventListener("click", async () => {
      setText(copy, (await copyText(view.text || "")) ? "Copied" : "Could not copy");
      setTimeout(() => setText(copy, "Copy"), 1200);
    });
    line.append(view.statsNode, copy);
    return line;
  }

  function fill(view, data) {
    if (view.text !== data.text) {
      view.text = data.text || "";
      if (view.role === "user") setText(view.body, view.text);
      else view.body.replaceChildren(markdown(view.text));
    }
    if (view.statsNode) setText(view.statsNode, data.stats || "");
  }

  const STATES = { waiting: "Waiting for its turn …", stopped: "Stopped", streaming: "" };

  function drawPane(view, data) {
    view.node.dataset.state = data.state || "idle";
    view.node.dataset.color = /^[a-d]$/.test(data.color) ? data.color : "a";
    setText(view.name, data.title);
    setText(view.weights, data.weights);
    view.weights.title = data.weights || "";
    setText(view.note, data.note);
    const messages = data.messages || [];
    while (view.messages.length > messages.length) view.messages.pop().node.remove();
    messages.forEach((item, i) => {
      if (view.messages[i] && view.messages[i].role !== item.role) {
        view.messages.splice(i).forEach((old) => old.node.remove());
      }
      if (!view.messages[i]) {
        view.messages[i] = message(item.role);
        view.list.append(view.messages[i].node);
      }
      fill(view.messages[i], item);
    });
    const streaming = data.state === "streaming";
    view.messages.forEach((item, i) =>
      item.node.classList.toggle("is-streaming", streaming && i === messages.length - 1 && item.role !== "user"),
    );
    view.status.className = data.state === "error" ? "wb-error" : "wb-pane-status";
    setText(
      view.status,
      data.state === "error" ? data.error || "This model could not answer." : STATES[data.state] || "",
    );
    view.status.hidden = !view.status.textContent;
    if (view.follow) view.list.scrollTop = view.list.scrollHeight;
  }

  function draw(panes) {
    if (!panes.length) {
      shown.panes = [];
      root.replaceChildren(emptyState(props.empty));
      return;
    }
    if (!shown.panes.length) root.replaceChildren();
    while (shown.panes.length > panes.length) shown.panes.pop().node.remove();
    panes.forEach((data, i) => {
      if (!shown.panes[i]) {
        shown.panes[i] = pane();
        root.append(shown.panes[i].node);
      }
      drawPane(shown.panes[i], data);
    });
    root.dataset.columns = panes.length;
  }

  async function step() {
    claim();
    const chat = props.value.chat;
    if (chat !== shown.chat) Object.assign(shown, { chat, version: -1 });
    const reply = await server.poll({ chat, version: shown.version }).catch(() => undefined);
    root.classList.toggle("is-offline", !reply || reply.version === undefined);
    if (!reply || reply.version === undefined || chat !== props.value?.chat) return 1000;
    shown.busy = Boolean(reply.busy);
    if (reply.panes) {
      shown.version = reply.version;
      draw(reply.panes);
    }
    Object.assign(root.dataset, { version: shown.version, busy: shown.busy });
    return shown.busy ? 100 : 1000;
  }

  claim();
  draw([]);
  const wake = poll(element, step);
  watch("value", () => {
    claim();
    wake();
  });
}
