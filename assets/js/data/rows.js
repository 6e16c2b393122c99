// @ts-nocheck
/* js_on_load of DataRows: the rows of a dataset page by page, searched, edited, and those that could not be read.
   props: value ({dataset, mark, view}), empty. server: cards, whole, save, remove_row, add_row, undo_last, bad, download_bad. */
import { button, emptyState, h, select, setText } from "../lib/dom.js";
import { unreachedText } from "../lib/login.js";
import { badNode, cardNode, many } from "./row_cards.js";
import { BLANK, editorNode } from "./row_editor.js";

export function mount({ element, props, server, watch }) {
  const root = element.querySelector(".wb-data-rows");
  const SIZES = [5, 10, 20, 50];
  const FRESH = { split: "train", start: 0, count: 10, words: "", regex: false, case: false, part: "all" };
  const state = { dataset: "", mark: "", view: { ...FRESH }, found: null, editing: null };
  let asked = 0,
    timer = 0,
    sent = "";
  const ui = build();

  /* ---- the frame ----------------------------------------------------------------------------------------- */

  function build() {
    const ui = { empty: h("div"), body: h("div", "wb-builder-body wb-dr") };
    ui.splits = h("div", "wb-segmented");
    ui.splits.setAttribute("role", "group");
    ui.splits.setAttribute("aria-label", "Which rows");
    ui.said = h("div", "wb-dr-said");
    ui.said.setAttribute("role", "status");
    ui.problem = h("div", "wb-note is-error");
    ui.rows = h("div", "wb-rows");
    ui.empty.append(emptyState(props.empty));
    ui.body.append(searchRow(ui), pagerRow(ui), ui.problem, ui.rows);
    root.append(ui.empty, ui.body);
    ui.body.hidden = ui.problem.hidden = true;
    return ui;
  }

  function searchRow(ui) {
    const line = h("div", "wb-dr-line");
    ui.search = h("span", "wb-dr-search");
    ui.words = Object.assign(h("input", "wb-input"), {
      type: "search",
      placeholder: "Search the rows",
      maxLength: 1000,
    });
    ui.words.setAttribute("aria-label", "Search the rows");
    ui.part = select(
      [
        ["all", "everywhere"],
        ["user", "user"],
        ["assistant", "assistant"],
        ["system", "system"],
        ["tool", "tool"],
      ],
      "all",
      "Search in the turns of",
    );
    ui.case = toggle("Aa", "Upper and lower case matter", "case");
    ui.regex = toggle(".*", "Regular expression (RE2)", "regex");
    ui.words.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(look, 250);
    });
    ui.words.addEventListener("keydown", (event) => {
      if (event.key === "Enter") look();
    });
    ui.part.addEventListener("change", look);
    ui.search.append(ui.words, ui.part, ui.case, ui.regex);
    line.append(ui.splits, ui.search);
    return line;
  }

  function toggle(text, title, name) {
    const node = button(
      "wb-dr-toggle",
      text,
      () => {
        state.view[name] = !state.view[name];
        look();
      },
      title,
    );
    node.setAttribute("aria-label", title);
    return node;
  }

  function pagerRow(ui) {
    const line = h("div", "wb-dr-line is-pager");
    ui.back = button("wb-button", "←", () => turnTo(state.view.start - state.view.count), "The page before");
    ui.forth = button("wb-button", "→", () => turnTo(state.view.start + state.view.count), "The next page");
    ui.back.setAttribute("aria-label", "The page before");
    ui.forth.setAttribute("aria-label", "The next page");
    ui.where = h("span", "wb-dr-where");
    ui.go = Object.assign(h("input", "wb-input is-number"), { type: "number", min: 1, step: 1, placeholder: "row" });
    ui.go.setAttribute("aria-label", "Go to row");
    ui.go.addEventListener("change", () => {
      if (ui.go.value) turnTo(Math.max(0, Math.floor(ui.go.value) - 1));
      ui.go.value = "";
    });
    ui.count = select(
      SIZES.map((size) => [size, `${size} a page`]),
      10,
      "Rows a page",
    );
    ui.count.addEventListener("change", () => {
      state.view.count = Number(ui.count.value);
      turnTo(state.view.start);
    });
    ui.undo = button("wb-button", "Undo", undo);
    ui.add = button("wb-button", "Add a row", writeNew);
    ui.save = button("wb-button", "Download all", downloadBad);
    const tools = h("span", "wb-dr-tools");
    tools.append(ui.undo, ui.add, ui.save);
    line.append(ui.back, ui.forth, ui.where, ui.go, ui.count, tools, ui.said);
    return line;
  }

  /* ---- asking -------------------------------------------------------------------------------------------- */

  const query = (more = {}) => ({ dataset: state.dataset, ...state.view, ...more });

  async function ask(name, given) {
    const reply = await server[name](given).catch(() => null);
    return reply || { error: unreachedText() };
  }

  function look() {
    clearTimeout(timer);
    Object.assign(state.view, { words: ui.words.value, part: ui.part.value, start: 0 });
    load();
  }

  function turnTo(start) {
    state.view.start = Math.max(0, start);
    load();
  }

  /** The page as it is now; a search that takes long goes on until the page is full. */
  async function load(said = "") {
    const mine = ++asked,
      isBad = state.view.split === "bad";
    if (state.editing) closeEditor();
    publish();
    setText(ui.said, said || (state.view.words && !isBad ? "Searching …" : ""));
    root.setAttribute("aria-busy", "true");
    let reply;
    do {
      reply = await ask(isBad ? "bad" : "cards", query());
      if (mine !== asked) return;
      if (!reply.error && !isBad && !reply.complete) setText(ui.said, `Searching … ${many(reply.total, "hit")} so far`);
    } while (!reply.error && !isBad && !reply.complete && reply.rows.length < state.view.count);
    root.removeAttribute("aria-busy");
    ui.problem.hidden = !reply.error;
    setText(ui.problem, reply.error || "");
    if (!reply.error) show(isBad ? { ...state.found, ...reply, complete: true } : reply);
    setText(ui.said, said);
  }

  /* ---- showing ------------------------------------------------------------------------------------------- */

  function show(found) {
    state.found = found;
    const isBad = state.view.split === "bad",
      { start, count, words } = state.view;
    if (!found.rows.length && found.total && start >= found.total) {
      turnTo(Math.floor((found.total - 1) / count) * count);
      return;
    }
    ui.rows.replaceChildren(...found.rows.map((row) => (isBad ? badNode(row) : cardNode(row, { edit, remove, open }))));
    if (!found.rows.length) ui.rows.append(emptyState(nothing(found)));
    root.dataset.shown = state.dataset;
    showFrame(found, isBad, start, count, words);
  }

  function nothing(found) {
    const { words, split } = state.view;
    if (split === "bad") return ["No bad rows", "Everything in the source could be read.", ""];
    if (words) return [`No row of ${split} has that`, "Search for less, in all turns, or in the other split.", ""];
    if (split === "eval") return ["Nothing is held back for evaluation", "", "Use 'Split again or delete' above."];
    return ["No rows", `The ${split} split of this dataset is empty.`, ""];
  }

  function showFrame(found, isBad, start, count, words) {
    const last = start + found.rows.length,
      total = found.total.toLocaleString("en-US") + (found.complete ? "" : "+");
    const what = isBad ? "bad rows" : words ? "hits" : "rows";
    setText(
      ui.where,
      found.rows.length
        ? `${(start + 1).toLocaleString("en-US")}–${last.toLocaleString("en-US")} of ${total} ${what}`
        : "",
    );
    ui.back.disabled = start === 0;
    ui.forth.disabled = last >= found.total && found.complete;
    ui.search.hidden = ui.add.hidden = isBad;
    ui.save.hidden = !isBad || !found.total;
    ui.undo.hidden = !found.undo;
    setText(ui.undo, `Undo ${found.undo}`);
    ui.undo.title = `Takes back: ${found.undo}`;
    for (const name of ["case", "regex"]) ui[name].setAttribute("aria-pressed", String(state.view[name]));
    ui.count.value = String(count);
    const sizes = [
      ["train", "Train", found.splits?.train],
      ["eval", "Eval", found.splits?.eval],
      ["bad", "Bad rows", found.bad],
    ];
    ui.splits.replaceChildren(...sizes.filter(([key, , size]) => key !== "bad" || size || isBad).map(splitButton));
  }

  function splitButton([key, title, size]) {
    const node = button("", title, () => {
      Object.assign(state.view, { split: key, start: 0 });
      load();
    });
    node.append(h("small", "", (size || 0).toLocaleString("en-US")));
    node.setAttribute("aria-pressed", String(state.view.split === key));
    node.classList.toggle("is-on", state.view.split === key);
    return node;
  }

  /* ---- changing ------------------------------------------------------------------------------------------ */

  const placeOf = (card) => ({ dataset: state.dataset, split: state.view.split, place: card.place, id: card.id });

  function failed(text) {
    ui.problem.hidden = false;
    setText(ui.problem, text);
  }

  async function open(card, node) {
    const reply = await ask("whole", placeOf(card));
    if (reply.error) {
      failed(reply.error);
      return;
    }
    const whole = cardNode(reply.card, { edit, remove, open });
    whole.classList.add("is-whole");
    node.replaceWith(whole);
    whole.querySelector("button")?.focus();
  }

  async function edit(card, node) {
    const reply = await ask("whole", placeOf(card));
    if (reply.error) {
      failed(reply.error);
      return;
    }
    openEditor(`Row ${(card.place + 1).toLocaleString("en-US")}`, reply.row, node, "save", placeOf(card));
  }

  function writeNew() {
    if (state.found)
      openEditor("A new row", structuredClone(BLANK[state.found.kind]), null, "add_row", { dataset: state.dataset });
  }

  /** Only one is open at a time; `node` is the card it stands for, none for a new row. */
  function openEditor(title, row, node, how, given) {
    closeEditor();
    const form = editorNode(
      title,
      row,
      async (edited) => {
        const reply = await ask(how, { ...given, row: edited });
        if (reply.error) return reply.error;
        closeEditor();
        if (reply.last !== undefined)
          Object.assign(state.view, {
            split: "train",
            words: "",
            start: Math.floor(reply.last / state.view.count) * state.view.count,
          });
        ui.words.value = state.view.words;
        await load(reply.said);
        return "";
      },
      closeEditor,
    );
    state.editing = { form, node };
    if (node) node.replaceWith(form);
    else ui.rows.prepend(form);
    form.scrollIntoView({ block: "nearest" });
  }

  function closeEditor() {
    if (!state.editing) return;
    const { form, node } = state.editing;
    state.editing = null;
    if (node) {
      form.replaceWith(node);
      node.querySelector("button")?.focus();
    } else form.remove();
  }

  async function remove(card, node) {
    if (node.classList.contains("is-going")) return;
    node.classList.add("is-going");
    setText(ui.said, "Deleting …");
    await after(await ask("remove_row", placeOf(card)), node);
  }

  async function undo() {
    ui.undo.disabled = true;
    setText(ui.said, "Undoing …");
    const reply = await ask("undo_last", { dataset: state.dataset });
    ui.undo.disabled = false;
    await after(reply);
  }

  async function after(reply, node = null) {
    node?.classList.remove("is-going");
    if (reply.error) {
      setText(ui.said, "");
      failed(reply.error);
      return;
    }
    await load(reply.said);
  }

  async function downloadBad() {
    const parts = [];
    setText(ui.said, "Reading …");
    for (let offset = 0, done = false; !done; ) {
      const reply = await ask("download_bad", { dataset: state.dataset, offset });
      if (reply.error) {
        setText(ui.said, "");
        failed(reply.error);
        return;
      }
      parts.push(reply.text);
      ({ next: offset, done } = reply);
    }
    const link = Object.assign(h("a"), {
      href: URL.createObjectURL(new Blob(parts, { type: "application/jsonl" })),
      download: `${state.dataset}-rejected.jsonl`,
    });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    setText(ui.said, "Downloaded.");
  }

  /* ---- coming and going ---------------------------------------------------------------------------------- */

  /** The place where one is survives leaving the tab. */
  function publish() {
    sent = JSON.stringify({ dataset: state.dataset, mark: state.mark, view: state.view });
    props.value = JSON.parse(sent);
  }

  /** Take over a value from Python or from before the tab was left; what is being edited stays open. */
  function begin(value) {
    const dataset = value.dataset || "",
      isNew = dataset !== state.dataset;
    if (!isNew && state.editing) {
      state.mark = value.mark;
      return;
    }
    state.mark = value.mark || "";
    ui.empty.hidden = Boolean(dataset);
    ui.body.hidden = !dataset;
    if (isNew) {
      closeEditor();
      state.view = { ...FRESH, count: state.view.count, ...(value.view?.dataset === dataset ? value.view : {}) };
      ui.words.value = state.view.words;
      ui.part.value = state.view.part;
    }
    Object.assign(state, { dataset });
    state.view.dataset = dataset;
    if (dataset) load(isNew ? "" : ui.said.textContent);
  }

  begin(props.value || {});
  watch("value", () => {
    if (props.value && JSON.stringify(props.value) !== sent) begin(props.value);
  });
}
