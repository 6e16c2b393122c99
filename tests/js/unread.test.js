import assert from "node:assert/strict";
import test from "node:test";
import { ago, readRemembered, unread, withAllRead, withRead } from "../../assets/js/notices/unread.js";

/**
 * @param {string} id
 * @param {number} time
 * @returns {import("../../assets/js/notices/unread.js").Notice}
 */
const notice = (id, time) => ({ id, time, level: "ok", title: id, text: "", target: "job", name: id });
const all = [notice("c", 30), notice("b", 20), notice("a", 10)];

test("who comes for the first time has seen what was there", () => {
  for (const text of [null, "", "no JSON", "null", '{"until": "x"}', "[]"])
    assert.deepEqual(unread(all, readRemembered(text, all, 30)), []);
  assert.deepEqual(readRemembered(null, [], 30), { until: 28, ids: [] });
});

test("what is told late, of an earlier time than the newest seen, is new all the same", () => {
  const read = readRemembered(null, all, 30);
  const late = notice("late", 29.5);
  assert.deepEqual(unread([...all, late], read), [late]);
  assert.deepEqual(unread([...all, late], withAllRead([...all, late], read)), []);
});

test("what came since is new until it was seen, alone or with all", () => {
  const read = readRemembered(JSON.stringify({ until: 10, ids: [] }), all, 99);
  assert.deepEqual(unread(all, read), all.slice(0, 2));
  const one = withRead(read, all[0]);
  assert.deepEqual(unread(all, one), [all[1]]);
  const whole = withAllRead(all, one);
  assert.deepEqual(unread(all, whole), []);
  assert.deepEqual(unread([notice("d", 31), ...all], whole), [notice("d", 31)]);
  assert.deepEqual(withAllRead([], read), { until: 10, ids: [] });
});

test("only so many are remembered one by one", () => {
  let read = { until: 0, ids: /** @type {string[]} */ ([]) };
  for (let number = 0; number < 150; number++) read = withRead(read, notice(String(number), number));
  assert.equal(read.ids.length, 100);
  assert.equal(read.ids.at(-1), "149");
  assert.deepEqual(withRead(read, notice("149", 149)), read);
});

test("times are said as people say them, in their language", () => {
  const now = 1_000_000;
  assert.equal(ago(now + 5, now, "en"), "now");
  assert.equal(ago(now - 300, now, "en"), "5 minutes ago");
  assert.equal(ago(now - 7200, now, "en"), "2 hours ago");
  assert.equal(ago(now - 90_000, now, "en"), "yesterday");
  assert.equal(ago(now - 300, now, "de"), "vor 5 Minuten");
});
