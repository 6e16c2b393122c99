/* plotly.js, the part for charts with two axes; a megabyte and a half that is loaded when the first one is seen. */

/** @typedef {Record<string, any>} Layout */
/** @typedef {{ data: Record<string, any>[], layout: Layout }} Figure */
/** @typedef {HTMLElement & { on(event: string, listener: (change: any) => void): void }} Chart */
/**
 * @typedef {{
 *   react(node: HTMLElement, data: Figure["data"], layout: Layout, config: Record<string, unknown>): Promise<unknown>,
 *   purge(node: HTMLElement): void,
 *   Plots: { resize(node: HTMLElement): void },
 * }} Plotly
 */

/* No mode bar: it covers the legend and offers to share the chart with a cloud. */
export const CONFIG = { displaylogo: false, displayModeBar: false, responsive: false };

/** @returns {Promise<Plotly>} */
export async function loadPlotly() {
  await import("../../vendor/plotly-cartesian.min.js");
  return /** @type {any} */ (window).Plotly; // it is no module, and leaves itself there
}

/**
 * Whether plotly has drawn into this element.
 * @param {HTMLElement} node
 * @returns {node is Chart}
 */
export const isDrawn = (node) => node.classList.contains("js-plotly-plot");

/**
 * Lets a chart follow the size of its place.
 * @param {Plotly} plotly
 * @param {HTMLElement} chart
 */
export function followSize(plotly, chart) {
  new ResizeObserver(() => {
    if (chart.offsetParent && isDrawn(chart)) plotly.Plots.resize(chart);
  }).observe(chart);
}
