/* A list that is searched by typing: an editable combobox with list autocompletion, after
   https://www.w3.org/WAI/ARIA/apg/patterns/combobox/examples/combobox-autocomplete-list/ */
import { classes, html, useLayoutEffect, useRef, useState } from "../../lib/preact.js";
import { inputClass } from "./control.js";

/** @import { Choice } from "../settings.js" */
/** @import { Aria } from "./control.js" */

const MOST_SHOWN_CHOICES = 200;

/**
 * The choices that have every word of the text in their own, whatever its case.
 * @param {Choice[]} choices
 * @param {string} text
 */
export function choicesWith(choices, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return choices.filter(([label]) => words.every((word) => label.toLowerCase().includes(word)));
}

/**
 * Which choice the arrow keys lead to, from the last to the first and back; none is -1.
 * @param {string} key
 * @param {number} active
 * @param {number} count
 */
export function nextActive(key, active, count) {
  if (!count) return -1;
  if (key === "ArrowDown") return (active + 1) % count;
  return active <= 0 ? count - 1 : active - 1;
}

/**
 * `value` is what is chosen, by its label seen while the list is closed; `more` are choices that no typing hides. `pick`
 * is called with the value of a choice, also with the one there is.
 * @param {{
 *   name: string, choices: Choice[], more: Choice[], value: string, placeholder: string,
 *   pick: (value: string) => void, aria: Aria, isBad: boolean, isHidden: boolean,
 * }} props
 */
export function Combobox({ name, choices, more, value, placeholder, pick, aria, isBad, isHidden }) {
  const [text, setText] = useState(/** @type {string | null} */ (null)); // what is searched; null while it is closed
  const [active, setActive] = useState(-1);
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  const isOpen = text !== null;
  const matching = choicesWith(choices, text ?? "");
  const shown = [...matching.slice(0, MOST_SHOWN_CHOICES), ...more];
  const label = choices.find(([, other]) => other === value)?.[0] ?? "";
  /** @param {number} index */
  const optionId = (index) => `${aria.id}-option-${index}`;
  useLayoutEffect(
    () => list.current?.querySelector(".is-active")?.scrollIntoView({ block: "nearest" }),
    [active, isOpen],
  );

  function open() {
    if (isOpen) return;
    setText("");
    setActive(choices.findIndex(([, other]) => other === value));
  }

  function close() {
    setText(null);
    setActive(-1);
  }

  /** @param {string} next */
  function take(next) {
    close();
    pick(next);
  }

  /** @param {InputEvent & { currentTarget: HTMLInputElement }} event */
  function search({ currentTarget: input, data }) {
    const typed = isOpen || !data || !input.value.startsWith(label) ? input.value : data; // over what was chosen
    setText(typed);
    setActive(typed.trim() && choicesWith(choices, typed).length ? 0 : -1);
  }

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    const { key } = event;
    if (key === "ArrowDown" || key === "ArrowUp") {
      event.preventDefault();
      if (!isOpen) return open();
      return setActive(nextActive(key, active, shown.length));
    }
    if (!isOpen || (key !== "Enter" && key !== "Escape")) return;
    event.preventDefault();
    event.stopPropagation();
    if (key === "Escape") close();
    else if (active >= 0) take(shown[active][1]);
  }

  const hidden = matching.length - MOST_SHOWN_CHOICES;
  const note = matching.length
    ? hidden > 0 && `${hidden} more: type a part of the name`
    : "Nothing has this in its name.";
  return html`<span class="wb-combobox" hidden=${isHidden}>
    <input
      type="text"
      role="combobox"
      class=${inputClass(isBad)}
      autocomplete="off"
      spellcheck=${false}
      placeholder=${isOpen ? label || "Type to search" : placeholder}
      value=${text ?? label}
      aria-autocomplete="list"
      aria-expanded=${String(isOpen)}
      aria-controls=${`${aria.id}-list`}
      aria-activedescendant=${isOpen && active >= 0 ? optionId(active) : null}
      onClick=${open}
      onInput=${search}
      onKeyDown=${onKey}
      onBlur=${close}
      ...${aria}
    />
    <ul id=${`${aria.id}-list`} role="listbox" aria-label=${name} hidden=${!isOpen} ref=${list} onMouseDown=${keepFocus}>
      ${
        isOpen &&
        shown.map(
          ([words, choice], index) => html`<li
            key=${choice}
            id=${optionId(index)}
            role="option"
            class=${classes(index === active && "is-active", index >= shown.length - more.length && "is-more")}
            aria-selected=${String(choice === value)}
            onClick=${() => take(choice)}
          >${words}</li>`,
        )
      }
      ${isOpen && note && html`<li key="note" role="option" aria-disabled="true" class="is-note">${note}</li>`}
    </ul>
  </span>`;
}

/**
 * A press on the list leaves the focus where it is typed; dragging it by touch still scrolls.
 * @param {MouseEvent} event
 */
const keepFocus = (event) => event.preventDefault();
