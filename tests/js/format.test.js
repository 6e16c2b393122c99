import assert from "node:assert/strict";
import test from "node:test";
import { formatDuration, formatNumber } from "../../assets/js/lib/format.js";

test("durations are seconds, minutes or hours", () => {
  /** @type {[number, string][]} */
  const cases = [
    [0.4, "0 s"],
    [59.4, "59 s"],
    [59.6, "1 min 00 s"],
    [65, "1 min 05 s"],
    [3599.6, "1 h 00 min"],
    [7380, "2 h 03 min"],
    [-3, "0 s"],
  ];
  for (const [seconds, text] of cases) assert.equal(formatDuration(seconds), text);
  for (const none of [null, undefined, Number.NaN, Number.POSITIVE_INFINITY]) assert.equal(formatDuration(none), "");
});

test("numbers have about four digits", () => {
  /** @type {[number, string][]} */
  const cases = [
    [0, "0"],
    [7, "7"],
    [0.5, "0.500"],
    [-12.3, "-12.30"],
    [123.45, "123.5"],
    [1234.5, "1,235"],
    [0.00012, "1.20e-4"],
    [2.5e9, "2.50e9"],
  ];
  for (const [value, text] of cases) assert.equal(formatNumber(value), text);
  for (const none of [null, undefined, Number.NaN]) assert.equal(formatNumber(none), "–");
});
