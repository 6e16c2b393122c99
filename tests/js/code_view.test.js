import assert from "node:assert/strict";
import test from "node:test";
import { pieces } from "../../assets/js/code/code_view.js";

/** @param {string} line */
const marked = (line) => pieces(line).filter(([kind]) => kind);

test("keys of YAML and of JSON are told from what they hold", () => {
  assert.deepEqual(marked("tuner:"), [["key", "tuner"]]);
  assert.deepEqual(marked("  - rank-size: 8"), [["key", "rank-size"]]);
  assert.deepEqual(marked('    "a \\"b\\" c": [1, 2],'), [["key", '"a \\"b\\" c"']]);
  assert.deepEqual(marked('{"role": "user"}'), [["key", '"role"']]);
});

test("comments are whole lines, and addresses and commands hold no keys", () => {
  assert.deepEqual(marked("  # llama.cpp: talk to it"), [["comment", "  # llama.cpp: talk to it"]]);
  for (const line of ["https://x.org/a", "llama-cli -m a.gguf -cnv", "text # no comment", "", "- plain"])
    assert.deepEqual(marked(line), []);
});

test("the pieces of a line are the line", () => {
  for (const line of ["a: b: c", "  - x:", "# y", '"k": {"l": 1}', "plain"])
    assert.equal(
      pieces(line)
        .map(([, text]) => text)
        .join(""),
      line,
    );
});
