import assert from "node:assert/strict";
import test from "node:test";
import { shortTime } from "../../assets/js/lib/time.js";

const reader = { locale: "en-GB", timeZone: "Europe/Berlin", now: new Date("2026-12-31T12:00:00Z") };

test("a moment is said in the reader's zone and language", () => {
  assert.equal(shortTime("2026-11-29T17:44:00+00:00", reader), "29 Nov, 18:44");
  assert.equal(shortTime("2026-11-29T17:44:00+00:00", { ...reader, timeZone: "Asia/Tokyo" }), "30 Nov, 02:44");
  assert.equal(shortTime("2026-11-29T17:44:00Z", { ...reader, locale: "de" }), "29. Nov., 18:44");
});

test("the year is said where it is not the reader's own", () => {
  assert.equal(shortTime("2025-11-29T17:44:00Z", reader), "29 Nov 2025, 18:44");
  assert.equal(shortTime("2025-12-31T23:30:00Z", { ...reader, now: new Date("2026-06-01T00:00:00Z") }), "1 Jan, 00:30");
});

test("what is no moment is not said", () => {
  for (const text of ["", "yesterday", "2026-13-45"]) assert.equal(shortTime(text, reader), "");
});
