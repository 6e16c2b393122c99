/* The loss of a run over its steps, with a slider that smooths it. Dragging zooms, for the tiles too. */
import { storage } from "../lib/browser.js";
import { h, setText } from "../lib/dom.js";
import { CONFIG, followSize, isDrawn, loadPlotly } from "../lib/plotly.js";
import { extendSmooth, newSmooth, pick, thin } from "./series.js";

/** @import { Range, Series } from "./series.js" */
/** @import { Chart, Layout } from "../lib/plotly.js" */

const MOST_DRAWN = 1000;
const KEY = "workbench.smoothing";

/**
 * `zoomed` is told of another range of steps, `pointed` of the step under the pointer, `smoothed` that the slider moved.
 * @param {{ zoomed: (range: Range) => void, pointed: (step: number | null) => void, smoothed: () => void }} events
 */
export function lossChart({ zoomed, pointed, smoothed }) {
  const node = h("div", "wb-live-chartbox"),
    head = h("div", "wb-live-charthead"),
    label = h("label", "wb-live-smooth", "Smoothing"),
    slider = h("input"),
    shown = h("output"),
    chart = h("div", "wb-live-chart");
  let weight = Math.min(0.99, Math.max(0, Number.parseFloat(storage.get(KEY) ?? "0.6") || 0)),
    smooth = newSmooth();
  Object.assign(slider, { type: "range", min: 0, max: 0.99, step: 0.01, value: weight });
  setText(shown, weight.toFixed(2));
  label.append(slider, shown);
  head.append(h("h4", "wb-h", "Loss"), h("span", "wb-hint wb-live-zoomhint", "drag to zoom, double-click to reset"));
  head.append(label);
  node.append(head, chart);
  slider.addEventListener("input", () => {
    weight = Number.parseFloat(slider.value);
    storage.set(KEY, slider.value);
    setText(shown, weight.toFixed(2));
    smooth = newSmooth();
    smoothed();
  });

  /**
   * @param {Series} series
   * @param {Range} range
   */
  function traces({ loss, eval_loss: evals }, range) {
    const hovertemplate = "%{y:.4f}",
      type = "scatter",
      lines = [];
    if (loss) {
      const indices = thin(loss, range, MOST_DRAWN),
        x = pick(loss.x, indices),
        mode = loss.x.length < 3 ? "lines+markers" : "lines";
      const line = { color: colour("--wb-line-faint"), width: 1 };
      lines.push({ name: "Train loss", x, y: pick(loss.y, indices), mode, type, line, hovertemplate });
      const thick = { color: colour("--wb-line"), width: 2 };
      lines.push({ name: "Smoothed", x, y: pick(smooth.y, indices), mode, type, line: thick, hovertemplate });
    }
    if (evals) {
      const indices = thin(evals, range, MOST_DRAWN),
        color = colour("--wb-line-2");
      const line = { color, width: 1, dash: "dot" },
        [x, y] = [pick(evals.x, indices), pick(evals.y, indices)];
      const marker = { size: 7, color };
      lines.push({ name: "Eval loss", x, y, mode: "lines+markers", type, line, marker, hovertemplate });
    }
    return lines;
  }

  /** @param {string} name */
  const colour = (name) => getComputedStyle(node).getPropertyValue(name).trim();

  /**
   * @param {string} revision
   * @returns {Layout}
   */
  function layout(revision) {
    const text = colour("--wb-muted"),
      grid = colour("--wb-grid"),
      small = { size: 11 };
    const axis = { gridcolor: grid, zeroline: false, linecolor: grid, tickfont: small, automargin: true };
    return {
      uirevision: revision,
      height: 270,
      margin: { l: 46, r: 8, t: 6, b: 34 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      hovermode: "x unified",
      dragmode: "zoom",
      font: { family: "Inter, system-ui, sans-serif", size: 12, color: text },
      hoverlabel: {
        bgcolor: colour("--wb-panel"),
        bordercolor: grid,
        font: { color: colour("--body-text-color"), size: 12 },
      },
      legend: { orientation: "h", x: 1, xanchor: "right", y: 1.02, yanchor: "bottom", bgcolor: "rgba(0,0,0,0)" },
      xaxis: {
        ...axis,
        title: { text: "step", font: small, standoff: 6 },
        unifiedhovertitle: { text: "step %{x}" },
        hoverformat: "d",
        showspikes: false,
      },
      yaxis: axis,
    };
  }

  /** @param {Chart} drawn */
  function listen(drawn) {
    drawn.on("plotly_relayout", (change) => {
      const low = change["xaxis.range[0]"] ?? change["xaxis.range"]?.[0],
        high = change["xaxis.range[1]"] ?? change["xaxis.range"]?.[1];
      if (low !== undefined && high !== undefined) zoomed([Number(low), Number(high)]);
      else if (change["xaxis.autorange"]) zoomed(null);
    });
    drawn.on("plotly_hover", (event) => pointed(event.points[0]?.x ?? null));
    drawn.on("plotly_unhover", () => pointed(null));
  }

  let asked = 0;

  /**
   * Draws the lines; `revision` stays the same as long as a zoom is to be kept. A run without losses has no chart.
   * @param {Series} series
   * @param {Range} range
   * @param {string} revision
   */
  async function draw(series, range, revision) {
    const mine = ++asked;
    if (series.loss) extendSmooth(smooth, series.loss.y, weight);
    node.hidden = !series.loss && !series.eval_loss;
    if (node.hidden) return;
    try {
      const plotly = await loadPlotly();
      if (mine !== asked || !node.isConnected) return;
      const isFirst = !isDrawn(chart);
      await plotly.react(chart, traces(series, range), layout(revision), CONFIG);
      if (!isFirst || !isDrawn(chart)) return;
      listen(chart);
      followSize(plotly, chart);
    } catch (error) {
      console.error(error);
      setText(chart, "The chart could not be drawn. Reload the page.");
    }
  }

  /** Forgets the run that was drawn. */
  async function clear() {
    asked++;
    smooth = newSmooth();
    node.hidden = true;
    if (isDrawn(chart)) (await loadPlotly()).purge(chart);
    chart.replaceChildren();
  }

  /**
   * The newest smoothed loss, undefined without smoothing.
   * @param {Series} series
   */
  function newest({ loss }) {
    if (!loss || !weight) return undefined;
    extendSmooth(smooth, loss.y, weight);
    return smooth.y.at(-1);
  }

  return { node, chart, draw, clear, newest };
}
