/* ItemSearch: one search over models, datasets, jobs and sessions. server.search({words}) gives {groups: [{kind, title,
   total, items: [{key, title, about, tags, snippet}]}]}. Opening one sets the value to {kind, key} and triggers 'input'. */

import { rootOf } from "../lib/component.js";
import { emptyState, h } from "../lib/dom.js";
import { poll } from "../lib/polling.js";
import { shelf } from "./mark.js";
import { tagList } from "./tags.js";

/** @typedef {{ key: string, title: string, about: string, tags: string[], snippet: string }} Item */
/** @typedef {{ kind: string, title: string, total: number, items: Item[] }} Group */

/** @param {import("../lib/component.js").Scope<{ kind: string, key: string } | null>} scope */
export function mount({ element, props, server, trigger }) {
  const root = rootOf(element, "wb-item-search");
  const search = h("input", "wb-input"),
    heard = h("div", "wb-only-read"),
    results = h("div", "wb-search-results");
  Object.assign(search, { type: "search", placeholder: "Name, #tag, word of a note, base model …", maxLength: 200 });
  search.setAttribute("aria-label", "Search models, datasets, jobs and sessions");
  heard.setAttribute("role", "status");
  root.append(search, heard, results);
  let asked = "",
    mark = /** @type {string | null} */ (null),
    typing = 0;

  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(again, 200);
  });
  root.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      /** @type {(Element | null)[]} */
      const stops = [search, ...root.querySelectorAll(".wb-search-item")];
      const at = stops.indexOf(document.activeElement);
      const next = stops[at + (event.key === "ArrowDown" ? 1 : -1)];
      if (at < 0 || !(next instanceof HTMLElement)) return;
      event.preventDefault();
      next.focus();
    }
    if (event.key === "Enter" && event.target === search) {
      const first = root.querySelector(".wb-search-item");
      if (first instanceof HTMLElement && asked === search.value) first.click();
    }
  });

  /** @param {string} kind @param {Item} item */
  function line(kind, { key, title, about, tags, snippet }) {
    const row = h("li", "wb-search-line"),
      open = h("button", "wb-search-item");
    open.type = "button";
    open.append(h("span", "wb-search-title", title), h("span", "wb-hint", about));
    open.addEventListener("click", () => {
      props.value = { kind, key };
      trigger("input");
    });
    row.append(open);
    if (tags.length) row.append(tagList(tags, look, (tag) => `Search for everything tagged ${tag}`));
    if (snippet) row.append(h("div", "wb-search-note wb-hint", snippet));
    return row;
  }

  /** @param {string} tag */
  function look(tag) {
    search.value = `#${tag}`;
    search.focus();
    again();
  }

  /** @param {Group} group */
  function section({ kind, title, total, items }) {
    const box = h("section"),
      list = h("ul");
    list.append(...items.map((item) => line(kind, item)));
    box.append(h("h2", "wb-search-kind", `${title} (${total})`), list);
    if (total > items.length)
      box.append(h("div", "wb-hint", `The best ${items.length} are shown. Add a word to narrow it down.`));
    return box;
  }

  /** @param {Group[]} groups */
  function draw(groups) {
    const total = groups.reduce((sum, group) => sum + group.total, 0);
    /** @type {(Element | null)[]} */
    const before = [...root.querySelectorAll(".wb-search-item")];
    const at = before.indexOf(document.activeElement);
    results.replaceChildren(...groups.filter((group) => group.total).map(section));
    if (!total && search.value.trim()) results.append(emptyState(props.empty));
    heard.textContent = search.value.trim() ? `${total} found` : "";
    const held = root.querySelectorAll(".wb-search-item")[at];
    if (held instanceof HTMLElement) held.focus();
  }

  const again = poll(root, async () => {
    const words = search.value;
    if (words === asked && (mark === shelf.mark || !words.trim())) return 400;
    const now = shelf.mark;
    const reply = words.trim() ? await server.search({ words }) : { groups: [] };
    if (!reply || reply.error) return 2000;
    if (words !== search.value) return 1;
    asked = words;
    mark = now;
    draw(reply.groups);
    return 400;
  });
}
