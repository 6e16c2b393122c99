import assert from "node:assert/strict";
import test from "node:test";
import { cursorOf, merged, noConversation, pauseAfter } from "../../assets/js/chat/panes.js";

const head = { title: "poet", weights: "", note: "", color: "a", state: "waiting", error: "" };
const user = { role: "user", text: "Hello", stats: "" };
const whole = { edition: "e1", version: 3, busy: true, panes: [{ ...head, messages: [user] }] };

test("a whole reply takes the place of what there was", () => {
  const first = merged(noConversation(), whole);
  assert.deepEqual(first, { edition: "e1", version: 3, panes: whole.panes });
  assert.deepEqual(merged(first, { edition: "e2", version: 0, busy: false, panes: [] }).panes, []);
});

test("tails are added to the last message, further messages come after it", () => {
  let chat = merged(noConversation(), whole);
  const started = { ...head, state: "streaming", weights: "bf16" };
  const answer = { role: "assistant", text: "", stats: "" };
  chat = merged(chat, { version: 4, busy: true, changes: [{ pane: 0, head: started, stats: "", more: [answer] }] });
  chat = merged(chat, { version: 5, busy: true, changes: [{ pane: 0, tail: "On", stats: "1 token" }] });
  chat = merged(chat, { version: 6, busy: true, changes: [{ pane: 0, tail: "ce 🙂", stats: "2 tokens" }] });
  assert.deepEqual(chat.panes[0], {
    ...started,
    messages: [user, { role: "assistant", text: "Once 🙂", stats: "2 tokens" }],
  });
  assert.deepEqual(cursorOf(chat), { edition: "e1", version: 6, ends: [[2, 6]] });
});

test("a reply without changes changes only the version", () => {
  const chat = merged(noConversation(), whole);
  assert.deepEqual(merged(chat, { version: 9, busy: false }), { ...chat, version: 9 });
});

test("what was merged into is left as it was", () => {
  const chat = merged(noConversation(), whole);
  const before = structuredClone(chat);
  merged(chat, { version: 4, busy: true, changes: [{ pane: 0, tail: "!", stats: "" }] });
  assert.deepEqual(chat, before);
});

test("a pane without messages has an end too", () => {
  assert.deepEqual(cursorOf({ edition: "e", version: 1, panes: [{ ...head, messages: [] }] }).ends, [[0, 0]]);
});

test("it is asked often only while much comes", () => {
  const tail = /** @param {string} text */ (text) => ({ version: 1, busy: true, changes: [{ pane: 0, tail: text }] });
  assert.ok(pauseAfter(tail("x".repeat(40))) < pauseAfter(tail("x".repeat(20))));
  assert.ok(pauseAfter(tail("x".repeat(20))) < pauseAfter(tail("x")));
  assert.ok(pauseAfter({ version: 1, busy: false }) > pauseAfter({ version: 1, busy: true }));
});
