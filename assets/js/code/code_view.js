/* A text of code to read and to take along: a job as YAML, a manifest, a command, rows as JSON. All of it is in the
   page, so that the browser's own search and a screen reader reach every line. props: value (the text; without one
   nothing is shown), label, file (the name it is saved under, or "" where it is only copied). */
import { copiedLabel } from "../lib/browser.js";
import { rootOf } from "../lib/component.js";
import { button, h, setText } from "../lib/dom.js";

const SAID_MILLISECONDS = 1200;
const COMMENT = /^\s*#/;
const KEY = /^([\s{[]*(?:- )*)("(?:[^"\\]|\\.)*"|[A-Za-z_][\w.-]*)(?=:(?:\s|$))/;

/**
 * A line in pieces, each with what it is: a comment or a key, of YAML, JSON or a shell; "" for the rest.
 * @param {string} line
 * @returns {["comment" | "key" | "", string][]}
 */
export function pieces(line) {
  if (COMMENT.test(line)) return [["comment", line]];
  const [start = "", before = "", key = ""] = KEY.exec(line) || [];
  if (!start) return [["", line]];
  return [
    ["", before],
    ["key", key],
    ["", line.slice(start.length)],
  ];
}

/** @param {import("../lib/component.js").Scope<string | null, { label: string, file: string }>} scope */
export function mount({ element, props, watch }) {
  const root = rootOf(element, "wb-code-view");
  const head = h("header", "wb-code-head"),
    code = h("code"),
    text = h("pre", "wb-code-text");
  const copy = button("wb-copy", "Copy", async () => {
    setText(copy, await copiedLabel(props.value || ""));
    setTimeout(() => setText(copy, "Copy"), SAID_MILLISECONDS);
  });
  copy.setAttribute("aria-live", "polite");
  head.append(h("span", "wb-code-label", props.label), copy);
  if (props.file) head.append(button("wb-copy", "Download", () => save(props.file, props.value || "")));
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", props.label);
  text.tabIndex = 0; // it scrolls, and is scrolled by keys
  text.append(code);
  root.append(head, text);
  watch("value", draw);
  draw();

  function draw() {
    const lines = (props.value || "").split("\n");
    root.hidden = !props.value;
    code.replaceChildren(
      ...lines.flatMap((line, index) => [
        ...pieces(line).map(([kind, piece]) => (kind ? h("span", `wb-code-${kind}`, piece) : piece)),
        index < lines.length - 1 ? "\n" : "",
      ]),
    );
  }
}

/**
 * @param {string} name
 * @param {string} text
 */
function save(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  Object.assign(h("a"), { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 0);
}
