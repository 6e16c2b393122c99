/* What the model under training answers to chosen prompts, step by step: one slider for all prompts. */
import { h, setText } from "../lib/dom.js";

/** @typedef {{ step: number, index: number, prompt: string, text: string }} Sample */

export function runSamples() {
  const node = h("section", "wb-live-samples"),
    head = h("div", "wb-live-charthead"),
    label = h("label", "wb-live-smooth", "Step"),
    slider = h("input"),
    shown = h("output"),
    list = h("div", "wb-samples");
  /** @type {Map<number, Sample[]>} answers by step */
  const answers = new Map();
  let follows = true;
  Object.assign(slider, { type: "range", min: 0, max: 0, step: 1, value: 0 });
  slider.setAttribute("aria-label", "Step");
  label.append(slider, shown);
  head.append(h("h4", "wb-h", "Answers to the sample prompts"), label);
  node.append(head, list);
  slider.addEventListener("input", () => {
    follows = Number(slider.value) === answers.size - 1;
    drawList();
  });

  function drawList() {
    const steps = [...answers.keys()],
      step = steps[Number(slider.value)] ?? 0;
    setText(shown, String(step));
    slider.setAttribute("aria-valuetext", `step ${step}`);
    list.replaceChildren(
      ...(answers.get(step) ?? []).map(({ prompt, text }) => {
        const item = h("div", "wb-live-sample");
        item.append(h("div", "wb-hint", prompt), h("div", "", text || "(nothing)"));
        return item;
      }),
    );
  }

  const samples = {
    node,
    /** How many came, for the server. */
    count: 0,

    /** @param {Sample[]} added */
    add(added) {
      if (!added.length) return;
      samples.count += added.length;
      for (const sample of added) answers.set(sample.step, [...(answers.get(sample.step) ?? []), sample]);
      slider.max = String(answers.size - 1);
      if (follows) slider.value = slider.max;
      label.hidden = answers.size < 2;
      node.hidden = false;
      drawList();
    },

    clear() {
      answers.clear();
      [samples.count, follows] = [0, true];
      node.hidden = true;
      list.replaceChildren();
    },
  };
  return samples;
}
