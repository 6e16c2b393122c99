/* Part of VotePad: all answers to a prompt, and the order they are put in by numbers, arrows or dragging. */
import { classes, createElement, html, useRef, useState } from "../lib/preact.js";
import { AnswerText } from "./pair_view.js";
import { insertAnswer, joinAnswer, placeOf, removeAnswer, togglePlace } from "./ranking.js";

/** @import { Act, State } from "./pad_state.js" */
/** @typedef {{ answer: number, over: string }} Drag */

const DRAG_PIXELS = 6;

/**
 * What lies under the pointer: 'slot:1' between places, 'place:0' a place, 'tray' the answers without one, '' nothing.
 * @param {PointerEvent} event
 */
function targetOf(event) {
  const node = document.elementFromPoint(event.clientX, event.clientY)?.closest("[data-drop]");
  return node?.getAttribute("data-drop") ?? "";
}

/**
 * The order after an answer was let go over a target.
 * @param {number[][]} ranking
 * @param {number} answer
 * @param {string} target
 */
export function dropped(ranking, answer, target) {
  const [kind, number] = target.split(":");
  if (kind === "tray") return removeAnswer(ranking, answer);
  if (kind === "slot") return insertAnswer(ranking, answer, Number(number));
  if (kind === "place") return joinAnswer(ranking, answer, ranking[Number(number)][0]);
  return ranking;
}

/**
 * An answer in the order: a press is its number key, and it can be dragged.
 * @param {{ answer: number, state: State, act: Act, drag: Drag | null, setDrag: (drag: Drag | null) => void }} props
 */
function Chip({ answer, state, act, drag, setDrag }) {
  const { draft, words, failed, busy } = state;
  const place = placeOf(draft.ranking, answer);
  const from = useRef(/** @type {{ x: number, y: number } | null} */ (null));
  const wasDragged = useRef(false);
  const name =
    place < 0
      ? words("answer_unplaced", { number: answer + 1 })
      : words("answer_placed", { number: answer + 1, place: place + 1 });

  /** @param {PointerEvent} event */
  function onDown(event) {
    if (event.button || failed || busy) return;
    from.current = { x: event.clientX, y: event.clientY };
    wasDragged.current = false;
    if (event.currentTarget instanceof HTMLElement) event.currentTarget.setPointerCapture(event.pointerId);
  }
  /** @param {PointerEvent} event */
  function onMove(event) {
    const start = from.current;
    if (!start) return;
    if (!wasDragged.current && Math.hypot(event.clientX - start.x, event.clientY - start.y) < DRAG_PIXELS) return;
    wasDragged.current = true;
    setDrag({ answer, over: targetOf(event) });
  }
  /** @param {PointerEvent} event */
  function onUp(event) {
    from.current = null;
    if (!wasDragged.current) return;
    setDrag(null);
    act.setCurrent(answer);
    act.change({ choice: "", ranking: dropped(draft.ranking, answer, targetOf(event)) });
  }
  function onCancel() {
    from.current = null;
    setDrag(null);
  }
  function onClick() {
    if (wasDragged.current) {
      wasDragged.current = false;
      return;
    }
    act.setCurrent(answer);
    act.change({ choice: "", ranking: togglePlace(draft.ranking, answer) });
  }
  const isDragged = drag?.answer === answer;
  return html`<button type="button" class=${classes("wb-rank-chip", state.current === answer && "is-current", isDragged && "is-dragged")}
    data-answer=${answer} aria-label=${name} disabled=${Boolean(failed)} onClick=${onClick}
    onPointerDown=${onDown} onPointerMove=${onMove} onPointerUp=${onUp} onPointerCancel=${onCancel}
    onFocus=${() => act.setCurrent(answer)}>
    ${words("answer", { number: answer + 1 })}<kbd class="is-letter" aria-hidden="true">${answer + 1}</kbd>
  </button>`;
}

/** @param {{ state: State, act: Act }} props */
export function RankingBoard({ state, act }) {
  const { pair, draft, words, ask } = state;
  const [drag, setDrag] = useState(/** @type {Drag | null} */ (null));
  if (!pair) return null;
  const answers = pair.answers.map((_, index) => index);
  const chip = (/** @type {number} */ answer) =>
    createElement(Chip, { key: answer, answer, state, act, drag, setDrag });
  const zone = (/** @type {string} */ target) => drag?.over === target && "is-over";
  const slot = (/** @type {number} */ number) =>
    html`<span class=${classes("wb-rank-slot", zone(`slot:${number}`))} data-drop=${`slot:${number}`}></span>`;
  const rest = answers.filter((answer) => placeOf(draft.ranking, answer) < 0);
  return html`
    <div class="wb-rank-answers">
      ${answers.map((index) => {
        const name = words("answer", { number: index + 1 });
        const place = placeOf(draft.ranking, index);
        return html`<section class="wb-vote-side" key=${index} data-answer-text=${index} aria-label=${name}>
          <div class="wb-vote-side-head">
            <h3 class="wb-h">${name}</h3>
            ${pair.answers[index].cut_off && html`<span class="wb-chip is-warn">${words("cut_off")}</span>`}
            ${place >= 0 && html`<span class="wb-chip is-ok">${words("place", { place: place + 1 })}</span>`}
          </div>
          ${createElement(AnswerText, { text: pair.answers[index].text, isRaw: ask.raw_text, token: pair.token, label: name })}
        </section>`;
      })}
    </div>
    <div class=${classes("wb-rank-board", drag && "is-dragging")} role="group" aria-label=${words("rank_title")}>
      <div class="wb-rank-head"><span class="wb-ballot-label">${words("rank_title")}</span>
        <button type="button" class="wb-button" disabled=${Boolean(state.failed)}
          onClick=${() => act.change({ choice: "", ranking: [answers] })}>${words("all_equal")}</button></div>
      <ol class="wb-rank-places">
        ${draft.ranking.map(
          (group, place) => html`<li key=${`place-${place}`}>${slot(place)}
            <span class=${classes("wb-rank-place", zone(`place:${place}`))} data-drop=${`place:${place}`}>
              <b aria-hidden="true">${place + 1}.</b>${group.map(chip)}</span></li>`,
        )}
        <li key="end">${slot(draft.ranking.length)}</li>
      </ol>
      <div class=${classes("wb-rank-tray", zone("tray"))} data-drop="tray">
        <span class="wb-hint">${words("unplaced")}</span>${rest.map(chip)}</div>
      <div class="wb-hint">${words("rank_hint")}</div>
    </div>`;
}
