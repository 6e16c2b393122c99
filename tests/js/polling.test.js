import assert from "node:assert/strict";
import test from "node:test";
import { retryPause } from "../../assets/js/lib/polling.js";

test("a pause before another try doubles up to a limit", () => {
  const longest = [1, 2, 3, 4, 50].map((tries) => retryPause(tries, () => 1));
  assert.deepEqual(longest, [1500, 3000, 6000, 8000, 8000]);
});

test("a pause before another try is spread over most of its length", () => {
  assert.equal(
    retryPause(4, () => 0),
    1600,
  );
  assert.equal(
    retryPause(4, () => 0.5),
    4800,
  );
});
