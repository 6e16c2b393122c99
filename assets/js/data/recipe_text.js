/* Part of DataSteps: the recipe as YAML to look at, copy, download and paste, and the rows as a dataset of their own. */
import { copyText } from "../lib/browser.js";
import { button, h, select, setText } from "../lib/dom.js";

/**
 * `read(yaml)` resolves to an error text or '' after the steps were taken over. Returns {node, show(yaml, name)}.
 * @param {(yaml: string) => Promise<string>} read
 */
export function recipeText(read) {
  const node = h("details", "wb-log wb-ds-fold"),
    code = h("pre"),
    foot = h("div", "wb-ds-foot");
  const area = Object.assign(h("textarea", "wb-input wb-ds-yaml"), {
    rows: 10,
    spellcheck: false,
    placeholder: "Paste a recipe here: name, source, steps",
  });
  const said = h("span", "wb-hint"),
    use = button("wb-button", "Use these steps", take);
  let yaml = "",
    name = "";
  area.setAttribute("aria-label", "A recipe as YAML");
  said.setAttribute("role", "status");
  const copied = async () => setText(said, (await copyText(yaml)) ? "Copied." : "Mark the text and copy it by hand.");
  const paste = h("details", "wb-ds-paste");
  paste.append(h("summary", "", "Use another recipe"), area, use);
  foot.append(button("wb-button", "Copy", copied), button("wb-button", "Download", download), said);
  node.append(h("summary", "", "Recipe as YAML"), code, foot, paste);

  function download() {
    const link = Object.assign(h("a"), { download: `${name}.recipe.yaml` });
    link.href = URL.createObjectURL(new Blob([yaml], { type: "application/yaml" }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  async function take() {
    setText(said, "");
    const error = area.value.trim() ? await read(area.value) : "Paste a recipe first.";
    setText(said, error || "Its steps are above, not applied yet.");
    said.classList.toggle("is-wrong", Boolean(error));
    if (!error) {
      area.value = "";
      paste.open = false;
    }
  }

  return {
    node,
    /**
     * @param {string} text
     * @param {string} of
     */
    show(text, of) {
      if (text) {
        yaml = text;
        setText(code, text);
      }
      name = of;
    },
  };
}

/**
 * `save(name, part)` resolves to an error text or ''. Returns {node, suggest(name)}.
 * @param {(name: string, part: string) => Promise<string>} save
 */
export function saveAs(save) {
  const node = h("details", "wb-log wb-ds-fold"),
    line = h("div", "wb-ds-foot"),
    said = h("span", "wb-hint");
  const name = Object.assign(h("input", "wb-input"), { type: "text", maxLength: 80 });
  const part = select(
    [
      ["result", "The result: train and eval"],
      ["train", "Only train"],
      ["eval", "Only eval"],
      ["rows", "The rows as they were read"],
    ],
    "result",
    "Rows of the new dataset",
  );
  let suggested = "";
  name.setAttribute("aria-label", "Name of the new dataset");
  said.setAttribute("role", "status");
  name.addEventListener("keydown", (event) => {
    if (event.key === "Enter") go();
  });
  line.append(part, name, button("wb-button", "Save", go), said);
  node.append(h("summary", "", "Save as a new dataset"), line);

  async function go() {
    setText(said, "Starting …");
    const error = await save(name.value.trim(), part.value);
    setText(said, error || "It is being made; it appears among the datasets.");
    said.classList.toggle("is-wrong", Boolean(error));
  }

  return {
    node,
    /** @param {string} one */
    suggest(one) {
      if (name.value === suggested || !name.value) name.value = one;
      suggested = one;
    },
  };
}
