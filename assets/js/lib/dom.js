// @ts-nocheck
/* Elements of the page. Text reaches it through textContent or safe markdown only. */

/** Element with a class and, as plain text, its content. */
export function h(tag, className = "", text = null) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== null && text !== undefined) node.textContent = String(text);
  return node;
}

/** Set text only when it differs, so that selections survive polling. */
export function setText(node, text) {
  const next = text === null || text === undefined ? "" : String(text);
  if (node.textContent !== next) node.textContent = next;
}

export const isVisible = (element) => !document.hidden && element.offsetParent !== null;

let ids = 0;
/** An id no other element of the page has. */
export const nextId = () => `wb-${++ids}`;

/** A button; one whose text is a mere sign is read aloud by its title. */
export function button(className, text, onClick, title = "") {
  const node = h("button", className, text);
  node.type = "button";
  if (title) node.title = title;
  if (title && text.length < 2) node.setAttribute("aria-label", title);
  node.addEventListener("click", onClick);
  return node;
}

/** A list to choose from; options as `fillSelect` takes them. */
export function select(options, value, label) {
  const node = h("select", "wb-mb-input");
  node.setAttribute("aria-label", label);
  fillSelect(node, options);
  node.value = value;
  return node;
}

const filled = new WeakMap();

/** Options as [value, text], or [group, [[value, text], …]]; filled again only when they changed. */
export function fillSelect(node, options) {
  const mark = JSON.stringify(options);
  if (filled.get(node) === mark) return;
  filled.set(node, mark);
  const option = ([value, text]) => Object.assign(h("option", "", text), { value });
  node.replaceChildren(
    ...options.map((one) => {
      if (!Array.isArray(one[1])) return option(one);
      const group = Object.assign(h("optgroup"), { label: one[0] });
      group.append(...one[1].map(option));
      return group;
    }),
  );
}

/** Small coloured label of a state. */
export function statusChip(status, text) {
  return h("span", `wb-chip is-${String(status).replace(/[^a-z]/g, "")}`, text || status);
}

/** What an empty place says: [what belongs here, in a sentence, what to do next]. */
export function emptyState(lines) {
  const box = h("div", "wb-empty");
  const [title, sentence, next] = lines || [];
  if (title) box.append(h("div", "wb-empty-title", title));
  if (sentence) box.append(h("div", "wb-empty-text", sentence));
  if (next) box.append(h("div", "wb-empty-next", next));
  return box;
}
