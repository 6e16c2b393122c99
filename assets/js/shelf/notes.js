/* NotesPanel: the tags and the note of the thing whose name is the value, and the links that lead to it. props.kind says what it is, props.limits how
   long a tag and a note may be.
   server.read({name}), server.change({name, add, remove}) and server.write({name, note, before}) give {name, tags, note,
   problem, offered}. */

import { linkTo, noteShown } from "../lib/address.js";
import { copiedLabel } from "../lib/browser.js";
import { rootOf } from "../lib/component.js";
import { button, h, nextId, setText } from "../lib/dom.js";
import { formatNumber } from "../lib/format.js";
import { markdown } from "../lib/markdown.js";
import { poll } from "../lib/polling.js";
import { shelf } from "./mark.js";

/** @typedef {{ name: string, tags: string[], note: string, problem: string, offered: string[], error?: string }} State */

/** @param {import("../lib/component.js").Scope<string, { kind: string, limits: { tag: number, note: number } }>} scope */
export function mount({ element, props, server, watch }) {
  const root = rootOf(element, "wb-notes-panel");
  /** @type {State | null} */
  let state = null;
  let mark = /** @type {string | null} */ (null),
    editing = false,
    shown = "",
    last = Promise.resolve();

  const tags = h("ul", "wb-tags"),
    entry = h("input", "wb-input wb-tag-entry"),
    offered = h("datalist"),
    top = h("div", "wb-notes-top"),
    note = h("div", "wb-notes-text"),
    area = h("textarea", "wb-input"),
    count = h("span", "wb-hint"),
    foot = h("div", "wb-notes-foot"),
    problem = h("div", "wb-notes-problem"),
    heard = h("span", "wb-hint");
  offered.id = nextId();
  Object.assign(entry, { type: "text", placeholder: "Add a tag", maxLength: 200, autocomplete: "off" });
  entry.setAttribute("list", offered.id);
  entry.setAttribute("aria-label", `Add a tag to this ${props.kind}`);
  area.setAttribute("aria-label", `Note on this ${props.kind}`);
  area.rows = 5;
  area.placeholder = "What it is for, what came out of it. Markdown.";
  note.tabIndex = 0;
  note.setAttribute("role", "group");
  note.setAttribute("aria-label", `Note on this ${props.kind}`);
  problem.setAttribute("role", "alert");
  heard.setAttribute("role", "status");
  const edit = button("wb-button", "Add a note", () => open(true)),
    save = button("wb-button is-primary", "Save note", write),
    cancel = button("wb-button", "Cancel", () => open(false)),
    copy = button("wb-button", "Copy link", copyLink);
  copy.setAttribute("aria-label", `Copy the link to this ${props.kind}`);
  foot.append(save, cancel, count);
  top.append(tags, entry, offered, edit, copy, heard);
  root.append(top, note, area, foot, problem);

  entry.addEventListener("change", add);
  entry.addEventListener("keydown", (event) => {
    event.stopPropagation(); // no letter votes
    if (event.key === "," || event.key === "Enter") {
      event.preventDefault();
      add();
    }
  });
  area.addEventListener("input", counted);
  area.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) write();
    if (event.key === "Escape") open(false);
  });

  async function copyLink() {
    setText(heard, state ? await copiedLabel(linkTo(props.kind, state.name)) : "");
  }

  function counted() {
    const long = area.value.length > props.limits.note;
    setText(count, `${formatNumber(area.value.length)} of ${formatNumber(props.limits.note)} characters`);
    area.classList.toggle("is-bad", long);
  }

  /** @param {boolean} yes */
  function open(yes) {
    editing = yes;
    if (yes) area.value = state?.note || "";
    draw();
    (yes ? area : edit).focus();
  }

  function draw() {
    root.hidden = !state;
    root.dataset.name = state?.name || "";
    if (!state) return;
    const { tags: names, note: text, problem: damage } = state;
    tags.replaceChildren(
      ...names.map((tag) => {
        const item = h("li", "wb-tag", tag);
        item.append(button("wb-tag-remove", "×", () => change([], [tag]), `Remove the tag ${tag}`));
        return item;
      }),
    );
    tags.hidden = !names.length;
    offered.replaceChildren(...state.offered.filter((tag) => !names.includes(tag)).map((tag) => new Option(tag, tag)));
    note.hidden = !text;
    note.replaceChildren(markdown(text));
    setText(edit, text ? "Edit note" : "Add a note");
    edit.hidden = editing;
    area.hidden = foot.hidden = !editing;
    if (editing) counted();
    setText(problem, damage && `${damage} A new tag or note is written in its place.`);
  }

  /** @param {State | null} reply @param {string} said */
  function take(reply, said) {
    if (!reply || reply.error) {
      setText(problem, reply?.error || "Nothing was saved: the server does not answer.");
      setText(heard, "");
      return false;
    }
    if (reply.name !== props.value) return false; // another thing is shown by now
    state = reply;
    setText(heard, said);
    return true;
  }

  /**
   * After what was saved before: the server answers several calls at once, in any order, and tags lie as they were given.
   * @param {() => Promise<void>} act
   */
  function inTurn(act) {
    last = last.then(act, act);
  }

  /** @param {string[]} more @param {string[]} less */
  function change(more, less) {
    const name = state?.name;
    if (name) inTurn(() => changed(name, more, less));
  }

  /** @param {string} name @param {string[]} more @param {string[]} less */
  async function changed(name, more, less) {
    if (take(await server.change({ name, add: more, remove: less }).catch(() => null), "Saved")) {
      draw();
      if (less.length) entry.focus();
    } else if (name === props.value) {
      entry.value = [...more, entry.value].join(" ").trim();
    }
  }

  function add() {
    const words = entry.value.split(/[\s,]+/).filter(Boolean);
    entry.value = ""; // what is typed while the server answers is the next one
    if (words.length) change(words, []);
  }

  function write() {
    if (!state) return;
    const { name, note: before } = state,
      text = area.value;
    inTurn(() => written(name, text, state?.name === name ? state.note : before));
  }

  /** @param {string} name @param {string} text @param {string} before */
  async function written(name, text, before) {
    const reply = await server.write({ name, note: text, before }).catch(() => null);
    if (take(reply, "Saved")) {
      editing = false;
      draw();
      edit.focus();
    } else if (reply) {
      read(); // it may have been changed elsewhere: that is shown above what is typed
    }
  }

  async function read() {
    const name = props.value;
    const reply = name ? await server.read({ name }).catch(() => null) : null;
    if (name !== props.value || (name && !reply)) return; // a server that does not answer takes nothing from the page
    state = reply?.error ? null : reply;
    const said = editing ? problem.textContent : "";
    draw();
    if (editing && said) setText(problem, said);
  }

  watch("value", () => {
    if (props.value === shown) return; // set again to what it is
    shown = props.value;
    noteShown(props.kind, shown);
    editing = false;
    mark = null;
    setText(heard, "");
    entry.value = "";
    state = null;
    draw();
    again();
  });
  const again = poll(element, async () => {
    if (mark !== shelf.mark || !state) {
      mark = shelf.mark;
      if (props.value) await read();
    }
    return 400;
  });
  draw();
}
