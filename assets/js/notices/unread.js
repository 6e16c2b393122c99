/* Which notices a person has not seen: pure functions over what the server tells and the browser remembers. */

/**
 * Something to know of; `time` in seconds since the epoch, by the server's clock.
 * @typedef {{ id: string, time: number, level: "ok" | "bad" | "turn", title: string, text: string,
 *   target: "job" | "session" | "bin", name: string }} Notice
 */
/** What a browser remembers: notices until `until` were seen, and those of `ids` after it. @typedef {{ until: number, ids: string[] }} Read */

/** Seconds before the newest notice seen, within which another may come that tells an earlier time. */
const LATE_SECONDS = 2;

/**
 * What was remembered; a browser that comes for the first time has seen what there is now.
 * @param {string | null} text
 * @param {Notice[]} notices
 * @param {number} now
 * @returns {Read}
 */
export function readRemembered(text, notices, now) {
  try {
    const { until, ids } = JSON.parse(text ?? "");
    if (Number.isFinite(until) && Array.isArray(ids)) return { until, ids: ids.map(String) };
  } catch {
    /* nothing, or nothing of ours */
  }
  return withAllRead(notices, { until: now - LATE_SECONDS, ids: [] });
}

/**
 * @param {Notice[]} notices
 * @param {Read} read
 */
export function unread(notices, read) {
  return notices.filter(({ id, time }) => time > read.until && !read.ids.includes(id));
}

/**
 * What is remembered once one of them was seen.
 * @param {Read} read
 * @param {Notice} notice
 * @returns {Read}
 */
export function withRead(read, notice) {
  return { until: read.until, ids: [...read.ids.filter((id) => id !== notice.id), notice.id].slice(-100) };
}

/**
 * What is remembered once all were seen.
 * @param {Notice[]} notices
 * @param {Read} read
 * @returns {Read}
 */
export function withAllRead(notices, read) {
  const until = Math.max(read.until, ...notices.map(({ time }) => time - LATE_SECONDS));
  return { until, ids: notices.filter(({ time }) => time > until).map(({ id }) => id) };
}

/**
 * How long ago, in the reader's language: 'now', '5 minutes ago', 'yesterday'.
 * @param {number} time
 * @param {number} now
 * @param {string} [locale]
 */
export function ago(time, now, locale) {
  const format = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  const seconds = Math.max(0, now - time);
  if (seconds < 60) return format.format(0, "second");
  if (seconds < 3600) return format.format(-Math.floor(seconds / 60), "minute");
  if (seconds < 86_400) return format.format(-Math.floor(seconds / 3600), "hour");
  return format.format(-Math.floor(seconds / 86_400), "day");
}
