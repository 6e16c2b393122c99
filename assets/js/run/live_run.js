/* LiveRun: status, progress, charts, facts and log of one job, whose id is the value. server.points tells what is new
   since the cursors it is given; its `can` lists what may be done with the job as [how, label], server.act does it. */
import { rootOf } from "../lib/component.js";
import { button, emptyState, h, setText, statusChip } from "../lib/dom.js";
import { formatDuration, formatNumber } from "../lib/format.js";
import { poll, pollNow } from "../lib/polling.js";
import { runLog } from "./log.js";
import { lossChart } from "./loss_chart.js";
import { runMessages } from "./messages.js";
import { runSamples } from "./samples.js";
import { addPoints } from "./series.js";
import { metricTiles } from "./tiles.js";

/** @import { Alarm } from "./messages.js" */
/** @import { Sample } from "./samples.js" */
/** @import { Range, Series } from "./series.js" */
/** @typedef {{ done: number, total: number, text?: string }} Progress */
/**
 * @typedef {{
 *   found: boolean, title: string, status: string, status_text: string, progress: Progress | null, eta: number | null,
 *   elapsed: number | null, error: string, remedy: string, generation: number, reset: boolean, cursor: number,
 *   points: Record<string, unknown>[], can: [how: string, label: string][], facts: [name: string, value: string][],
 *   log: string, log_offset: number, alarms?: Alarm[], notes?: string[], samples?: Sample[],
 * }} Reply
 */

const FINAL = ["done", "failed", "stopped", "paused", "interrupted"];

/**
 * State of the run shown.
 * @param {string} job
 */
const newRun = (job) => ({
  job,
  cursor: 0,
  generation: 0,
  points: 0,
  series: /** @type {Series} */ ({}),
  range: /** @type {Range} */ (null),
  head: "",
  statusAtAct: "",
});

/** What is beside the title: how long it took and will take. */
function timeText(/** @type {Reply} */ { elapsed, eta, status }) {
  const parts = elapsed ? [`${formatDuration(elapsed)} elapsed`] : [];
  if (eta !== null && eta !== undefined && status === "running") parts.push(`about ${formatDuration(eta)} left`);
  return parts.join("  ·  ");
}

function progressBar() {
  const track = h("div", "wb-progress"),
    bar = h("i"),
    left = h("span"),
    right = h("span"),
    words = h("div", "wb-progress-text");
  track.setAttribute("role", "progressbar");
  track.setAttribute("aria-label", "Progress");
  track.append(bar);
  words.append(left, right);

  /**
   * @param {Progress | null} progress
   * @param {string} status
   */
  function draw(progress, status) {
    track.hidden = words.hidden = !progress;
    if (!progress) return;
    const { done, total, text } = progress,
      share = total ? Math.min(1, done / total) : 0;
    bar.style.width = `${(share * 100).toFixed(2)}%`;
    track.className = `wb-progress is-${status.replace(/[^a-z]/g, "")}`;
    track.setAttribute("aria-valuenow", String(Math.floor(share * 100)));
    setText(left, text || `${done} of ${total}`);
    setText(right, total ? `${Math.floor(share * 100)} %` : "");
  }

  return { nodes: [track, words], draw };
}

/**
 * The newest numbers of a run: [name, text].
 * @param {Series} series
 * @param {number | undefined} smoothed
 * @returns {[name: string, text: string][]}
 */
export function keyFigures({ loss, eval_loss: evals }, smoothed) {
  /** @type {[string, string][]} */
  const rows = [];
  if (loss) {
    rows.push(["Step", formatNumber(loss.x.at(-1))], ["Train loss", Number(loss.y.at(-1)).toFixed(4)]);
    if (smoothed !== undefined) rows.push(["Smoothed", smoothed.toFixed(4)]);
  }
  if (evals) {
    const best = evals.y.indexOf(evals.y.reduce((least, value) => Math.min(least, value)));
    rows.push(["Eval loss", Number(evals.y.at(-1)).toFixed(4)]);
    rows.push(["Best eval", `${evals.y[best].toFixed(4)} at ${evals.x[best]}`]);
  }
  return rows;
}

