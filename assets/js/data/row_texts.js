/* Part of DataSteps: the texts of a row, the pieces of them that were found, and what differs between two of them.
   Everything becomes text nodes. */
import { h } from "../lib/dom.js";

/** @typedef {Record<string, unknown>} Row */
/** @typedef {{ role: string, content?: string, tool_calls?: unknown }} Turn */
/** @typedef {[label: string, text: string]} Part */
/** @typedef {[kind: "same" | "out" | "in", text: string]} Piece */

const MOST_COMPARED = 400000; // cells of the table of a comparison; longer middles are marked as a whole

/**
 * The parts of a row in order: [label, text].
 * @param {Row | null | undefined} row
 * @returns {Part[]}
 */
export function partsOf(row) {
  /** @type {Part[]} */
  const parts = [];
  for (const [name, value] of Object.entries(row || {})) {
    if (Array.isArray(value) && value.every((turn) => turn?.role)) {
      const side = name === "messages" || name === "prompt" ? "" : name;
      for (const turn of value) parts.push(...turnParts(turn, side));
    } else parts.push([name, typeof value === "string" ? value : JSON.stringify(value, null, 1)]);
  }
  return parts;
}

/**
 * @param {Turn} turn
 * @param {string} side
 * @returns {Part[]}
 */
function turnParts(turn, side) {
  const label = side || turn.role,
    parts = /** @type {Part[]} */ ([]);
  if (turn.content || !turn.tool_calls) parts.push([label, turn.content || ""]);
  if (turn.tool_calls) parts.push([`${label} calls`, JSON.stringify(turn.tool_calls, null, 1)]);
  return parts;
}

/**
 * `text` as nodes in `place`, the pieces in `found` marked.
 * @param {HTMLElement} place
 * @param {string} text
 * @param {string[] | undefined} found
 */
export function marked(place, text, found, className = "") {
  const pieces = [...new Set(found || [])].filter(Boolean).sort((one, other) => other.length - one.length);
  let at = 0;
  while (at < text.length && pieces.length) {
    const next = nearest(text, pieces, at);
    if (!next) break;
    if (next.at > at) place.append(text.slice(at, next.at));
    place.append(h("mark", className, next.piece));
    at = next.at + next.piece.length;
  }
  if (at < text.length) place.append(text.slice(at));
}

/**
 * The piece that comes first from `start` on, the longest of those.
 * @param {string} text
 * @param {string[]} pieces
 * @param {number} start
 */
function nearest(text, pieces, start) {
  /** @type {{ at: number, piece: string } | null} */
  let best = null;
  for (const piece of pieces) {
    const at = text.indexOf(piece, start);
    if (at >= 0 && (!best || at < best.at)) best = { at, piece };
  }
  return best;
}

/**
 * [[kind, piece]] that turns list `before` into `after`: 'same', 'out' or 'in'.
 * @param {string[]} before
 * @param {string[]} after
 * @returns {Piece[]}
 */
export function differences(before, after) {
  let head = 0,
    tail = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head++;
  while (
    tail < before.length - head &&
    tail < after.length - head &&
    before[before.length - 1 - tail] === after[after.length - 1 - tail]
  )
    tail++;
  const old = before.slice(head, before.length - tail),
    fresh = after.slice(head, after.length - tail);
  const whole = old.length * fresh.length > MOST_COMPARED;
  const middle = whole ? [...pieces("out", old), ...pieces("in", fresh)] : longest(old, fresh);
  return [...pieces("same", before.slice(0, head)), ...middle, ...pieces("same", before.slice(before.length - tail))];
}

/**
 * @param {Piece[0]} kind
 * @param {string[]} texts
 * @returns {Piece[]}
 */
const pieces = (kind, texts) => texts.map((text) => [kind, text]);

/**
 * By the longest common subsequence.
 * @param {string[]} old
 * @param {string[]} fresh
 */
function longest(old, fresh) {
  const width = fresh.length + 1,
    table = new Uint32Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = fresh.length - 1; j >= 0; j--) {
      table[i * width + j] =
        old[i] === fresh[j]
          ? table[(i + 1) * width + j + 1] + 1
          : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
    }
  }
  /** @type {Piece[]} */
  const found = [];
  let i = 0,
    j = 0;
  while (i < old.length || j < fresh.length) {
    if (i < old.length && j < fresh.length && old[i] === fresh[j]) {
      found.push(["same", old[i]]);
      i++;
      j++;
    } else if (j >= fresh.length || (i < old.length && table[(i + 1) * width + j] >= table[i * width + j + 1])) {
      found.push(["out", old[i++]]);
    } else found.push(["in", fresh[j++]]);
  }
  return found;
}

/**
 * @param {string} text
 * @returns {string[]}
 */
const wordsOf = (text) => text.match(/[\p{L}\p{N}_]+|\s+|[^\p{L}\p{N}_\s]/gu) || [];

/**
 * Two texts below one another, what differs marked in each: `mark.is-out` and `mark.is-in`.
 * @param {string} before
 * @param {string} after
 */
export function compared(before, after) {
  const old = h("div", "wb-dt-text"),
    fresh = h("div", "wb-dt-text");
  for (const [kind, text] of joinedPieces(differences(wordsOf(before), wordsOf(after)))) {
    if (kind !== "in") old.append(kind === "out" ? h("mark", "is-out", text) : text);
    if (kind !== "out") fresh.append(kind === "in" ? h("mark", "is-in", text) : text);
  }
  return [old, fresh];
}

/**
 * Neighbours of one kind together.
 * @param {Piece[]} pieces
 */
function joinedPieces(pieces) {
  /** @type {Piece[]} */
  const found = [];
  for (const [kind, text] of pieces) {
    if (found.length && found[found.length - 1][0] === kind) found[found.length - 1][1] += text;
    else found.push([kind, text]);
  }
  return found;
}

/**
 * Rows of a comparison of two rows: [label, before or null, after or null]; equal parts pair up, the rest by order.
 * @param {Row} row
 * @param {Row} after
 * @returns {[label: string, before: string | null, after: string | null][]}
 */
export function pairedParts(row, after) {
  /** @param {Part} part */
  const key = ([label, text]) => `${label}\u0000${text}`;
  const old = partsOf(row),
    fresh = partsOf(after);
  /** @type {ReturnType<typeof pairedParts>} */
  const pairs = [];
  /** @type {Part[]} */
  const outs = [];
  /** @type {Part[]} */
  const ins = [];
  const flush = () => {
    while (outs.length || ins.length) {
      const one = outs.shift(),
        other = ins.length && (!one || ins[0][0] === one[0]) ? ins.shift() : undefined;
      pairs.push([(one ?? other)?.[0] ?? "", one ? one[1] : null, other ? other[1] : null]);
    }
  };
  for (const [kind, text] of differences(old.map(key), fresh.map(key))) {
    /** @type {Part} */
    const part = [text.slice(0, text.indexOf("\u0000")), text.slice(text.indexOf("\u0000") + 1)];
    if (kind === "out") outs.push(part);
    else if (kind === "in") ins.push(part);
    else {
      flush();
      pairs.push([part[0], part[1], part[1]]);
    }
  }
  flush();
  return pairs;
}
