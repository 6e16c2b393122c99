/* Part of MergeBuilder: the recipe as YAML to read, change, copy, and take to mergekit. */
import { copyText } from "../lib/browser.js";
import { button, h, setText } from "../lib/dom.js";
import { unreachedText } from "../lib/login.js";

/** @import { Recipe } from "./recipe_rules.js" */
/** @typedef {import("../lib/component.js").Scope["server"]} Server */

/**
 * `apply(recipe)` takes a written recipe over; `recipe()` is the one to export.
 * @param {Server} server
 * @param {{ apply: (recipe: Recipe) => void, recipe: () => Recipe }} builder
 */
export function recipeYaml(server, { apply, recipe }) {
  const node = h("details", "wb-log wb-merge-yaml"),
    row = h("div", "wb-merge-foot"),
    area = Object.assign(h("textarea", "wb-input"), { rows: 14, spellcheck: false }),
    said = h("span", "wb-hint"),
    exported = h("pre");
  area.setAttribute("aria-label", "Recipe as YAML");
  area.addEventListener("input", () => {
    area.dataset.dirty = "yes";
  });
  said.setAttribute("role", "status");
  exported.hidden = true;
  row.append(
    button("wb-button is-primary", "Apply", applyText),
    button("wb-button", "Copy", copy),
    button("wb-button", "For mergekit", exportText, "With folders and hub ids in place of the shelf's names"),
    said,
  );
  node.append(h("summary", "", "YAML"), area, row, exported);

  /**
   * A word beneath the YAML: what was done goes by itself, what went wrong stays.
   * @param {string} words
   */
  function say(words, isWrong = false) {
    setText(said, words);
    said.classList.toggle("is-wrong", isWrong);
    if (isWrong) return;
    setTimeout(() => {
      if (said.textContent === words) setText(said, "");
    }, 6000);
  }

  /**
   * A server function's answer, or null after saying what went wrong.
   * @template {{ error?: string }} Reply
   * @param {Promise<Reply>} call
   */
  async function answer(call) {
    const reply = await call.catch(() => null);
    if (reply && !reply.error) return reply;
    say(reply?.error || unreachedText(), true);
    return null;
  }

  async function applyText() {
    /** @type {{ recipe: Recipe } | null} */
    const reply = await answer(server.read({ yaml: area.value }));
    if (!reply) return;
    forget();
    apply(reply.recipe);
    say("Applied.");
  }

  async function copy() {
    say((await copyText(area.value)) ? "Copied." : "Could not copy.");
  }

  async function exportText() {
    /** @type {{ yaml: string } | null} */
    const reply = await answer(server.export({ recipe: recipe() }));
    if (!reply) return;
    setText(exported, reply.yaml);
    exported.hidden = false;
    say((await copyText(reply.yaml)) ? "Copied: mergekit-yaml runs it as it is." : "");
  }

  /** What was written here and not applied is given up. */
  function forget() {
    delete area.dataset.dirty;
  }

  /**
   * Shows the recipe, unless somebody is writing another.
   * @param {string} yaml
   */
  function show(yaml) {
    if (area.dataset.dirty || area.value === yaml) return;
    area.value = yaml;
    area.rows = Math.min(26, Math.max(8, yaml.split("\n").length));
  }

  return { node, show, forget };
}
