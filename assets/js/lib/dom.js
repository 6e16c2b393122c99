/* Elements of the page. Text reaches it through textContent or safe markdown only. */

/**
 * Element with a class and, as plain text, its content.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} [className]
 * @param {unknown} [text]
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, className = "", text = null) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== null && text !== undefined) node.textContent = String(text);
  return node;
}

/**
 * Set text only when it differs, so that selections survive polling.
 * @param {Node} node
 * @param {unknown} text
 */
export function setText(node, text) {
  const next = text === null || text === undefined ? "" : String(text);
  if (node.textContent !== next) node.textContent = next;
}

/** @param {HTMLElement} element */
export const isVisible = (element) => !document.hidden && element.offsetParent !== null;

let ids = 0;
/** An id no other element of the page has. */
export const nextId = () => `wb-${++ids}`;

/**
 * A button; one whose text is a mere sign is read aloud by its title.
 * @param {string} className
 * @param {string} text
 * @param {(event: MouseEvent) => void} onClick
 */
export function button(className, text, onClick, title = "") {
  const node = h("button", className, text);
  node.type = "button";
  if (title) node.title = title;
  if (title && text.length < 2) node.setAttribute("aria-label", title);
  node.addEventListener("click", onClick);
  return node;
}

/** @typedef {[value: string | number, text: string]} Choice */
/** @typedef {Choice | [group: string, choices: Choice[]]} ChoiceOrGroup */

/**
 * A list to choose from.
 * @param {ChoiceOrGroup[]} options
 * @param {string | number} value
 * @param {string} label
 */
export function select(options, value, label) {
  const node = h("select", "wb-input");
  node.setAttribute("aria-label", label);
  fillSelect(node, options);
  node.value = String(value);
  return node;
}

/** @type {WeakMap<HTMLSelectElement, string>} */
const filled = new WeakMap();

/**
 * The options of a list, filled again only when they changed.
 * @param {HTMLSelectElement} node
 * @param {ChoiceOrGroup[]} options
 */
export function fillSelect(node, options) {
  const mark = JSON.stringify(options);
  if (filled.get(node) === mark) return;
  filled.set(node, mark);
  /** @param {Choice} choice */
  const option = ([value, text]) => Object.assign(h("option", "", text), { value: String(value) });
  node.replaceChildren(
    ...options.map(([first, second]) => {
      if (!Array.isArray(second)) return option([first, second]);
      const group = Object.assign(h("optgroup"), { label: String(first) });
      group.append(...second.map(option));
      return group;
    }),
  );
}

/**
 * Small coloured label of a state.
 * @param {string} status
 * @param {string} [text]
 */
export function statusChip(status, text) {
  return h("span", `wb-chip is-${String(status).replace(/[^a-z]/g, "")}`, text || status);
}

/**
 * What an empty place says: what belongs here, in a sentence, what to do next.
 * @param {string[] | null | undefined} lines
 */
export function emptyState(lines) {
  const box = h("div", "wb-empty");
  const [title, sentence, next] = lines || [];
  if (title) box.append(h("div", "wb-empty-title", title));
  if (sentence) box.append(h("div", "wb-empty-text", sentence));
  if (next) box.append(h("div", "wb-empty-next", next));
  return box;
}
