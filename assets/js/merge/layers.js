/* Part of MergeBuilder: the layers mode, where the result is put together from slices of layers. */
import { button, h, setText } from "../lib/dom.js";
import { mover, numberInput } from "./models.js";

/** @import { App } from "./models.js" */
/** @import { LayerSource, Model, Slice } from "./recipe_rules.js" */
/** @import { SettingControl } from "./setting.js" */
/** A layer of the result, merged of these. @typedef {{ sources: { model: string, layer: number }[] }} Layer */
/** @typedef {{ source: LayerSource, pick: HTMLSelectElement, ends: HTMLInputElement[], of: HTMLElement, controls: SettingControl[] }} SourceFields */
/** @typedef {{ node: HTMLElement, title: HTMLElement, fields: SourceFields[] }} SliceRow */

/**
 * The layers of the result in order, as the slices tell.
 * @param {Slice[]} slices
 */
export function stackOf(slices) {
  const layers = /** @type {Layer[]} */ ([]);
  for (const slice of slices) {
    const lengths = slice.sources.map((source) => source.layer_range[1] - source.layer_range[0]);
    const count = Math.max(0, Math.min(...lengths));
    for (let i = 0; i < count; i++) {
      /** @param {LayerSource} source */
      const from = (source) => ({ model: source.model, layer: source.layer_range[0] + i });
      layers.push({ sources: slice.sources.map(from) });
    }
  }
  return layers;
}

/** The picture of the result: a thin bar a layer, coloured by where it comes from. */
function stackPicture() {
  const node = h("div", "wb-merge-stack"),
    count = h("b"),
    bars = h("div", "wb-merge-bars"),
    caption = h("div", "wb-hint");
  const legend = h("div", "wb-merge-legend");
  node.append(count, bars, legend, caption);
  bars.addEventListener("mouseover", ({ target }) => {
    const bar = target instanceof Element && target.closest(".wb-merge-bar");
    setText(caption, bar instanceof HTMLElement ? bar.title : "");
  });
  bars.addEventListener("mouseleave", () => setText(caption, ""));

  /**
   * @param {Slice[]} slices
   * @param {Map<string, Model>} models
   */
  function show(slices, models) {
    const layers = stackOf(slices);
    const used = [...new Set(layers.flatMap((layer) => layer.sources.map((one) => one.model)))];
    /** @param {string} model */
    const colour = (model) => `is-c${used.indexOf(model) % 8}`;
    setText(count, `${layers.length} layers${size(layers, models)}`);
    bars.style.setProperty("--wb-bar", `${Math.max(2, Math.min(11, Math.floor(300 / (layers.length || 1)) - 1))}px`);
    bars.replaceChildren(
      ...layers.slice(0, 400).map((layer, i) => {
        const bar = h("div", "wb-merge-bar");
        bar.title = `layer ${i} ← ${layer.sources.map((one) => `${one.model} ${one.layer}`).join(" + ")}`;
        bar.append(...layer.sources.map((one) => h("i", colour(one.model))));
        return bar;
      }),
    );
    legend.replaceChildren(
      ...used.map((model) => {
        const line = h("span");
        line.append(h("i", colour(model)), document.createTextNode(model));
        return line;
      }),
    );
  }

  return { node, show };
}

/**
 * ' · about 163M parameters', by the layers of the models they come from.
 * @param {Layer[]} layers
 * @param {Map<string, Model>} models
 */
export function size(layers, models) {
  let total = 0;
  for (const layer of layers) total += models.get(layer.sources[0].model)?.per_layer || 0;
  const whole = models.get(layers[0]?.sources[0].model);
  if (!total || !whole) return "";
  total += whole.parameters - whole.per_layer * whole.layers;
  return ` · about ${total >= 1e9 ? `${(total / 1e9).toFixed(1)}B` : `${Math.round(total / 1e6)}M`} parameters`;
}

/**
 * The list of slices beside the picture.
 * @param {App} app
 */
