import assert from "node:assert/strict";
import test from "node:test";
import {
  insertAnswer,
  isComplete,
  joinAnswer,
  moveAnswer,
  placeOf,
  shareAbove,
  togglePlace,
} from "../../assets/js/label/ranking.js";

test("a number puts its answer at the next place, and takes it out again", () => {
  const order = [2, 0, 1].reduce(togglePlace, /** @type {number[][]} */ ([]));
  assert.deepEqual(order, [[2], [0], [1]]);
  assert.deepEqual(togglePlace(order, 0), [[2], [1]]);
  assert.deepEqual([isComplete(order, 3), isComplete(togglePlace(order, 0), 3)], [true, false]);
  assert.deepEqual([placeOf(order, 1), placeOf([], 1)], [2, -1]);
});

test("arrows move an answer past its neighbour, out of a shared place to one of its own, and not beyond the ends", () => {
  const order = [[0], [1], [2]];
  assert.deepEqual(moveAnswer(order, 2, -1), [[0], [2], [1]]);
  assert.deepEqual(moveAnswer(order, 0, 1), [[1], [0], [2]]);
  assert.deepEqual(moveAnswer(order, 0, -1), order);
  assert.deepEqual(moveAnswer(order, 2, 1), order);
  assert.deepEqual(moveAnswer([[0, 1], [2]], 1, -1), [[1], [0], [2]]);
  assert.deepEqual(moveAnswer([[0, 1], [2]], 0, 1), [[1], [0], [2]]);
  assert.deepEqual(moveAnswer(order, 7, 1), order);
});

test("answers share a place by key or by being dropped on one another", () => {
  assert.deepEqual(shareAbove([[0], [1], [2]], 1), [[0, 1], [2]]);
  assert.deepEqual(shareAbove([[0], [1], [2]], 0), [[1, 0], [2]]);
  assert.deepEqual(shareAbove([[0]], 0), [[0]]);
  assert.deepEqual(joinAnswer([[0], [1], [2]], 0, 2), [[1], [2, 0]]);
  assert.deepEqual(joinAnswer([[0], [1]], 2, 1), [[0], [1, 2]]);
  assert.deepEqual(joinAnswer([[0]], 0, 0), [[0]]);
});

test("an answer dropped between places gets one of its own there", () => {
  assert.deepEqual(insertAnswer([[0], [1]], 2, 1), [[0], [2], [1]]);
  assert.deepEqual(insertAnswer([[0], [1], [2]], 2, 0), [[2], [0], [1]]);
  assert.deepEqual(insertAnswer([[0, 1]], 0, 1), [[1], [0]]);
  assert.deepEqual(insertAnswer([], 4, 0), [[4]]);
});
