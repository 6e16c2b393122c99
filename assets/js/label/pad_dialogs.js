/* Part of VotePad: what opens over the pair: guidelines, one's own votes, the keys, and a flag with its reason. */
import { markdown } from "../lib/markdown.js";
import { createElement, html, useLayoutEffect, useRef } from "../lib/preact.js";
import { isComposed, reach } from "./ballot.js";
import { keyList } from "./vote_keys.js";

/** @import { Content } from "../lib/preact.js" */
/** @import { Mode } from "./vote_keys.js" */
/** @import { Act, OwnVote, State } from "./pad_state.js" */

/**
 * How the keys of this pair are read.
 * @param {State} state
 * @returns {Mode}
 */
export function modeOf({ pair, ask }) {
  if (pair?.ranked) return "ranked";
  return pair && isComposed(ask, pair) ? "composed" : "plain";
}

/**
 * A dialog over the page: Escape closes it, and the focus goes back to where it was.
 * @param {{ title: string, name: string, closeText: string, onClose: () => void, body: Content }} props
 */
function Dialog({ title, name, closeText, onClose, body }) {
  const box = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useLayoutEffect(() => {
    box.current?.showModal();
    box.current?.querySelector(".wb-pad-dialog-body")?.scrollTo(0, 0);
  }, []);
  return html`<dialog class=${`wb-pad-dialog is-${name}`} ref=${box} aria-labelledby="wb-pad-dialog-title" onClose=${onClose}>
    <div class="wb-pad-dialog-head"><h3 class="wb-h" id="wb-pad-dialog-title">${title}</h3>
      <button type="button" class="wb-button" onClick=${() => box.current?.close()}>${closeText}<kbd aria-hidden="true">Esc</kbd></button></div>
    <div class="wb-pad-dialog-body" tabindex="0" role="group" aria-label=${title}>${body}</div>
  </dialog>`;
}

/** @param {{ text: string }} props */
function Markdown({ text }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => box.current?.replaceChildren(markdown(text)), [text]);
  return html`<div class="wb-vote-guidelines" ref=${box}></div>`;
}

/** @param {{ state: State, vote: OwnVote, act: Act }} props */
function OwnVoteLine({ state: { words, language, busy }, vote, act }) {
  const graded = vote.strength ? `${vote.choice}_${vote.strength}` : vote.choice;
  const text = words(graded);
  const time = new Date(vote.created).toLocaleString(language, { dateStyle: "short", timeStyle: "short" });
  return html`<li class="wb-own-vote">
    <div><strong>${text}</strong> <time class="wb-hint" datetime=${vote.created}>${time}</time>
      <div class="wb-own-vote-prompt">${vote.prompt}</div></div>
    <button type="button" class="wb-button" disabled=${busy} aria-label=${words("take_back_vote", { vote: `${text}, ${vote.prompt}` })}
      onClick=${() => act.takeBack(vote.event)}>${words("take_back")}</button>
  </li>`;
}

/** @param {{ state: State, act: Act }} props */
function FlagForm({ state: { words, draft }, act }) {
  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    act.flag();
  }
  return html`<label class="wb-vote-flag"><span class="wb-ballot-label">${words("flag_label")}</span>
      <textarea class="wb-input" rows="3" maxlength="2000" autofocus value=${draft.flag} required onKeyDown=${onKey}
        onInput=${(/** @type {{ currentTarget: HTMLTextAreaElement }} */ { currentTarget }) =>
          act.change({ flag: currentTarget.value })}></textarea></label>
    <div class="wb-hint">${words("flag_note")}</div>
    <div class="wb-vote-actions"><button type="button" class="wb-button is-primary" disabled=${!draft.flag.trim()}
      onClick=${act.flag}>${words("flag_save")}<kbd aria-hidden="true">Enter</kbd></button></div>`;
}

/** @param {{ state: State }} props */
function KeyTable({ state }) {
  const { ask, words } = state;
  const keys = keyList(modeOf(state), {
    edits: ask.edits,
    hasReason: ask.rationale !== "off",
    reach: reach(ask, 0),
  });
  return html`<dl class="wb-vote-keys">
    ${keys.map(([key, word]) => html`<dt><kbd>${key}</kbd></dt><dd>${words(word)}</dd>`)}
  </dl>`;
}

/**
 * The dialog that is open, if one is.
 * @param {{ state: State, act: Act }} props
 */
export function PadDialog({ state, act }) {
  const { dialog, words } = state;
  if (!dialog) return null;
  const titles = { guidelines: "guidelines", own_votes: "own_votes", keys: "keys", flag: "flag_title" };
  /** @type {Content} */
  let body;
  if (dialog === "guidelines")
    body = html`${state.guidelinesChanged && html`<p class="wb-note is-info">${words("guidelines_changed")}</p>`}
      ${createElement(Markdown, { text: state.guidelines })}`;
  else if (dialog === "own_votes")
    body = state.ownVotes.length
      ? html`<ol class="wb-own-votes">${state.ownVotes.map((vote) => createElement(OwnVoteLine, { key: vote.event, state, vote, act }))}</ol>`
      : html`<p class="wb-hint">${words("own_votes_none")}</p>`;
  else if (dialog === "keys") body = createElement(KeyTable, { state });
  else body = createElement(FlagForm, { state, act });
  const title = words(titles[dialog]);
  return createElement(Dialog, {
    key: dialog,
    title,
    name: dialog,
    closeText: words("close"),
    onClose: act.closed,
    body,
  });
}
