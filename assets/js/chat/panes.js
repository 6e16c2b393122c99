/* What the server tells of a conversation, put together with what the page has of it. */

/** @typedef {{ role: string, text: string, stats: string }} Message */
/** @typedef {{ title: string, weights: string, note: string, color: string, state: string, error: string }} Head */
/** @typedef {Head & { messages: Message[] }} PaneData */
/** @typedef {{ pane: number, head?: Head, tail?: string, stats?: string, more?: Message[] }} Change */
/** @import { Notice } from "./device_notice.js" */
/**
 * @typedef {{
 *   version: number, busy: boolean, edition?: string, panes?: PaneData[], changes?: Change[], device?: Notice,
 * }} Reply
 */
/** @typedef {{ edition: string, version: number, panes: PaneData[] }} Conversation */

/** @returns {Conversation} */
export const noConversation = () => ({ edition: "", version: -1, panes: [] });

/**
 * The conversation after a reply: whole panes take the place of what there was, changes are added to it.
 * @param {Conversation} had
 * @param {Reply} reply
 * @returns {Conversation}
 */
export function merged(had, reply) {
  const { version } = reply;
  if (reply.panes) return { edition: reply.edition ?? "", version, panes: reply.panes };
  const panes = [...had.panes];
  for (const change of reply.changes ?? []) panes[change.pane] = changed(panes[change.pane], change);
  return { edition: had.edition, version, panes };
}

/**
 * @param {PaneData} pane
 * @param {Change} change
 * @returns {PaneData}
 */
function changed(pane, { head, tail, stats, more = [] }) {
  const messages = [...pane.messages];
  const last = messages.pop();
  if (last) messages.push({ ...last, text: last.text + (tail ?? ""), stats: stats ?? last.stats });
  return { ...pane, ...head, messages: [...messages, ...more] };
}

/**
 * What the server has to know to send only the rest: of each pane how many messages there are, and how many characters
 * (code points, as Python counts them) the last has.
 * @param {Conversation} conversation
 */
export function cursorOf({ edition, version, panes }) {
  const ends = panes.map(({ messages }) => [messages.length, [...(messages.at(-1)?.text ?? "")].length]);
  return { edition, version, ends };
}

/**
 * Milliseconds until the next question: often while words come quickly, seldom while each brings but two or three, so
 * that what stands around the words in an answer does not come to more than they are.
 * @param {Reply} reply
 */
export function pauseAfter(reply) {
  if (!reply.busy) return 1000;
  const longest = Math.max(0, ...(reply.changes ?? []).map(({ tail = "" }) => tail.length));
  return longest > 24 ? 120 : longest > 12 || !longest ? 250 : 400;
}
