/* An order of answers with ties: groups of equal answers by index, the best group first. Every change gives a new one. */

/** @typedef {number[][]} Ranking */

/** @param {Ranking} ranking @returns {Ranking} */
const filled = (ranking) => ranking.filter((group) => group.length > 0);

/**
 * The place of an answer, from 0; −1 while it has none.
 * @param {Ranking} ranking
 * @param {number} answer
 */
export const placeOf = (ranking, answer) => ranking.findIndex((group) => group.includes(answer));

/**
 * @param {Ranking} ranking
 * @param {number} answer
 * @returns {Ranking}
 */
export const removeAnswer = (ranking, answer) =>
  filled(ranking.map((group) => group.filter((other) => other !== answer)));

/**
 * An answer without a place gets the next one; one that has a place loses it.
 * @param {Ranking} ranking
 * @param {number} answer
 * @returns {Ranking}
 */
export const togglePlace = (ranking, answer) =>
  placeOf(ranking, answer) < 0 ? [...ranking, [answer]] : removeAnswer(ranking, answer);

/**
 * One place up (−1) or down (1): out of a shared place to one of its own beside it, else past its neighbour.
 * @param {Ranking} ranking
 * @param {number} answer
 * @param {-1 | 1} by
 * @returns {Ranking}
 */
export function moveAnswer(ranking, answer, by) {
  const place = placeOf(ranking, answer);
  if (place < 0) return ranking;
  const isShared = ranking[place].length > 1;
  if (!isShared && !ranking[place + by]) return ranking;
  return insertAnswer(ranking, answer, isShared ? place + (by > 0 ? 1 : 0) : place + (by > 0 ? 2 : -1));
}

/**
 * The answer shares the place above it; the first one that below it.
 * @param {Ranking} ranking
 * @param {number} answer
 * @returns {Ranking}
 */
export function shareAbove(ranking, answer) {
  const place = placeOf(ranking, answer);
  const other = ranking[place > 0 ? place - 1 : place + 1];
  return place < 0 || !other ? ranking : joinAnswer(ranking, answer, other[0]);
}

/**
 * The answer at a place of its own, before the group that is at `slot` now.
 * @param {Ranking} ranking
 * @param {number} answer
 * @param {number} slot
 * @returns {Ranking}
 */
export function insertAnswer(ranking, answer, slot) {
  const groups = ranking.map((group) => group.filter((other) => other !== answer));
  return filled([...groups.slice(0, slot), [answer], ...groups.slice(slot)]);
}

/**
 * The answer at the same place as another.
 * @param {Ranking} ranking
 * @param {number} answer
 * @param {number} other
 * @returns {Ranking}
 */
export function joinAnswer(ranking, answer, other) {
  if (answer === other || placeOf(ranking, other) < 0) return ranking;
  return removeAnswer(ranking, answer).map((group) => (group.includes(other) ? [...group, answer] : group));
}

/**
 * Whether all of so many answers have a place.
 * @param {Ranking} ranking
 * @param {number} count
 */
export const isComplete = (ranking, count) => ranking.flat().length === count;
