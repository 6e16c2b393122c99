/* Part of VotePad: the whole of it, drawn from its state. */
import { classes, createElement, html, useLayoutEffect, useRef } from "../lib/preact.js";
import { Ballot } from "./ballot_form.js";
import { PadDialog } from "./pad_dialogs.js";
import { PairView, Prompt } from "./pair_view.js";
import { RankingBoard } from "./ranking_board.js";

/** @import { Act, State } from "./pad_state.js" */

/**
 * What is said where there is no pair.
 * @param {{ lines: string[] }} props
 */
function Lines({ lines: [title, sentence, next] }) {
  return html`<div class="wb-empty" data-anchor tabindex="-1">
    ${title && html`<div class="wb-empty-title">${title}</div>`}
    ${sentence && html`<div class="wb-empty-text">${sentence}</div>`}
    ${next && html`<div class="wb-empty-next">${next}</div>`}
  </div>`;
}

/** @param {{ share: number, label: string }} props */
function ProgressBar({ share, label }) {
  return html`<div class="wb-progress" role="progressbar" aria-label=${label} aria-valuenow=${Math.floor(share * 100)}
    aria-valuemin="0" aria-valuemax="100"><i style=${{ width: `${(share * 100).toFixed(1)}%` }}></i></div>`;
}

/** @param {State} state */
function countText({ pair, pace, words }) {
  if (!pair) return "";
  const parts = [words("count", { done: pair.done, total: pair.total })];
  if (pair.remaining_for_you !== undefined) parts.push(words("remaining", { count: pair.remaining_for_you }));
  const seconds = pace.seconds < 10 ? Math.round(pace.seconds * 10) / 10 : Math.round(pace.seconds);
  if (pace.judged) parts.push(words(seconds ? "pace" : "pace_count", { count: pace.judged, seconds }));
  return parts.join("  ·  ");
}

/**
 * Counts, what was just saved, and what opens over the pair.
 * @param {{ state: State, act: Act }} props
 */
function Top({ state, act }) {
  const { words, ask, dialog, isPaused, pair } = state;
  /** @type {[name: "guidelines" | "own_votes" | "keys", key: string][]} */
  const openers = [
    ["guidelines", "G"],
    ["own_votes", "V"],
    ["keys", "?"],
  ];
  return html`<div class="wb-vote-top">
    <span class="wb-vote-count">${countText(state)}</span>
    <span class="wb-vote-saved" role="status">${state.said}</span>
    <div class="wb-vote-tools">
      ${openers
        .filter(([name]) => name !== "guidelines" || ask.guidelines > 0)
        .map(
          ([
            name,
            key,
          ]) => html`<button type="button" class="wb-button" key=${name} data-opens=${name} aria-keyshortcuts=${key}
            aria-haspopup="dialog" aria-expanded=${String(dialog === name)} onClick=${() => act.open(name)}>
            ${words(name)}<kbd aria-hidden="true" class="is-letter">${key}</kbd></button>`,
        )}
      ${
        pair &&
        html`<button type="button" class="wb-button" data-opens="pause" aria-pressed=${String(isPaused)}
        onClick=${act.pause}>${words("pause")}<kbd aria-hidden="true" class="is-letter">P</kbd></button>`
      }
    </div>
  </div>`;
}

/**
 * The words of a choice, with its grade.
 * @param {string} choice
 * @param {State} state
 */
function choiceText(choice, { draft, words }) {
  const isGraded = draft.strength && (choice === "left" || choice === "right");
  return choice && words(isGraded ? `${choice}_${draft.strength}` : choice);
}

/**
 * What went wrong, with the vote that waits for another try, if one does.
 * @param {{ state: State, act: Act }} props
 */
