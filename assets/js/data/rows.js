/* DataRows: the rows of a dataset page by page, searched, edited, and those that could not be read.
   server: cards, whole, save, remove_row, add_row, undo_last, bad, download_bad. */
import { rootOf } from "../lib/component.js";
import { h } from "../lib/dom.js";
import { unreachedText } from "../lib/login.js";
import { badNode, cardNode, many } from "./row_cards.js";
import { BLANK, editorNode } from "./row_editor.js";
import { rowsFrame } from "./rows_frame.js";

/** @import { BadRow, Card } from "./row_cards.js" */
/** @import { Row } from "./row_editor.js" */
/** @import { Found, Split, View } from "./rows_frame.js" */
/** What Python or an earlier visit of the tab says is shown; `mark` changes with the rows. @typedef {{ dataset?: string, mark?: string, view?: View }} Shown */
/** @typedef {Omit<Found, "badRows"> & { error?: string }} CardsReply */
/** @typedef {Omit<Found, "complete" | "rows" | "badRows"> & { rows: BadRow[], error?: string }} BadReply */
/** @typedef {{ said: string, last?: number, error?: string }} ChangeReply */
/** @typedef {{ dataset: string, split: Split, place: number, id: Card["id"] }} Place of a row */

/** @type {View} */
const FRESH = { split: "train", start: 0, count: 10, words: "", regex: false, case: false, part: "all" };

