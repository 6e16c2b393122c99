/* Part of VotePad: the pair with its buttons, and what is said when there is none or something went wrong. */
import { button, emptyState, h, setText } from "../lib/dom.js";
import { markdown } from "../lib/markdown.js";
import { letterKeys } from "./letter_keys.js";

/** @typedef {"left" | "tie" | "both_bad" | "skip" | "right"} Vote */
/**
 * A pair without names. Done, total and remaining count pairs.
 * @typedef {{
 *   token: string, prompt: { role: string, content: string }[], answers: { text: string, cut_off: boolean }[],
 *   done: number, total: number,
 *   remaining_for_you?: number,
 * }} Pair
 */

/** @type {[choice: Vote, text: string, key: string][]} */
const CHOICES = [
  ["left", "Left is better", "←"],
  ["tie", "Equally good", "↓"],
  ["both_bad", "Both bad", "B"],
  ["skip", "Skip", "S"],
  ["right", "Right is better", "→"],
];

/** The share of pairs that have their votes. */
function progressBar() {
  const node = h("div", "wb-progress"),
    bar = h("i");
  node.append(bar);
  node.setAttribute("role", "progressbar");
  node.setAttribute("aria-label", "Pairs judged");
  /** @param {number} share */
  function fill(share) {
    bar.style.width = `${(share * 100).toFixed(1)}%`;
    node.setAttribute("aria-valuenow", String(Math.floor(share * 100)));
  }
  return { node, fill };
}

/**
 * A box whose text the keyboard can scroll.
 * @param {string} className
 * @param {string} label
 */
function scroller(className, label) {
  const node = h("div", className);
  node.tabIndex = 0;
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", label);
  return node;
}

/**
 * @param {string} name
 * @param {HTMLElement} text
 */
function side(name, text) {
  const node = h("section", "wb-vote-side");
  node.dataset.side = name.toLowerCase();
  node.append(h("h3", "wb-h", name), text);
  return node;
}

/**
 * @param {Vote | "undo"} choice
 * @param {string} text
 * @param {string} key
 * @param {() => void} act
 */
function voteButton(choice, text, key, act) {
  const node = button(`wb-vote-button is-${choice}`, "", act);
  node.dataset.choice = choice;
  node.append(h("span", "", text), h("kbd", /\w/.test(key) ? "is-letter" : "", key));
  return node;
}

/**
 * Everything of the pad, drawn into `root`.
 * @param {HTMLElement} root
 * @param {{ cast: (choice: Vote) => void, undo: () => void }} act
 */
export function padFrame(root, { cast, undo }) {
  const empty = h("div"),
    body = h("div", "wb-vote-body"),
    progress = progressBar(),
    count = h("span"),
    saved = h("span", "wb-vote-saved"),
    top = h("div", "wb-vote-top"),
    note = h("div", "wb-hint wb-vote-note"),
    prompt = scroller("wb-vote-prompt", "Prompt"),
    left = scroller("wb-vote-text", "Left answer"),
    right = scroller("wb-vote-text", "Right answer"),
    pair = h("div", "wb-vote-pair"),
    error = h("div", "wb-error"),
    row = h("div", "wb-vote-buttons"),
    letters = letterKeys(root);
  const buttons = [
    ...CHOICES.map(([choice, text, key]) => voteButton(choice, text, key, () => cast(choice))),
    voteButton("undo", "Undo", "U", undo),
  ];
  saved.setAttribute("role", "status");
  error.setAttribute("role", "alert");
  top.append(count, saved);
  pair.append(side("Left", left), side("Right", right));
  row.append(...buttons);
  body.append(top, progress.node, note, prompt, pair, error, row, letters.node);
  root.append(empty, body);

  function showBody() {
    empty.hidden = true;
    body.hidden = false;
  }

  /** @param {string[] | null | undefined} lines */
  function showEmpty(lines) {
    empty.hidden = false;
    empty.replaceChildren(emptyState(lines));
  }

  /** @param {Pair} shown */
  function drawPair(shown) {
    showBody();
    body.classList.remove("is-end");
    prompt.replaceChildren(
      ...shown.prompt.map((turn) => {
        const line = h("div", "wb-vote-turn");
        line.append(h("span", "wb-vote-role", turn.role), h("div", "wb-vote-content", turn.content));
        return line;
      }),
    );
    left.replaceChildren(markdown(shown.answers[0].text));
    right.replaceChildren(markdown(shown.answers[1].text));
    left.scrollTop = right.scrollTop = prompt.scrollTop = 0;
    progress.fill(shown.total ? Math.min(1, shown.done / shown.total) : 0);
    const mine = shown.remaining_for_you === undefined ? "" : `  ·  ${shown.remaining_for_you} left for you`;
    setText(count, `${shown.done} of ${shown.total} judged${mine}`);
  }

  /**
   * There is no pair, and why.
   * @param {string} title
   * @param {string} message
   * @param {boolean} canUndo
   */
  function drawEnd(title, message, canUndo) {
    progress.fill(1);
    setText(count, "");
    body.classList.add("is-end");
    showBody();
    showEmpty([title, message, canUndo && letters.isOn() ? "Press U to take back the last vote." : ""]);
  }

  /**
   * What went wrong, with the vote that waits for another try, if one does.
   * @param {string} text
   * @param {Vote | ""} choice
   * @param {() => void} retry
   * @param {() => void} drop
   */
  function drawError(text, choice, retry, drop) {
    const name = CHOICES.find(([known]) => known === choice)?.[1],
      again = button("wb-button is-primary", "Retry", retry),
      actions = h("div", "wb-vote-actions");
    again.append(h("kbd", "is-letter", "R"));
    actions.append(again, button("wb-button", choice ? "Drop this vote and reload" : "Reload", drop));
    const kept = name ? `Not saved yet. Your choice “${name}” is kept.` : "";
    error.replaceChildren(h("strong", "", text), h("div", "", kept), actions);
  }

  /**
   * Arrows scroll a text that is longer than its box.
   * @param {KeyboardEvent} event
   */
  function scrolls({ target, key }) {
    const isLong = [prompt, left, right].some((one) => one === target && one.scrollHeight > one.clientHeight);
    return isLong && key === "ArrowDown";
  }

  /** @param {string} text */
  const say = (text) => setText(saved, text);
  /** @param {string} [text] */
  function remark(text) {
    setText(note, text);
    note.hidden = !text;
  }
  return {
    body,
    error,
    note,
    buttons,
    letters,
    showBody,
    showEmpty,
    drawPair,
    drawEnd,
    drawError,
    scrolls,
    say,
    remark,
  };
}