export function layersEditor(app) {
  const node = h("div", "wb-merge-layers"),
    left = h("div", "wb-merge-slices"),
    list = h("div", "wb-merge-list");
  const picture = stackPicture();
  const add = button("wb-button", "Add slice", addSlice);
  left.append(list, add);
  node.append(left, picture.node);
  let rows = /** @type {SliceRow[]} */ ([]);

  const slices = () => app.recipe.slices || [];

  function addSlice() {
    const last = slices().at(-1)?.sources[0],
      model = last?.model || app.firstModel();
    const depth = app.models.get(model)?.layers || 1;
    const from = last && last.layer_range[1] < depth ? last.layer_range[1] : 0;
    (app.recipe.slices ||= []).push({ sources: [{ model, layer_range: [from, depth] }] });
    rebuild();
    app.changed();
    rows.at(-1)?.node.querySelector("select")?.focus();
  }

  /**
   * One slice: where its layers come from, several sources being merged layer by layer.
   * @param {Slice} slice
   * @param {number} i
   * @returns {SliceRow}
   */
  function sliceRow(slice, i) {
    const node = h("section", "wb-merge-slice"),
      head = h("div", "wb-merge-slice-head"),
      title = h("span", "wb-hint");
    const all = slices(),
      fields = /** @type {SourceFields[]} */ ([]);
    head.append(
      title,
      ...mover(
        all,
        i,
        () => {
          rebuild();
          app.changed();
        },
        list,
      ),
      button(
        "wb-icon",
        "✕",
        () => {
          all.splice(i, 1);
          rebuild();
          app.changed();
          add.focus();
        },
        "Remove slice",
      ),
    );
    node.append(head);
    slice.sources.forEach((source, k) => node.append(sourceRow(slice, source, k, fields)));
    if (app.method()?.most !== 1) {
      node.append(
        button("wb-link", "+ merge with another model's layers", () => {
          const [from, to] = slice.sources[0].layer_range;
          const model = app.firstModel(slice.sources.map((one) => one.model));
          slice.sources.push({ model, layer_range: [from, to], ...app.rules.startOf() });
          rebuild();
          app.changed();
        }),
      );
    }
    return { node, title, fields };
  }

  /**
   * @param {Slice} slice
   * @param {LayerSource} source
   * @param {number} k
   * @param {SourceFields[]} fields
   */
  function sourceRow(slice, source, k, fields) {
    const line = h("div", "wb-merge-source"),
      host = h("div", "wb-merge-host");
    const pick = app.modelSelect(source.model, (model) => {
      source.model = model;
      const depth = app.models.get(model)?.layers;
      const [from, to] = source.layer_range;
      if (depth && to > depth) source.layer_range = [Math.min(from, depth - 1), depth];
      sync();
      app.changed();
    });
    const ends = [0, 1].map((end) => {
      const input = numberInput(end);
      input.classList.add("is-layer");
      input.setAttribute("aria-label", end ? "Up to, not with, layer" : "From layer");
      input.addEventListener("input", () => {
        if (input.value.trim() === "") return;
        source.layer_range[end] = Math.max(0, Math.round(Number(input.value)));
        sync(input);
        app.changed();
      });
      return input;
    });
    const of = h("span", "wb-hint"),
      settings = h("div", "wb-merge-settings");
    const controls = app.sourceControls(source, settings, host);
    line.append(pick, h("span", "wb-hint", "layers"), ends[0], h("span", "wb-hint", "to"), ends[1], of);
    if (slice.sources.length > 1) {
      line.append(
        button(
          "wb-icon",
          "✕",
          () => {
            slice.sources.splice(k, 1);
            rebuild();
            app.changed();
            add.focus();
          },
          "Remove source",
        ),
      );
    }
    const box = h("div", "wb-merge-part");
    box.append(line, settings, host);
    fields.push({ source, pick, ends, of, controls });
    return box;
  }

  /** @param {HTMLInputElement | null} [from] the one that is being typed in */
  function sync(from = null) {
    let start = 0;
    rows.forEach((row, i) => {
      const count = stackOf([slices()[i]]).length;
      setText(row.title, count ? `Layers ${start} to ${start + count - 1} of the result` : "No layers");
      start += count;
      for (const { source, pick, ends, of, controls } of row.fields) {
        app.fillModels(pick, source.model);
        ends.forEach((input, end) => {
          if (input !== from && input !== document.activeElement) input.value = String(source.layer_range[end]);
        });
        const depth = app.models.get(source.model)?.layers;
        setText(of, depth ? `of ${depth}` : "");
        const [first, last] = source.layer_range;
        ends[1].classList.toggle("is-bad", last <= first || Boolean(depth && last > depth));
        controls.forEach((control) => control.sync());
      }
    });
    picture.show(slices(), app.models);
  }

  function rebuild() {
    rows = slices().map(sliceRow);
    list.replaceChildren(...rows.map((row) => row.node));
    sync();
  }

  return { node, rebuild, sync };
}
