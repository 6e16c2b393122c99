/* Figure: a plotly figure as Python gives it, {data, layout} or null for none, drawn when it is first seen. */
import { rootOf } from "../lib/component.js";
import { h, setText } from "../lib/dom.js";
import { CONFIG, followSize, isDrawn, loadPlotly } from "../lib/plotly.js";

/** @import { Figure, Layout } from "../lib/plotly.js" */

const CLEAR = "rgba(0,0,0,0)";
const AXIS = { gridcolor: "rgba(128,140,160,.2)", zerolinecolor: "rgba(128,140,160,.3)", automargin: true };
const AXIS_TITLE = { standoff: 10, font: { size: 12 } };
const LOOK = { paper_bgcolor: CLEAR, plot_bgcolor: CLEAR, font: { family: "Inter", color: "#8792a8" } };

/**
 * A figure's layout in colours that are read on light and dark ground, all its axes included.
 * @param {Layout} layout
 * @returns {Layout}
 */
export function dressed(layout) {
  const named = Object.entries(layout).filter(([name]) => /^[xy]axis\d*$/.test(name));
  const axes = Object.entries({ xaxis: {}, yaxis: {}, ...Object.fromEntries(named) });
  /** @param {Layout} axis */
  const dressedAxis = (axis) =>
    axis.title ? { ...axis, ...AXIS, title: { ...AXIS_TITLE, ...axis.title } } : { ...axis, ...AXIS };
  return {
    ...layout,
    ...LOOK,
    ...(layout.title && { title: { x: 0.01, ...layout.title } }), // on the left: legends stand on the right
    margin: { l: 10, r: 10, t: 30, b: 30, ...layout.margin },
    ...Object.fromEntries(axes.map(([name, axis]) => [name, dressedAxis(axis)])),
  };
}

/** @param {import("../lib/component.js").Scope<Figure | null>} scope */
export function mount({ element, props, watch }) {
  const root = rootOf(element, "wb-figure-box");
  const chart = h("div", "wb-figure-chart"),
    problem = h("div", "wb-note is-error");
  let isSeen = false;
  root.append(chart, problem);
  problem.hidden = true;

  async function draw() {
    const figure = props.value;
    root.hidden = !figure;
    if (figure) chart.style.height = `${figure.layout.height ?? 450}px`; // its place, before it is seen
    if (!figure || !isSeen) return;
    try {
      const plotly = await loadPlotly();
      if (figure !== props.value) return; // another one came meanwhile
      const isFirst = !isDrawn(chart);
      await plotly.react(chart, figure.data, dressed(figure.layout), CONFIG);
      if (isFirst) followSize(plotly, chart);
    } catch (error) {
      console.error(error);
      problem.hidden = false;
      setText(problem, "The figure could not be drawn. Reload the page.");
    }
  }

  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    isSeen = true;
    draw();
  }).observe(root);
  watch("value", draw);
  draw();
}
