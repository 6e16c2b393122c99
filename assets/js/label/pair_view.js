/* Part of VotePad: the prompt as turns, and the two answers side by side. */
import { markdown } from "../lib/markdown.js";
import { classes, createElement, html, useLayoutEffect, useRef } from "../lib/preact.js";
import { editOf, keySide } from "./ballot.js";

/** @import { Side } from "./drafts.js" */
/** @import { Act, State } from "./pad_state.js" */

const ROLES = ["system", "user", "assistant", "tool"];

/**
 * The turns before the answers, the last one in view; the keyboard can scroll them.
 * @param {{ state: State }} props
 */
export function Prompt({ state: { pair, words } }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [pair?.token]);
  const turns = pair?.prompt ?? [];
  return html`<div class="wb-vote-prompt" ref=${box} tabindex="0" role="group" aria-label=${words("prompt")}>
    ${turns.map(
      ({ role, content }) => html`<div class=${classes("wb-vote-turn", `is-${ROLES.includes(role) ? role : "other"}`)}>
        <span class="wb-vote-role">${ROLES.includes(role) ? words(`role_${role}`) : role}</span>
        <div class="wb-vote-content">${content}</div>
      </div>`,
    )}
  </div>`;
}

/**
 * The text of an answer, as Markdown or as it was written.
 * @param {{ text: string, isRaw: boolean, token: string, label: string }} props
 */
export function AnswerText({ text, isRaw, token, label }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => {
    box.current?.replaceChildren(isRaw ? text : markdown(text));
    if (box.current) box.current.scrollTop = 0;
  }, [text, isRaw, token]);
  const name = classes("wb-vote-text", isRaw && "is-raw");
  return html`<div class=${name} ref=${box} tabindex="0" role="group" aria-label=${label}></div>`;
}

/**
 * @param {{ side: Side, text: string, state: State, act: Act }} props
 */
function EditField({ side, text, state: { words }, act }) {
  const box = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  useLayoutEffect(() => box.current?.focus(), [side]);
  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (event.key !== "Escape" && !(event.key === "Enter" && (event.ctrlKey || event.metaKey))) return;
    event.preventDefault();
    event.stopPropagation();
    act.endEdit();
  }
  return html`<div class="wb-vote-editor">
    <textarea class="wb-input" ref=${box} aria-label=${words(`edit_${side}`)} aria-describedby="wb-vote-edit-note"
      value=${text} onKeyDown=${onKey}
      onInput=${(/** @type {{ currentTarget: HTMLTextAreaElement }} */ { currentTarget }) =>
        act.change({ edits: { [side]: currentTarget.value } })}></textarea>
    <div class="wb-vote-editor-foot">
      <span class="wb-hint" id="wb-vote-edit-note">${words("edit_note")}</span>
      <button type="button" class="wb-button" onClick=${act.dropEdit}>${words("edit_drop")}</button>
      <button type="button" class="wb-button is-primary" onClick=${act.endEdit}>${words("edit_done")}<kbd aria-hidden="true">Esc</kbd></button>
    </div>
  </div>`;
}

/**
 * One side: its name, its text or the field it is rewritten in, and whether it was cut off.
 * @param {{ side: Side, state: State, act: Act }} props
 */
function AnswerSide({ side, state, act }) {
  const { pair, words, draft, ask, feedback } = state;
  if (!pair) return null;
  const answer = pair.answers[side === "left" ? 0 : 1];
  const isEdited = editOf(pair, draft)?.side === side;
  const isOpen = state.editing === side;
  const text = isEdited || isOpen ? (draft.edits[side] ?? answer.text) : answer.text;
  const isBetter = feedback?.better === side;
  const isKeyed = side === keySide(draft);
  return html`<section class=${classes("wb-vote-side", isBetter && "is-better", draft.choice === side && "is-picked")}
    data-side=${side} aria-label=${words(`${side}_answer`)}>
    <div class="wb-vote-side-head">
      <h3 class="wb-h">${words(`side_${side}`)}</h3>
      ${isEdited && html`<span class="wb-chip is-ok">${words("edited")}</span>`}
      ${answer.cut_off && html`<span class="wb-chip is-warn">${words("cut_off")}</span>`}
      ${
        ask.edits &&
        !isOpen &&
        !feedback &&
        html`<button type="button" class="wb-button wb-vote-edit" aria-label=${words(`edit_${side}`)}
        onClick=${() => act.edit(side)}>${words("edit")}${isKeyed && html`<kbd aria-hidden="true" class="is-letter">E</kbd>`}</button>`
      }
    </div>
    ${
      isOpen
        ? createElement(EditField, { side, text, state, act })
        : createElement(AnswerText, { text, isRaw: ask.raw_text, token: pair.token, label: words(`${side}_answer`) })
    }
  </section>`;
}

/** @param {{ state: State, act: Act }} props */
export function PairView({ state, act }) {
  return html`<div class="wb-vote-pair">
    ${createElement(AnswerSide, { side: "left", state, act })}
    ${createElement(AnswerSide, { side: "right", state, act })}
  </div>`;
}