/** @param {import("../lib/component.js").Scope<string>} scope */
export function mount({ element, props, server, watch }) {
  const root = rootOf(element, "wb-live-run");
  let run = newRun("");
  const empty = h("div"),
    body = h("div", "wb-live-body"),
    head = h("div", "wb-live-head"),
    title = h("h3", "wb-live-title"),
    chip = h("span"),
    time = h("span", "wb-live-time"),
    actions = h("span", "wb-live-actions"),
    message = h("div", "wb-hint wb-live-told"),
    problem = h("div", "wb-error"),
    note = h("div", "wb-hint wb-live-note"),
    figures = h("div", "wb-figures"),
    facts = h("dl", "wb-kv"),
    progress = progressBar(),
    tiles = metricTiles(),
    messages = runMessages(),
    samples = runSamples(),
    log = runLog();
  const chart = lossChart({
    zoomed(range) {
      run.range = range;
      drawLines();
    },
    pointed: (step) => tiles.point(step),
    smoothed() {
      drawFigures();
      drawChart();
    },
  });
  for (const node of [message, chip]) node.setAttribute("role", "status");
  problem.setAttribute("role", "alert");
  head.append(title, chip, time, actions);
  body.append(head, message, ...progress.nodes, note, problem, messages.nodes[0], figures);
  body.append(chart.node, tiles.node, samples.node, facts, messages.nodes[1], log.node);
  root.append(empty, body);

  /* ---- drawing ------------------------------------------------------------------------------------------- */

  const drawChart = () => chart.draw(run.series, run.range, `${run.job}:${run.generation}`);

  function drawLines() {
    tiles.draw(run.series, run.range);
    drawChart();
  }

  function drawFigures() {
    const rows = keyFigures(run.series, chart.newest(run.series));
    figures.hidden = !rows.length;
    figures.replaceChildren(
      ...rows.map(([name, value]) => {
        const node = h("div", "wb-figure");
        node.append(h("span", "", name), h("b", "", value));
        return node;
      }),
    );
  }

  /** @param {Reply} reply */
  function drawHead(reply) {
    const { points, log: _log, log_offset, cursor, reset, samples: _samples, ...rest } = reply;
    const signature = JSON.stringify(rest);
    if (signature === run.head) return;
    run.head = signature;
    setText(title, reply.title || "Run");
    const status = reply.status_text || reply.status;
    if (chip.textContent !== status) chip.replaceChildren(statusChip(reply.status, status)); // it is read aloud
    setText(time, timeText(reply));
    progress.draw(reply.progress, reply.status);
    problem.hidden = !reply.error;
    if (problem.textContent !== reply.error + reply.remedy)
      problem.replaceChildren(h("strong", "", reply.error || ""), h("div", "", reply.remedy || ""));
    const rows = reply.facts || [];
    facts.replaceChildren(...rows.flatMap(([name, value]) => [h("dt", "", name), h("dd", "", value)]));
    facts.hidden = !rows.length;
    messages.draw(reply.alarms ?? [], reply.notes ?? []);
    drawActions(reply.can || [], reply.status);
  }

  /**
   * The buttons for what may be done with the job now.
   * @param {Reply["can"]} can
   * @param {string} status
   */
  function drawActions(can, status) {
    const key = JSON.stringify(can);
    if (actions.dataset.key === key) return;
    actions.dataset.key = key;
    if (FINAL.includes(status) && run.statusAtAct !== "queued") setText(message, ""); // what was to happen has happened
    actions.replaceChildren(...can.map(([how, label]) => button(`wb-button is-${how}`, label, () => act(how))));
  }

  /** @param {string[]} lines */
  function showEmpty(lines) {
    body.hidden = true;
    empty.hidden = false;
    empty.replaceChildren(emptyState(lines));
  }

  /* ---- talking to the server ----------------------------------------------------------------------------- */

  /** @param {string} how */
  async function act(how) {
    const { job } = run,
      buttons = [...actions.querySelectorAll("button")];
    run.statusAtAct = root.dataset.status ?? "";
    for (const one of buttons) one.disabled = true;
    const reply = await server.act({ job, how }).catch(() => null);
    for (const one of buttons) one.disabled = false;
    if (run.job !== job) return;
    setText(message, reply?.text || reply?.error || "The server does not answer. Try again.");
    pollNow();
  }

  /** @param {string} job */
  function clear(job) {
    run = newRun(job);
    for (const part of [log, messages, samples]) part.clear();
    tiles.clear();
    chart.clear();
    figures.replaceChildren();
    setText(note, "");
    for (const part of [figures, facts, problem]) part.hidden = true;
    Object.assign(root.dataset, { job, status: "", points: 0 });
  }

  /** @param {Reply} reply */
  function take(reply) {
    if (reply.reset) clear(run.job);
    setText(note, "");
    empty.hidden = true;
    body.hidden = false;
    run.cursor = reply.cursor ?? run.cursor;
    run.generation = reply.generation ?? run.generation;
    drawHead(reply);
    const points = reply.points || [];
    addPoints(run.series, points);
    run.points += points.length;
    log.add(reply.log, reply.log_offset);
    samples.add(reply.samples ?? []);
    Object.assign(root.dataset, { status: reply.status, points: run.points });
    if (!points.length) return;
    drawFigures();
    drawLines();
  }

  const chosen = () => String(props.value || "");

  async function step() {
    const job = chosen();
    if (job !== run.job) {
      setText(message, "");
      clear(job);
      showEmpty(job ? ["Loading …"] : props.empty);
    }
    if (!job) return 1000;
    const { cursor, generation } = run;
    const reply = await server
      .points({ job, cursor, generation, log: log.offset, samples: samples.count })
      .catch(() => undefined);
    if (job !== chosen()) return 1;
    if (reply?.found === undefined) {
      setText(note, reply?.error || "The server does not answer. Trying again …");
      body.hidden = false;
      empty.hidden = true;
      return 2000;
    }
    if (!reply.found) {
      showEmpty(["This run is gone", "Its folder no longer exists.", "Choose another run."]);
      return 5000;
    }
    take(reply);
    return FINAL.includes(reply.status) ? 5000 : 1000;
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
