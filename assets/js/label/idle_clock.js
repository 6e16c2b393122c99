/* The time a vote took: it runs only while the pair is seen, and for so long after each sign of a person. */

export const IDLE_MILLISECONDS = 30_000;

/**
 * A clock that stands still while nobody is there. Times are milliseconds of one clock, such as `performance.now()`.
 * @param {number} now
 */
export function idleClock(now) {
  let total = 0,
    last = now,
    input = now,
    isSeen = true;

  /** @param {number} time */
  function advance(time) {
    if (isSeen) total += Math.max(0, Math.min(time, input + IDLE_MILLISECONDS) - last);
    last = time;
  }

  return {
    /** A key, a movement, a touch. @param {number} time */
    noteInput(time) {
      advance(time);
      input = time;
    },
    /** Whether the pair can be seen from now on. @param {boolean} isVisible @param {number} time */
    setSeen(isVisible, time) {
      if (isVisible === isSeen) return;
      advance(time);
      isSeen = isVisible;
      if (isVisible) input = time;
    },
    /** A new pair is shown. @param {number} time */
    restart(time) {
      [total, last, input] = [0, time, time];
    },
    /** Seconds of attention since the pair was shown. @param {number} time */
    seconds(time) {
      advance(time);
      return Math.round(total) / 1000;
    },
  };
}
