/* Part of DataRows: the form a row is edited in, in the place of its card, and in which a new one is written. */
import { button, h, select, setText } from "../lib/dom.js";

/**
 * @typedef {{
 *   role: string, content: string, tool_calls?: unknown, name?: string, tool_call_id?: string, reasoning_content?: string,
 *   weight?: number,
 * }} Turn
 */
/** @typedef {Record<string, any>} Row parts of turns, a text, a label, tools and metadata, as its kind has them */

const ROLES = ["system", "user", "assistant", "tool"];
export const BLANK = {
  conversation: {
    messages: [
      { role: "user", content: "" },
      { role: "assistant", content: "" },
    ],
  },
  preference: {
    prompt: [{ role: "user", content: "" }],
    chosen: [{ role: "assistant", content: "" }],
    rejected: [{ role: "assistant", content: "" }],
  },
  unpaired: { prompt: [{ role: "user", content: "" }], completion: [{ role: "assistant", content: "" }], label: true },
  text: { text: "" },
  prompts: { prompt: [{ role: "user", content: "" }] },
};

/**
 * A text area as high as its text.
 * @param {string} text
 * @param {string} label
 */
export function area(text, label, className = "") {
  const node = Object.assign(h("textarea", `wb-input wb-dr-area ${className}`), { value: text, rows: 1 });
  node.setAttribute("aria-label", label);
  const fit = () => {
    node.style.height = "auto";
    node.style.height = `${Math.min(node.scrollHeight + 2, 420)}px`;
  };
  node.addEventListener("input", fit);
  requestAnimationFrame(fit);
  return node;
}

/** @param {unknown} value */
const indented = (value) => (value === undefined ? "" : JSON.stringify(value, null, 1));

/**
 * One turn: its node, and `read` gives what it holds.
 * @param {Turn} turn
 * @param {string} part
 * @param {() => void} gone
 */
function turnForm(turn, part, gone) {
  const node = h("div", "wb-dr-turn"),
    side = h("div", "wb-dr-side"),
    body = h("div", "wb-dr-body");
  const role = select(
    ROLES.map((role) => /** @type {[string, string]} */ ([role, role])),
    turn.role,
    `Role in ${part}`,
  );
  const content = area(turn.content, `${turn.role} text in ${part}`);
  const calls = area(indented(turn.tool_calls), "Tool calls as JSON", "is-code");
  const name = Object.assign(h("input", "wb-input"), { value: turn.name || "", placeholder: "name" });
  const answers = Object.assign(h("input", "wb-input"), {
    value: turn.tool_call_id || "",
    placeholder: "tool_call_id",
  });
  const thought = area(turn.reasoning_content || "", "Thought before the answer");
  const weight = Object.assign(h("input", "wb-input"), {
    value: String(turn.weight ?? ""),
    placeholder: "weight in the loss: 1",
  });
  weight.setAttribute("aria-label", "Weight in the loss; 0 is not learned");
  name.setAttribute("aria-label", "Name");
  answers.setAttribute("aria-label", "Id of the call it answers");
  calls.placeholder = '[{"function": {"name": "…", "arguments": {}}}]';
  const call = button("wb-link", "Calls a tool …", () => {
    calls.hidden = false;
    call.hidden = true;
    calls.focus();
  });
  const think = button("wb-link", "Thinks first …", () => {
    thought.hidden = false;
    think.hidden = true;
    thought.focus();
  });
  const sync = () => {
    const calling = role.value === "assistant";
    calls.hidden = !calling || !calls.value.trim();
    call.hidden = !calling || !calls.hidden;
    thought.hidden = !calling || !thought.value.trim();
    think.hidden = !calling || !thought.hidden;
    weight.hidden = !calling;
    answers.hidden = role.value !== "tool";
    name.hidden = !(role.value === "tool" || name.value);
  };
  role.addEventListener("change", sync);
  side.append(role, button("wb-link is-bad", "Remove", gone, "Remove this turn"));
  body.append(thought, content, think, call, calls, weight, name, answers);
  node.append(side, body);
  sync();
  const read = () => ({
    role: role.value,
    content: content.value,
    calls: role.value === "assistant" ? calls.value : "",
    reasoning_content: role.value === "assistant" ? thought.value : "",
    weight: role.value === "assistant" ? weight.value : "",
    name: name.value,
    tool_call_id: role.value === "tool" ? answers.value : "",
  });
  return { node, read, focus: () => content.focus() };
}