/** @param {import("../lib/component.js").Scope<Shown | null>} scope */
export function mount({ element, props, server, watch }) {
  const root = rootOf(element, "wb-data-rows"),
    view = { ...FRESH };
  let dataset = "",
    mark = "",
    found = /** @type {Found | null} */ (null),
    editing = /** @type {{ form: HTMLElement, node: HTMLElement | null } | null} */ (null),
    asked = 0,
    sent = "";
  const frame = rowsFrame(root, view, props.empty, {
    look: () => load(),
    turnTo,
    showSplit(split) {
      Object.assign(view, { split, start: 0 });
      load();
    },
    undo,
    writeNew,
    downloadBad,
  });

  /* ---- asking -------------------------------------------------------------------------------------------- */

  /**
   * @param {string} name
   * @param {Record<string, unknown>} given
   */
  async function ask(name, given) {
    const reply = await server[name](given).catch(() => null);
    return reply || { error: unreachedText() };
  }

  /** @param {number} start */
  function turnTo(start) {
    view.start = Math.max(0, start);
    load();
  }

  /**
   * The page of rows; a search that takes long goes on until the page is full. Nothing when another page is wanted.
   * @param {() => boolean} isWanted
   * @returns {Promise<CardsReply | null>}
   */
  async function askCards(isWanted) {
    for (;;) {
      /** @type {CardsReply} */
      const reply = await ask("cards", { dataset, ...view });
      if (!isWanted()) return null;
      if (reply.error || reply.complete || reply.rows.length >= view.count) return reply;
      frame.say(`Searching … ${many(reply.total, "hit")} so far`);
    }
  }

  /** @returns {Promise<CardsReply & { badRows?: BadRow[] }>} */
  async function askBad() {
    /** @type {BadReply} */
    const reply = await ask("bad", { dataset, ...view });
    return { ...reply, complete: true, rows: [], badRows: reply.rows };
  }

  /** The page as it is now. */
  async function load(said = "") {
    const mine = ++asked,
      isBad = view.split === "bad",
      isWanted = () => mine === asked;
    closeEditor();
    publish();
    frame.say(said || (view.words && !isBad ? "Searching …" : ""));
    root.setAttribute("aria-busy", "true");
    const reply = isBad ? await askBad() : await askCards(isWanted);
    if (!reply || !isWanted()) return;
    root.removeAttribute("aria-busy");
    frame.fail(reply.error);
    if (!reply.error) show({ badRows: [], ...reply });
    frame.say(said);
  }

  /* ---- showing ------------------------------------------------------------------------------------------- */

  /** @param {Found} now */
  function show(now) {
    found = now;
    const nodes =
      view.split === "bad" ? now.badRows.map(badNode) : now.rows.map((row) => cardNode(row, { edit, remove, open }));
    if (!nodes.length && now.total && view.start >= now.total) {
      turnTo(Math.floor((now.total - 1) / view.count) * view.count);
      return;
    }
    root.dataset.shown = dataset;
    frame.draw(now, nodes);
  }

  /* ---- changing ------------------------------------------------------------------------------------------ */

  /**
   * @param {Card} card
   * @returns {Place}
   */
  const placeOf = (card) => ({ dataset, split: view.split, place: card.place, id: card.id });

  /**
   * @param {Card} card
   * @param {HTMLElement} node
   */
  async function open(card, node) {
    const reply = await ask("whole", placeOf(card));
    if (reply.error) {
      frame.fail(reply.error);
      return;
    }
    const whole = cardNode(reply.card, { edit, remove, open });
    whole.classList.add("is-whole");
    node.replaceWith(whole);
    whole.querySelector("button")?.focus();
  }

  /**
   * @param {Card} card
   * @param {HTMLElement} node
   */
  async function edit(card, node) {
    const reply = await ask("whole", placeOf(card));
    if (reply.error) {
      frame.fail(reply.error);
      return;
    }
    openEditor(`Row ${(card.place + 1).toLocaleString("en-US")}`, reply.row, node, "save", placeOf(card));
  }

  function writeNew() {
    if (found) openEditor("A new row", structuredClone(BLANK[found.kind]), null, "add_row", { dataset });
  }

  /**
   * Only one is open at a time; `node` is the card it stands for, none for a new row.
   * @param {string} title
   * @param {Row} row
   * @param {HTMLElement | null} node
   * @param {"save" | "add_row"} how
   * @param {Place | { dataset: string }} given
   */
  function openEditor(title, row, node, how, given) {
    closeEditor();
    const form = editorNode(
      title,
      row,
      async (edited) => {
        /** @type {ChangeReply} */
        const reply = await ask(how, { ...given, row: edited });
        if (reply.error) return reply.error;
        closeEditor();
        if (reply.last !== undefined)
          Object.assign(view, {
            split: "train",
            words: "",
            start: Math.floor(reply.last / view.count) * view.count,
          });
        frame.drawSearch();
        await load(reply.said);
        return "";
      },
      closeEditor,
    );
    editing = { form, node };
    if (node) node.replaceWith(form);
    else frame.rows.prepend(form);
    form.scrollIntoView({ block: "nearest" });
  }

  function closeEditor() {
    if (!editing) return;
    const { form, node } = editing;
    editing = null;
    if (node) {
      form.replaceWith(node);
      node.querySelector("button")?.focus();
    } else form.remove();
  }

  /**
   * @param {Card} card
   * @param {HTMLElement} node
   */
  async function remove(card, node) {
    if (node.classList.contains("is-going")) return;
    node.classList.add("is-going");
    frame.say("Deleting …");
    await after(await ask("remove_row", placeOf(card)), node);
  }

  async function undo() {
    frame.undo.disabled = true;
    frame.say("Undoing …");
    const reply = await ask("undo_last", { dataset });
    frame.undo.disabled = false;
    await after(reply);
  }

  /**
   * @param {ChangeReply} reply
   * @param {HTMLElement | null} [node]
   */
  async function after(reply, node = null) {
    node?.classList.remove("is-going");
    if (reply.error) {
      frame.say("");
      frame.fail(reply.error);
      return;
    }
    await load(reply.said);
  }

  async function downloadBad() {
    const parts = /** @type {string[]} */ ([]);
    frame.say("Reading …");
    for (let offset = 0, done = false; !done; ) {
      /** @type {{ text: string, next: number, done: boolean, error?: string }} */
      const reply = await ask("download_bad", { dataset, offset });
      if (reply.error) {
        frame.say("");
        frame.fail(reply.error);
        return;
      }
      parts.push(reply.text);
      ({ next: offset, done } = reply);
    }
    const link = Object.assign(h("a"), {
      href: URL.createObjectURL(new Blob(parts, { type: "application/jsonl" })),
      download: `${dataset}-rejected.jsonl`,
    });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    frame.say("Downloaded.");
  }

  /* ---- coming and going ---------------------------------------------------------------------------------- */

  /** The place where one is survives leaving the tab. */
  function publish() {
    sent = JSON.stringify({ dataset, mark, view });
    props.value = JSON.parse(sent);
  }

  /**
   * Take over a value from Python or from before the tab was left; what is being edited stays open.
   * @param {Shown} value
   */
  function begin(value) {
    const next = value.dataset || "",
      isNew = next !== dataset;
    mark = value.mark || "";
    if (!isNew && editing) return;
    frame.empty.hidden = Boolean(next);
    frame.body.hidden = !next;
    if (isNew) {
      closeEditor();
      found = null;
      Object.assign(view, FRESH, { count: view.count }, value.view?.dataset === next ? value.view : {});
      frame.drawSearch();
    }
    view.dataset = dataset = next;
    if (dataset) load(isNew ? "" : (frame.said.textContent ?? ""));
  }

  begin(props.value || {});
  watch("value", () => {
    if (props.value && JSON.stringify(props.value) !== sent) begin(props.value);
  });
}
