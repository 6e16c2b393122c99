import assert from "node:assert/strict";
import test from "node:test";
import { IDLE_MILLISECONDS, idleClock } from "../../assets/js/label/idle_clock.js";

test("time runs for as long as there are signs of a person, and half a minute after the last", () => {
  const clock = idleClock(1000);
  clock.noteInput(11_000);
  assert.equal(clock.seconds(21_000), 20);
  assert.equal(clock.seconds(11_000 + IDLE_MILLISECONDS + 500_000), 40);
  clock.noteInput(600_000); // back again: the time away does not count
  assert.equal(clock.seconds(605_000), 45);
});

test("time stands still while the pair is not seen", () => {
  const clock = idleClock(0);
  clock.setSeen(false, 4000);
  clock.noteInput(8000);
  assert.equal(clock.seconds(9000), 4);
  clock.setSeen(true, 10_000);
  clock.setSeen(true, 11_000);
  assert.equal(clock.seconds(12_000), 6);
});

test("a new pair begins at nothing, seen or not", () => {
  const clock = idleClock(0);
  clock.restart(20_000);
  assert.equal(clock.seconds(21_500), 1.5);
  clock.setSeen(false, 22_000);
  clock.restart(30_000);
  assert.equal(clock.seconds(35_000), 0);
});

test("asking for the time does not change it", () => {
  const clock = idleClock(0);
  for (let time = 0; time <= 50_000; time += 1000) clock.seconds(time);
  assert.equal(clock.seconds(60_000), IDLE_MILLISECONDS / 1000);
});