function Failure({ state, act }) {
  const { failed, words } = state;
  if (!failed) return html`<div class="wb-error" role="alert" hidden></div>`;
  const choice = choiceText(failed.choice, state);
  return html`<div class="wb-error" role="alert">
    <strong>${failed.text}</strong>
    <div>${choice ? words("kept", { choice }) : ""} ${failed.isRetrying ? words("retrying") : ""}</div>
    <div class="wb-vote-actions">
      <button type="button" class="wb-button is-primary" onClick=${act.retry}>${words("retry")}<kbd aria-hidden="true" class="is-letter">R</kbd></button>
      <button type="button" class="wb-button" onClick=${act.drop}>${words(choice ? "drop_vote" : "reload")}</button>
    </div>
  </div>`;
}

/**
 * What is known of a training question, after its vote.
 * @param {{ state: State, act: Act }} props
 */
function FeedbackBox({ state: { feedback, words }, act }) {
  const go = useRef(/** @type {HTMLButtonElement | null} */ (null));
  useLayoutEffect(() => go.current?.focus(), []);
  if (!feedback) return null;
  const kind = feedback.right ? "agrees" : "differs";
  return html`<div class=${classes("wb-note wb-vote-feedback", feedback.right ? "is-ok" : "is-warn")}>
    <div id="wb-vote-feedback"><strong>${words(`feedback_${kind}`)}</strong> ${words(`feedback_${feedback.better}`)}
      ${feedback.explanation && html`<div>${feedback.explanation}</div>`}</div>
    <button type="button" class="wb-button is-primary" ref=${go} aria-describedby="wb-vote-feedback"
      onClick=${act.goOn}>${words("go_on")}<kbd aria-hidden="true">Enter</kbd></button>
  </div>`;
}

/** @param {{ state: State, act: Act }} props */
function Paused({ state: { words }, act }) {
  return html`<div class="wb-empty wb-vote-paused" data-anchor tabindex="-1">
    <div class="wb-empty-title">${words("paused")}</div>
    <div class="wb-empty-text">${words("paused_hint")}</div>
    <button type="button" class="wb-button is-primary" onClick=${act.pause}>${words("go_on")}<kbd aria-hidden="true" class="is-letter">P</kbd></button>
  </div>`;
}

/** @param {{ state: State, act: Act }} props */
function Judging({ state, act }) {
  const { pair, words, missing } = state;
  return html`
    <div class="wb-vote-work" data-anchor tabindex="-1" role="group" aria-label=${words("question")}>
      ${pair?.training && html`<div class="wb-note is-info">${words("training")}</div>`}
      ${createElement(Prompt, { state })}
      ${pair?.ranked ? createElement(RankingBoard, { state, act }) : createElement(PairView, { state, act })}
    </div>
    ${state.feedback && createElement(FeedbackBox, { state, act })}
    ${createElement(Failure, { state, act })}
    ${
      missing.length > 0 &&
      html`<div class="wb-note is-warn" role="alert">${words("missing", { fields: missing.map((part) => words(part)).join(", ") })}</div>`
    }
    ${!state.feedback && createElement(Ballot, { state, act })}`;
}

/** @param {{ state: State, act: Act }} props */
export function Pad({ state, act }) {
  const { words, pair, lines, isPaused, failed } = state;
  const letters = html`<label class="wb-vote-letters"><input type="checkbox" checked=${state.letters}
      onChange=${(/** @type {{ currentTarget: HTMLInputElement }} */ { currentTarget }) => act.setLetters(currentTarget.checked)} />
    <span>${words("letters")}</span></label>`;
  return html`
    <div class="wb-only-read" aria-live="polite">${state.news}</div>
    ${lines && createElement(Lines, { lines })}
    <div class="wb-vote-body" hidden=${!state.hasBody} data-mode=${pair ? "pair" : "end"}>
      ${createElement(Top, { state, act })}
      ${createElement(ProgressBar, { share: state.share, label: words("progress") })}
      <div class="wb-hint wb-vote-note" hidden=${!state.note}>${state.note}</div>
      ${pair && isPaused && createElement(Paused, { state, act })}
      ${pair && !isPaused && createElement(Judging, { state, act })}
      ${!pair && failed && createElement(Failure, { state, act })}
      ${!pair && createElement(Ballot, { state, act })}
      ${pair && !isPaused && letters}
    </div>
    ${createElement(PadDialog, { state, act })}`;
}
