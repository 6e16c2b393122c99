/* A small line for every other metric of a run, all with the steps of the loss chart and one cursor. */
import { h, setText } from "../lib/dom.js";
import { extent, groups, lowerBound, metricName, metricText, pick, thin } from "./series.js";

/** @import { Range, Series } from "./series.js" */
/** @typedef {ReturnType<typeof newTile>} Tile */

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 200,
  HEIGHT = 44,
  MOST_DRAWN = 240;

/** @param {string} name */
function newTile(name) {
  const node = h("div", "wb-tile"),
    head = h("div", "wb-tile-head"),
    value = h("div", "wb-tile-value"),
    foot = h("div", "wb-tile-foot"),
    svg = document.createElementNS(SVG, "svg"),
    cursor = document.createElementNS(SVG, "line");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  cursor.setAttribute("class", "wb-tile-cursor");
  svg.append(cursor);
  head.append(h("span", "wb-tile-name", metricName(name)));
  node.append(head, value, svg, foot);
  node.dataset.metric = name;
  return { node, value, svg, cursor, foot, keys: /** @type {string[]} */ ([]), signature: "" };
}

/**
 * The range of a single line, or which colour is which.
 * @param {Tile} tile
 * @param {string} range
 */
function drawFoot({ foot, keys }, range) {
  const label = (/** @type {string} */ key) =>
    key.startsWith("eval_") ? "eval" : (/\/(chosen|rejected)$/.exec(key)?.[1] ?? "train");
  if (keys.length === 1) setText(foot, range);
  else foot.replaceChildren(...keys.map((key, i) => h("span", `is-${i}`, (i ? "  ·  " : "") + label(key))));
}

export function metricTiles() {
  const node = h("div", "wb-tiles");
  /** @type {Map<string, Tile>} */
  const tiles = new Map();
  /** @type {Series} */
  let series = {};
  /** @type {Range} */
  let range = null;
  /** @type {number | null} */
  let pointed = null;

  /** @param {string} name */
  function add(name) {
    const tile = newTile(name);
    tile.svg.addEventListener("mousemove", (event) => {
      const [low, high] = extent(series, range),
        box = tile.svg.getBoundingClientRect();
      point(low + ((event.clientX - box.left) / box.width) * (high - low));
    });
    tile.svg.addEventListener("mouseleave", () => point(null));
    tiles.set(name, tile);
    return tile;
  }

  /** @param {Tile} tile */
  function drawTile(tile) {
    const [low, high] = extent(series, range);
    const lines = tile.keys.map((key) => {
      const { x, y } = series[key];
      const indices = thin(series[key], range, MOST_DRAWN).filter((index) => x[index] >= low && x[index] <= high);
      return { x: pick(x, indices), y: pick(y, indices) };
    });
    const values = lines.flatMap((line) => line.y),
      least = Math.min(...values),
      most = Math.max(...values),
      span = most - least || 1;
    for (const path of tile.svg.querySelectorAll("path")) path.remove();
    lines.forEach(({ x, y }, i) => {
      const path = document.createElementNS(SVG, "path");
      const steps = x.map((step, j) => {
        const [across, up] = [((step - low) / (high - low)) * WIDTH, 41 - ((y[j] - least) / span) * 38];
        return `${j ? "L" : "M"}${across.toFixed(1)} ${up.toFixed(1)}`;
      });
      path.setAttribute("d", steps.join(""));
      path.setAttribute("class", `wb-tile-line is-${i}`);
      tile.svg.prepend(path);
    });
    const [key] = tile.keys;
    drawFoot(tile, values.length ? `${metricText(key, least)} to ${metricText(key, most)}` : "");
    drawValue(tile);
  }

  /**
   * The newest values of a tile, or those at the step under the pointer.
   * @param {Tile} tile
   */
  function drawValue(tile) {
    const texts = tile.keys.map((key) => {
      const { x, y } = series[key];
      return metricText(key, y[pointed === null ? y.length - 1 : Math.min(y.length - 1, lowerBound(x, pointed))]);
    });
    const signature = JSON.stringify([tile.keys, texts]);
    if (tile.signature === signature) return;
    tile.signature = signature;
    tile.value.replaceChildren(...texts.map((text, i) => h("span", `is-${i}`, text)));
  }

  /**
   * Puts the linked cursor of all tiles at a step, or takes it away.
   * @param {number | null} step
   */
  function point(step) {
    pointed = step;
    const [low, high] = extent(series, range),
      x = step === null ? -9 : ((step - low) / (high - low)) * WIDTH;
    for (const tile of tiles.values()) {
      for (const [name, at] of Object.entries({ x1: x, x2: x, y1: 0, y2: HEIGHT })) {
        tile.cursor.setAttribute(name, String(at));
      }
      drawValue(tile);
    }
  }

  /**
   * @param {Series} newSeries
   * @param {Range} newRange
   */
  function draw(newSeries, newRange) {
    [series, range] = [newSeries, newRange];
    const wanted = groups(series),
      names = new Set(wanted.map(([name]) => name));
    for (const [name, tile] of tiles) {
      if (names.has(name)) continue;
      tile.node.remove();
      tiles.delete(name);
    }
    wanted.forEach(([name, keys], index) => {
      const tile = tiles.get(name) ?? add(name);
      if (node.children[index] !== tile.node) node.insertBefore(tile.node, node.children[index] ?? null);
      tile.keys = keys;
      drawTile(tile);
    });
    node.hidden = wanted.length === 0;
  }

  /** Forgets the run that was drawn. */
  function clear() {
    [series, range, pointed] = [{}, null, null];
    tiles.clear();
    node.replaceChildren();
    node.hidden = true;
  }

  return { node, draw, point, clear };
}
