/* TokenView: the tokens of one example, coloured by whether the loss counts them. */
import { rootOf } from "../lib/component.js";
import { emptyState, h } from "../lib/dom.js";

/**
 * @typedef {{
 *   text: string, id?: number | null, trained: boolean, special?: boolean, cut?: boolean, weight?: number,
 * }} Token
 */
/**
 * @typedef {{
 *   tokens: Token[], warnings?: { level: string, text: string }[], summary?: [name: string, value: string][],
 *   note?: string,
 * }} Tokens
 */

const MOST = 8000;
const SIGNS = new Map([
  [" ", "·"],
  ["\t", "→"],
  ["\n", "↵"],
]);

/** @param {import("../lib/component.js").Scope<Tokens | null>} scope */
export function mount({ element, props, watch }) {
  const root = rootOf(element, "wb-token-view");

  /** @param {Token} token */
  function state(token) {
    if (token.cut) return "cut off";
    if (!token.trained) return "read, not trained on";
    return token.weight === 1 || token.weight === undefined ? "trained on" : `trained on, weight ${token.weight}`;
  }

  /**
   * The sign before the first of several tokens that count in the loss otherwise than once, or null.
   * @param {Token} token
   * @param {Token | undefined} before
   */
  function weight(token, before) {
    /** @param {Token | undefined} one */
    const counts = (one) => (one?.trained && !one.cut ? one.weight : undefined);
    const own = counts(token);
    if (own === undefined || own === counts(before) || (own === 1 && counts(before) === undefined)) return null;
    return h("sup", "wb-token-weight", `×${Number(own.toPrecision(3))}`);
  }

  /**
   * One token as an inline box; spaces, tabs and line breaks become visible.
   * @param {Token} token
   * @param {number} index
   */
  function box(token, index) {
    const node = h("span", `wb-token ${token.trained ? "is-trained" : "is-context"}`);
    if (token.special) node.classList.add("is-special");
    if (token.cut) node.classList.add("is-cut");
    node.dataset.index = String(index);
    for (const part of String(token.text).split(/([ \t\n])/)) {
      if (!part) continue;
      const sign = SIGNS.get(part);
      node.append(sign ? h("i", "", sign) : document.createTextNode(part));
      if (part === "\n") node.append(h("br"));
    }
    return node;
  }

  /** @param {boolean} weighted */
  function legend(weighted) {
    const line = h("div", "wb-token-legend");
    const samples = [
      ["is-trained", "trained on"],
      ["is-context", "read only"],
      ["is-context is-special", "special token"],
      ["is-context is-cut", "cut off"],
    ];
    for (const [look, text] of samples) {
      const item = h("span");
      item.append(h("span", `wb-token ${look}`, "abc"), document.createTextNode(text));
      line.append(item);
    }
    if (weighted) {
      const item = h("span");
      item.append(h("span", "wb-token-weight", "×0.5"), document.createTextNode("weight in the loss"));
      line.append(item);
    }
    return line;
  }

  /** @param {Tokens["summary"]} rows */
  function summary(rows) {
    const list = h("div", "wb-figures");
    for (const [name, value] of rows || []) {
      const node = h("div", "wb-figure");
      node.append(h("span", "", name), h("b", "", value));
      list.append(node);
    }
    return list;
  }

  /** @param {Tokens["warnings"]} items */
  function warnings(items) {
    const list = h("div", "wb-notes");
    for (const { level, text } of items || []) {
      list.append(h("div", `wb-note is-${String(level).replace(/[^a-z]/g, "")}`, text));
    }
    return list;
  }

  function render() {
    const value = props.value;
    root.replaceChildren();
    if (!value?.tokens) {
      root.append(emptyState(props.empty));
      return;
    }
    const text = h("div", "wb-token-text");
    value.tokens.slice(0, MOST).forEach((token, index) => {
      const sign = weight(token, value.tokens[index - 1]);
      if (sign) text.append(sign);
      text.append(box(token, index));
    });
    const status = h("div", "wb-token-status", "Point at a token to see its number.");
    root.append(
      warnings(value.warnings),
      summary(value.summary),
      legend(Boolean(text.querySelector(".wb-token-weight"))),
      text,
      status,
    );
    if (value.tokens.length > MOST)
      root.append(h("div", "wb-hint", `The first ${MOST} of ${value.tokens.length} tokens.`));
    if (value.note) root.append(h("div", "wb-hint", value.note));
    text.addEventListener("mouseover", (event) => {
      const node = event.target instanceof Element && event.target.closest(".wb-token");
      if (!(node instanceof HTMLElement)) return;
      const token = value.tokens[Number(node.dataset.index)];
      const id = token.id === undefined || token.id === null ? "" : `  ·  id ${token.id}`;
      status.textContent =
        `Token ${Number(node.dataset.index) + 1}${id}  ·  ${JSON.stringify(token.text)}  ·  ${state(token)}` +
        (token.special ? "  ·  special" : "");
    });
  }

  render();
  watch("value", render);
}