/**
 * The turns of one part, to which more can be added.
 * @param {string} part
 * @param {Turn[]} turns
 * @param {boolean} only
 */
function turnsForm(part, turns, only) {
  const node = h("fieldset", "wb-dr-part"),
    list = h("div", "wb-dr-turns"),
    forms = /** @type {ReturnType<typeof turnForm>[]} */ ([]);
  if (!only) node.append(h("legend", "", part));
  /** @param {Turn} turn */
  function put(turn) {
    const form = turnForm(turn, part, () => {
      forms.splice(forms.indexOf(form), 1);
      form.node.remove();
    });
    forms.push(form);
    list.append(form.node);
    return form;
  }
  for (const turn of turns) put(turn);
  const next = () => (forms.at(-1)?.read().role === "user" ? "assistant" : "user");
  node.append(
    list,
    button("wb-link", "Add a turn", () => put({ role: next(), content: "" }).focus()),
  );
  return { node, read: () => forms.map((form) => form.read()) };
}

/**
 * JSON that a row may have beside its texts.
 * @param {string} title
 * @param {unknown} value
 */
function jsonForm(title, value) {
  const node = h("details", "wb-dr-fold"),
    text = area(indented(value), `${title} as JSON`, "is-code");
  node.open = value !== undefined;
  node.append(h("summary", "", title), text);
  return { node, read: () => text.value };
}

/**
 * The parts of a row as forms, by name.
 * @param {Row} row
 */
function formsOf(row) {
  /** @type {Record<string, { node: HTMLElement, read: () => unknown }>} */
  const forms = {};
  const parts = Object.keys(row).filter((name) => Array.isArray(row[name]) && name !== "tools");
  for (const part of parts) forms[part] = turnsForm(part, row[part], parts.length === 1);
  if ("text" in row) {
    const text = area(row.text, "Text");
    forms.text = { node: text, read: () => text.value };
  }
  if ("label" in row) {
    const label = select(
      [
        ["good", "good: wanted"],
        ["bad", "bad: unwanted"],
      ],
      row.label ? "good" : "bad",
      "Completion is",
    );
    forms.label = { node: label, read: () => label.value === "good" };
  }
  if (parts.length) forms.tools = jsonForm("Tools (JSON)", row.tools);
  forms.metadata = jsonForm("Metadata (JSON)", row.metadata);
  return forms;
}

/**
 * The editor of a row; `save(row)` resolves to what is wrong with it or to nothing, `done()` closes it.
 * @param {string} title
 * @param {Row} row
 * @param {(row: Record<string, unknown>) => Promise<string>} save
 * @param {() => void} done
 */
export function editorNode(title, row, save, done) {
  const node = h("form", "wb-row wb-dr-editor"),
    forms = formsOf(row),
    foot = h("div", "wb-dr-foot");
  const problem = h("div", "wb-note is-error"),
    keep = h("button", "wb-button is-primary", "Save");
  keep.type = "submit";
  problem.hidden = true;
  problem.setAttribute("role", "alert");
  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    if (keep.disabled) return;
    keep.disabled = true;
    setText(keep, "Saving …");
    const wrong = await save(Object.fromEntries(Object.entries(forms).map(([name, form]) => [name, form.read()])));
    keep.disabled = false;
    setText(keep, "Save");
    problem.hidden = !wrong;
    setText(problem, wrong || "");
  }
  node.addEventListener("submit", submit);
  node.addEventListener("keydown", (event) => {
    if (event.key === "Escape") done();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event);
  });
  const key = h("span", "wb-hint", "Ctrl + Enter saves, Esc leaves it as it was");
  foot.append(keep, button("wb-button", "Cancel", done), key);
  node.append(h("h3", "wb-h", title), ...Object.values(forms).map((form) => form.node), problem, foot);
  requestAnimationFrame(() => node.querySelector("textarea")?.focus());
  return node;
}
