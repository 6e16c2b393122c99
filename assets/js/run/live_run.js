// @ts-nocheck
/* js_on_load of LiveRun. props: value (job id), plotly (script address), empty ([title, sentence, next]).
   server.points tells what is new; its `can` lists what may be done with the job as [how, label], server.act does it. */
import { loadScript, storage } from "../lib/browser.js";
import { emptyState, h, setText, statusChip } from "../lib/dom.js";
import { formatDuration, formatNumber } from "../lib/format.js";
import { poll } from "../lib/polling.js";

export function mount({ element, props, server, watch }) {
  const root = element.querySelector(".wb-live-run");
  const FINAL = ["done", "failed", "stopped", "interrupted"];
  const MAX_DRAWN = 1000;
  const NOT_A_METRIC =
    /^(step|epoch|time|timestamp|total_flos|train_.*|.*_(runtime|samples_per_second|steps_per_second))$/;
  const NAMES = {
    loss: "Train loss",
    eval_loss: "Eval loss",
    learning_rate: "Learning rate",
    tokens_per_second: "Tokens per second",
    memory_mb: "Memory",
    grad_norm: "Gradient norm",
    mean_token_accuracy: "Token accuracy",
    num_tokens: "Tokens seen",
    "rewards/margins": "Reward margin",
    "rewards/accuracies": "Reward accuracy",
    rewards: "Rewards",
    logps: "Log-probability",
    logits: "Logits",
  };
  const ORDER = ["rewards/margins", "rewards/accuracies", "rewards", "learning_rate", "tokens_per_second", "memory_mb"];

  let run = fresh("");
  let smoothing = Math.min(0.99, Math.max(0, parseFloat(storage.get("workbench.smoothing") ?? "0.6") || 0));
  const ui = build();

  /** State of the run shown; `series[metric]` holds parallel arrays x (steps) and y (values). */
  function fresh(job) {
    return {
      job,
      cursor: 0,
      generation: 0,
      log: 0,
      points: 0,
      series: {},
      smooth: newSmooth(),
      range: null,
      dirty: false,
      drawn: false,
      head: "",
      status: "",
      hover: null,
    };
  }

  function newSmooth() {
    return { y: [], acc: 0, n: 0 };
  }

  function build() {
    const ui = {};
    ui.empty = h("div");
    ui.body = h("div", "wb-live-body");
    const head = h("div", "wb-live-head");
    ui.title = h("div", "wb-live-title");
    ui.chip = h("span");
    ui.time = h("span", "wb-live-time");
    ui.actions = h("span", "wb-live-actions");
    ui.told = h("div", "wb-hint wb-live-told");
    ui.told.setAttribute("role", "status");
    head.append(ui.title, ui.chip, ui.time, ui.actions);
    ui.progress = h("div", "wb-progress");
    ui.bar = h("i");
    ui.progress.append(ui.bar);
    ui.progressText = h("div", "wb-progress-text");
    ui.progressText.append(h("span"), h("span"));
    ui.error = h("div", "wb-error");
    ui.note = h("div", "wb-hint wb-live-note");
    ui.figures = h("div", "wb-figures");
    ui.facts = h("dl", "wb-kv");
    ui.chartBox = chartBox(ui);
    ui.tiles = h("div", "wb-tiles");
    ui.log = logBox(ui);
    ui.body.append(
      head,
      ui.told,
      ui.progress,
      ui.progressText,
      ui.note,
      ui.error,
      ui.figures,
      ui.chartBox,
      ui.tiles,
      ui.facts,
      ui.log,
    );
    root.append(ui.empty, ui.body);
    ui.tileList = new Map();
    return ui;
  }

  function chartBox(ui) {
    const box = h("div", "wb-live-chartbox");
    const head = h("div", "wb-live-charthead");
    const label = h("label", "wb-live-smooth", "Smoothing");
    ui.slider = h("input");
    Object.assign(ui.slider, { type: "range", min: 0, max: 0.99, step: 0.01, value: smoothing });
    ui.sliderValue = h("output", "", smoothing.toFixed(2));
    label.append(ui.slider, ui.sliderValue);
    ui.slider.addEventListener("input", () => {
      smoothing = parseFloat(ui.slider.value);
      storage.set("workbench.smoothing", ui.slider.value);
      setText(ui.sliderValue, smoothing.toFixed(2));
      run.smooth = newSmooth();
      extendSmooth();
      drawChart();
      drawFigures();
    });
    head.append(
      h("div", "wb-h", "Loss"),
      h("span", "wb-hint wb-live-zoomhint", "drag to zoom, double-click to reset"),
      label,
    );
    ui.chart = h("div", "wb-live-chart");
    box.append(head, ui.chart);
    return box;
  }

  function logBox(ui) {
    const box = h("details", "wb-log");
    ui.logText = h("pre");
    ui.logSize = h("span", "wb-hint");
    const summary = h("summary", "", "Log");
    summary.append(ui.logSize);
    box.append(summary, ui.logText);
    ui.logFollow = true;
    ui.logText.addEventListener("scroll", () => {
      ui.logFollow = ui.logText.scrollHeight - ui.logText.scrollTop - ui.logText.clientHeight < 24;
    });
    box.addEventListener("toggle", () => {
      if (ui.logFollow) ui.logText.scrollTop = ui.logText.scrollHeight;
    });
    return box;
  }

  /* ---- data ---------------------------------------------------------------------------------------------- */

  function addPoints(points) {
    for (const point of points) {
      for (const key of Object.keys(point)) {
        const value = point[key];
        if (typeof value !== "number" || !Number.isFinite(value) || NOT_A_METRIC.test(key)) continue;
        const line = (run.series[key] ||= { x: [], y: [] });
        line.x.push(point.step);
        line.y.push(value);
      }
    }
    run.points += points.length;
    if (points.length) run.dirty = true;
    extendSmooth();
  }

  /** Debiased exponential mean, as in TensorBoard; only the points not yet smoothed are visited. */
  function extendSmooth() {
    const raw = run.series.loss;
    if (!raw) return;
    const s = run.smooth;
    for (let i = s.y.length; i < raw.y.length; i++) {
      s.acc = s.acc * smoothing + (1 - smoothing) * raw.y[i];
      s.n += 1;
      s.y.push(smoothing ? s.acc / (1 - smoothing ** s.n) : raw.y[i]);
    }
  }

  /** First index whose step is not below `step`. */
  function lowerBound(x, step) {
    let lo = 0,
      hi = x.length;
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if (x[mid] < step) lo = mid + 1;
      else hi = mid;
    }
    return lo;
  }

  /** Indices to draw: all, or the lowest and highest of each of MAX/2 buckets within the (widened) range. */
  function thin(x, y, range, most) {
    let from = 0,
      to = x.length;
    if (range) {
      const margin = range[1] - range[0];
      from = Math.max(0, lowerBound(x, range[0] - margin) - 1);
      to = Math.min(x.length, lowerBound(x, range[1] + margin) + 1);
    }
    const count = to - from;
    if (count <= most) return Array.from({ length: count }, (_, i) => from + i);
    const keep = [],
      size = count / (most / 2);
    for (let b = 0; b < most / 2; b++) {
      const start = from + Math.floor(b * size),
        end = Math.min(to, from + Math.floor((b + 1) * size));
      let low = start,
        high = start;
      for (let i = start; i < end; i++) {
        if (y[i] < y[low]) low = i;
        if (y[i] > y[high]) high = i;
      }
      keep.push(Math.min(low, high));
      if (low !== high) keep.push(Math.max(low, high));
    }
    if (keep[0] !== from) keep.unshift(from);
    if (keep[keep.length - 1] !== to - 1) keep.push(to - 1);
    return keep;
  }

  const pick = (values, indices) => indices.map((i) => values[i]);

  /* ---- loss chart ---------------------------------------------------------------------------------------- */

  function colour(name) {
    return getComputedStyle(root).getPropertyValue(name).trim();
  }

  function traces() {
    const out = [],
      loss = run.series.loss,
      evals = run.series.eval_loss;
    if (loss) {
      const keep = thin(loss.x, loss.y, run.range, MAX_DRAWN),
        x = pick(loss.x, keep);
      const few = loss.x.length < 3 ? "lines+markers" : "lines";
      out.push({
        name: "Train loss",
        x,
        y: pick(loss.y, keep),
        mode: few,
        type: "scatter",
        line: { color: colour("--wb-line-faint"), width: 1 },
        hovertemplate: "%{y:.4f}",
      });
      out.push({
        name: "Smoothed",
        x,
        y: pick(run.smooth.y, keep),
        mode: few,
        type: "scatter",
        line: { color: colour("--wb-line"), width: 2 },
        hovertemplate: "%{y:.4f}",
      });
    }
    if (evals) {
      const keep = thin(evals.x, evals.y, run.range, MAX_DRAWN);
      out.push({
        name: "Eval loss",
        x: pick(evals.x, keep),
        y: pick(evals.y, keep),
        mode: "lines+markers",
        type: "scatter",
        line: { color: colour("--wb-line-2"), width: 1, dash: "dot" },
        marker: { size: 7, color: colour("--wb-line-2") },
        hovertemplate: "%{y:.4f}",
      });
    }
    return out;
  }

  function layout() {
    const text = colour("--wb-muted"),
      grid = colour("--wb-grid"),
      panel = colour("--wb-panel");
    const axis = { gridcolor: grid, zeroline: false, linecolor: grid, tickfont: { size: 11 }, automargin: true };
    return {
      uirevision: `${run.job}:${run.generation}`,
      height: 270,
      margin: { l: 46, r: 8, t: 6, b: 34 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      hovermode: "x unified",
      dragmode: "zoom",
      font: { family: "Inter, system-ui, sans-serif", size: 12, color: text },
      hoverlabel: { bgcolor: panel, bordercolor: grid, font: { color: colour("--body-text-color"), size: 12 } },
      legend: { orientation: "h", x: 1, xanchor: "right", y: 1.02, yanchor: "bottom", bgcolor: "rgba(0,0,0,0)" },
      xaxis: {
        ...axis,
        title: { text: "step", font: { size: 11 }, standoff: 6 },
        unifiedhovertitle: { text: "step %{x}" },
        hoverformat: "d",
        showspikes: false,
      },
      yaxis: { ...axis },
    };
  }

  /* No mode bar: it covers the legend and offers to share the chart with a cloud. */
  const CONFIG = { displaylogo: false, displayModeBar: false, responsive: false };

  async function drawChart() {
    const wanted = Boolean(run.series.loss || run.series.eval_loss);
    ui.chartBox.hidden = !wanted;
    if (!wanted) return;
    if (!window.Plotly) {
      try {
        await loadScript(props.plotly);
      } catch (error) {
        setText(ui.chart, error.message);
        return;
      }
    }
    if (!root.isConnected || !(run.series.loss || run.series.eval_loss)) return;
    const first = !ui.chart.classList.contains("js-plotly-plot");
    await window.Plotly.react(ui.chart, traces(), layout(), CONFIG);
    if (first) listen();
  }

  function listen() {
    ui.chart.on("plotly_relayout", (change) => {
      const low = change["xaxis.range[0]"] ?? change["xaxis.range"]?.[0];
      const high = change["xaxis.range[1]"] ?? change["xaxis.range"]?.[1];
      if (low !== undefined && high !== undefined) run.range = [Number(low), Number(high)];
      else if (change["xaxis.autorange"]) run.range = null;
      else return;
      drawChart();
      drawTiles();
    });
    ui.chart.on("plotly_hover", (event) => point(event.points[0]?.x));
    ui.chart.on("plotly_unhover", () => point(null));
    new ResizeObserver(() => {
      if (ui.chart.offsetParent) window.Plotly.Plots.resize(ui.chart);
    }).observe(ui.chart);
  }

  /* ---- tiles --------------------------------------------------------------------------------------------- */

  /** Metrics that belong in one tile: eval_x with x, and x/chosen with x/rejected. */
  function groups() {
    const found = new Map();
    for (const key of Object.keys(run.series)) {
      if (key === "loss" || key === "eval_loss") continue;
      const name = key.replace(/^eval_/, "").replace(/\/(chosen|rejected)$/, "");
      if (!found.has(name)) found.set(name, []);
      found.get(name).push(key);
    }
    const rank = (name) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
    return [...found.entries()].sort((a, b) => rank(a[0]) - rank(b[0]) || a[0].localeCompare(b[0]));
  }

  function named(key) {
    if (NAMES[key]) return NAMES[key];
    const words = key.replace(/[_/]+/g, " ").trim();
    return words.charAt(0).toUpperCase() + words.slice(1);
  }

  function figure(key, value) {
    if (/memory.*mb$/.test(key)) return value >= 1024 ? `${(value / 1024).toFixed(2)} GB` : `${Math.round(value)} MB`;
    if (/accurac/.test(key)) return `${(value * 100).toFixed(1)} %`;
    return formatNumber(value);
  }

  function tile(name) {
    const node = h("div", "wb-tile");
    const head = h("div", "wb-tile-head");
    const value = h("div", "wb-tile-value");
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 200 44");
    svg.setAttribute("preserveAspectRatio", "none");
    const cursor = document.createElementNS(svg.namespaceURI, "line");
    cursor.setAttribute("class", "wb-tile-cursor");
    svg.append(cursor);
    const foot = h("div", "wb-tile-foot");
    head.append(h("span", "wb-tile-name", named(name)));
    node.append(head, value, svg, foot);
    node.dataset.metric = name;
    svg.addEventListener("mousemove", (event) => {
      const [lo, hi] = extent(),
        box = svg.getBoundingClientRect();
      point(lo + ((event.clientX - box.left) / box.width) * (hi - lo));
    });
    svg.addEventListener("mouseleave", () => point(null));
    return { node, value, svg, cursor, foot };
  }

  /** Steps shown in every tile: the zoom of the loss chart, or the whole run. */
  function extent() {
    if (run.range) return run.range;
    let lo = Infinity,
      hi = -Infinity;
    for (const line of Object.values(run.series)) {
      lo = Math.min(lo, line.x[0]);
      hi = Math.max(hi, line.x[line.x.length - 1]);
    }
    return lo < hi ? [lo, hi] : [lo - 1, hi + 1];
  }

  function drawTiles() {
    const wanted = groups();
    const names = new Set(wanted.map(([name]) => name));
    for (const [name, known] of ui.tileList)
      if (!names.has(name)) {
        known.node.remove();
        ui.tileList.delete(name);
      }
    wanted.forEach(([name, keys], index) => {
      if (!ui.tileList.has(name)) ui.tileList.set(name, tile(name));
      const known = ui.tileList.get(name);
      if (ui.tiles.children[index] !== known.node) ui.tiles.insertBefore(known.node, ui.tiles.children[index] || null);
      drawTile(known, keys);
    });
    ui.tiles.hidden = wanted.length === 0;
  }

  function drawTile(known, keys) {
    const [lo, hi] = extent();
    const lines = keys.map((key) => {
      const { x, y } = run.series[key];
      const keep = thin(x, y, run.range, 240).filter((i) => x[i] >= lo && x[i] <= hi);
      return { key, x: pick(x, keep), y: pick(y, keep) };
    });
    const all = lines.flatMap((line) => line.y);
    const low = Math.min(...all),
      high = Math.max(...all),
      span = high - low || 1;
    known.svg.querySelectorAll("path").forEach((path) => path.remove());
    lines.forEach((line, i) => {
      const path = document.createElementNS(known.svg.namespaceURI, "path");
      const at = (j) =>
        `${(((line.x[j] - lo) / (hi - lo)) * 200).toFixed(1)} ${(41 - ((line.y[j] - low) / span) * 38).toFixed(1)}`;
      path.setAttribute("d", line.x.map((_, j) => (j ? "L" : "M") + at(j)).join(""));
      path.setAttribute("class", `wb-tile-line is-${i}`);
      known.svg.prepend(path);
    });
    known.keys = keys;
    tileFoot(known, keys, all.length ? `${figure(keys[0], low)} to ${figure(keys[0], high)}` : "");
    tileValue(known);
  }

  /** The range of a single line, or which colour is which. */
  function tileFoot(known, keys, range) {
    const part = (key) =>
      key.startsWith("eval_") ? "eval" : /\/(chosen|rejected)$/.test(key) ? key.split("/").pop() : "train";
    if (keys.length === 1) setText(known.foot, range);
    else known.foot.replaceChildren(...keys.map((key, i) => h("span", `is-${i}`, (i ? "  ·  " : "") + part(key))));
  }

  /** The newest values of a tile, or those at the step under the pointer. */
  function tileValue(known) {
    const shown = known.keys.map((key) => {
      const { x, y } = run.series[key];
      const i = run.hover === null ? y.length - 1 : Math.min(y.length - 1, lowerBound(x, run.hover));
      return { key, text: figure(key, y[i]) };
    });
    const signature = JSON.stringify(shown);
    if (known.signature === signature) return;
    known.signature = signature;
    known.value.replaceChildren(...shown.map(({ text }, i) => h("span", `is-${i}`, text)));
  }

  /** Put the linked cursor of all tiles at a step, or take it away (null). */
  function point(step) {
    run.hover = step === undefined ? null : step;
    const [lo, hi] = extent();
    for (const known of ui.tileList.values()) {
      const x = run.hover === null ? -9 : ((run.hover - lo) / (hi - lo)) * 200;
      for (const [name, value] of [
        ["x1", x],
        ["x2", x],
        ["y1", 0],
        ["y2", 44],
      ])
        known.cursor.setAttribute(name, value);
      tileValue(known);
    }
  }

  /* ---- head, facts, log ---------------------------------------------------------------------------------- */

  function drawHead(reply) {
    const { points, log, log_offset, cursor, reset, ...rest } = reply;
    const signature = JSON.stringify(rest);
    if (signature === run.head) return;
    run.head = signature;
    setText(ui.title, reply.title || "Run");
    ui.chip.replaceChildren(statusChip(reply.status, reply.status_text || reply.status));
    const parts = [];
    if (reply.elapsed) parts.push(`${formatDuration(reply.elapsed)} elapsed`);
    if (reply.eta !== null && reply.eta !== undefined && reply.status === "running") {
      parts.push(`about ${formatDuration(reply.eta)} left`);
    }
    setText(ui.time, parts.join("  ·  "));
    drawProgress(reply.progress, reply.status);
    ui.error.hidden = !reply.error;
    ui.error.replaceChildren(h("strong", "", reply.error || ""), h("div", "", reply.remedy || ""));
    ui.facts.replaceChildren(
      ...(reply.facts || []).flatMap(([name, value]) => [h("dt", "", name), h("dd", "", value)]),
    );
    ui.facts.hidden = !(reply.facts || []).length;
  }

  function drawProgress(progress, status) {
    ui.progress.hidden = ui.progressText.hidden = !progress;
    if (!progress) return;
    const share = progress.total ? Math.min(1, progress.done / progress.total) : 0;
    ui.bar.style.width = `${(share * 100).toFixed(2)}%`;
    ui.progress.className = `wb-progress is-${String(status).replace(/[^a-z]/g, "")}`;
    const [left, right] = ui.progressText.children;
    setText(left, progress.text || `${progress.done} of ${progress.total}`);
    setText(right, progress.total ? `${Math.floor(share * 100)} %` : "");
  }

  function drawFigures() {
    const { loss, eval_loss: evals } = run.series,
      rows = [];
    const last = (values) => values[values.length - 1];
    if (loss) {
      rows.push(["Step", formatNumber(last(loss.x))], ["Train loss", last(loss.y).toFixed(4)]);
      if (smoothing) rows.push(["Smoothed", last(run.smooth.y).toFixed(4)]);
    }
    if (evals) {
      const low = evals.y.reduce((best, value, i) => (value < evals.y[best] ? i : best), 0);
      rows.push(
        ["Eval loss", last(evals.y).toFixed(4)],
        ["Best eval", `${evals.y[low].toFixed(4)} at ${evals.x[low]}`],
      );
    }
    ui.figures.hidden = !rows.length;
    ui.figures.replaceChildren(
      ...rows.map(([name, value]) => {
        const node = h("div", "wb-figure");
        node.append(h("span", "", name), h("b", "", value));
        return node;
      }),
    );
  }

  const LOG_LIMIT = 400000;

  function addLog(text, offset) {
    if (typeof offset === "number") run.log = offset;
    if (text) {
      ui.logText.append(document.createTextNode(text));
      while (ui.logText.textContent.length > LOG_LIMIT && ui.logText.childNodes.length > 1)
        ui.logText.firstChild.remove();
      setText(ui.logSize, `${Math.max(1, Math.round(run.log / 1024))} KB`);
      if (ui.logFollow) ui.logText.scrollTop = ui.logText.scrollHeight;
    }
    ui.log.hidden = !ui.logText.firstChild;
  }

  /* ---- the loop ------------------------------------------------------------------------------------------ */

  function clear(job) {
    run = fresh(job);
    ui.logText.replaceChildren();
    ui.logFollow = true;
    ui.tiles.replaceChildren();
    ui.tileList.clear();
    ui.figures.replaceChildren();
    if (window.Plotly && ui.chart.classList.contains("js-plotly-plot")) window.Plotly.purge(ui.chart);
    ui.chart.replaceChildren();
    setText(ui.note, "");
    for (const part of [ui.chartBox, ui.tiles, ui.figures, ui.log, ui.facts, ui.error]) part.hidden = true;
    Object.assign(root.dataset, { job, status: "", points: 0 });
  }

  function showEmpty(lines) {
    ui.body.hidden = true;
    ui.empty.hidden = false;
    ui.empty.replaceChildren(emptyState(lines));
  }

  async function step() {
    const job = String(props.value || "");
    if (job !== run.job) {
      setText(ui.told, "");
      clear(job);
      showEmpty(job ? ["Loading …"] : props.empty);
    }
    if (!job) return 1000;
    const { cursor, generation, log } = run;
    const reply = await server.points({ job, cursor, generation, log }).catch(() => undefined);
    if (job !== String(props.value || "")) return 1;
    if (!reply || reply.found === undefined) {
      setText(ui.note, reply?.error || "The server does not answer. Trying again …");
      ui.body.hidden = false;
      ui.empty.hidden = true;
      return 2000;
    }
    if (!reply.found) {
      showEmpty(["This run is gone", "Its folder no longer exists.", "Choose another run."]);
      return 5000;
    }
    take(reply, job);
    return FINAL.includes(reply.status) ? 5000 : 1000;
  }

  /** The buttons for what may be done with the job now. */
  function drawActions(can, status) {
    const key = JSON.stringify(can);
    if (ui.actions.dataset.key === key) return;
    ui.actions.dataset.key = key;
    if (FINAL.includes(status) && run.saidWhile !== "queued") setText(ui.told, ""); // what was to happen has happened
    ui.actions.replaceChildren(
      ...can.map(([how, label]) => {
        const button = Object.assign(h("button", `wb-button is-${how}`, label), { type: "button" });
        button.addEventListener("click", () => act(how));
        return button;
      }),
    );
  }

  async function act(how) {
    const { job } = run;
    run.saidWhile = root.dataset.status;
    for (const button of ui.actions.children) button.disabled = true;
    const reply = await server.act({ job, how }).catch(() => null);
    for (const button of ui.actions.children) button.disabled = false;
    if (run.job !== job) return;
    setText(ui.told, reply?.text || reply?.error || "The server does not answer. Try again.");
    document.dispatchEvent(new Event("wb-poke"));
  }

  function take(reply, job) {
    if (reply.reset) clear(job);
    setText(ui.note, "");
    ui.empty.hidden = true;
    ui.body.hidden = false;
    run.cursor = reply.cursor ?? run.cursor;
    run.generation = reply.generation ?? run.generation;
    drawHead(reply);
    drawActions(reply.can || [], reply.status);
    addPoints(reply.points || []);
    addLog(reply.log, reply.log_offset);
    Object.assign(root.dataset, { status: reply.status, points: run.points });
    if (!run.dirty) return;
    run.dirty = false;
    drawFigures();
    drawTiles();
    drawChart();
  }

  clear("");
  showEmpty(props.empty);
  const wake = poll(element, step);
  watch("value", wake);
  const theme = new MutationObserver(() => {
    if (!root.isConnected) theme.disconnect();
    else if (run.points) drawChart();
  });
  theme.observe(document.body, { attributes: true, attributeFilter: ["class"] });
}
