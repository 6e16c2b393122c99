"""The page: how soon it is seen, and what a live plot of 20,000 points costs the server."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import psutil
from playwright.sync_api import Page, Request, sync_playwright

from tests.bench._common import ROOT
from tests.browser.driving import choose, fill, tab
from tests.toys import toy_home
from workbench.core.home import Home
from workbench.jobs.events import EventLog
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue

PORT, POINTS, SECONDS, TOKENS = 7899, 20_000, 15, 2000
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


def measure() -> Iterator[tuple[Any, ...]]:
    """Seconds until the tabs are seen in a fresh browser, and how many times an empty page's that is; scripts of ours
    that the first tab takes; what a streamed answer of 2,000 tokens costs, in answers' bodies and with their headers;
    percent of a core the server uses with nobody looking and with a live plot; zoom kept (0 = yes)."""
    home = toy_home(Path(tempfile.mkdtemp(prefix="llm-workbench-bench-")))
    config = home.models / "toy" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"max_position_embeddings": 2 * TOKENS}))
    environment = {**os.environ, "WORKBENCH_HOME": str(home.root), "WORKBENCH_PORT": str(PORT)}
    server = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        _wait()
        time.sleep(15)  # the warm worker has finished importing
        yield "idle_server_cpu_percent", _cpu(server.pid), 3.0, "%"
        with sync_playwright() as playwright:
            ours, bare = _beside_an_empty_page(playwright)
            yield "page_seconds_cold", ours, 1.5, "s"
            yield "page_cold_over_empty_gradio_page", ours / bare, 1.8, ""
            yield "script_kilobytes_of_the_first_tab", _scripts(playwright), 700.0, "kB"
            bodies, whole = _answer(playwright)
            yield "streamed_answer_of_2000_tokens", bodies, 100.0, "kB"
            yield "streamed_answer_with_headers", whole, None, "kB"
            cpu, lost = _live(playwright, home, server.pid)
            yield "live_plot_server_cpu_percent", cpu, 3.0, "%"
            yield "live_plot_zoom_lost", float(lost), 0.0, ""
    finally:
        server.kill()
        server.wait()


def _wait() -> None:
    deadline = time.time() + 60
    while time.time() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=2).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the app did not start")


def _browser(playwright: Any) -> Any:
    path = "/usr/bin/chromium" if Path("/usr/bin/chromium").exists() else None
    return playwright.chromium.launch(executable_path=path, args=FLAGS)


def _beside_an_empty_page(playwright: Any) -> tuple[float, float]:
    """Medians of our page and of one of Gradio's with two empty tabs, in turns."""
    empty = gr.Blocks(analytics_enabled=False)
    with empty, gr.Tabs():
        for name in ("Models", "Jobs"):
            with gr.Tab(name):
                gr.Textbox(label=name)
    empty.launch(server_port=PORT + 1, prevent_thread_lock=True, quiet=True, ssr_mode=False)
    try:
        seconds = [(_cold(playwright, PORT), _cold(playwright, PORT + 1)) for _ in range(7)]
    finally:
        empty.close(verbose=False)
    ours, bare = zip(*seconds, strict=True)
    return statistics.median(ours), statistics.median(bare)


def _cold(playwright: Any, port: int) -> float:
    browser = _browser(playwright)
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    began = time.perf_counter()
    page.goto(f"http://127.0.0.1:{port}/", wait_until="commit")
    page.get_by_role("tab", name="Jobs", exact=True).wait_for()
    seconds = time.perf_counter() - began
    browser.close()
    return seconds


def _scripts(playwright: Any) -> float:
    """Kilobytes of our scripts, unpacked, until the first tab stands in a fresh browser."""
    browser = _browser(playwright)
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    page.goto(f"http://127.0.0.1:{PORT}/")  # the page is never without a request for long: it asks what changed
    page.wait_for_function("document.documentElement.dataset.shelfMark")
    page.wait_for_selector("#overview-jobs .wb-empty, #overview-jobs tbody tr")
    ours = "performance.getEntriesByType('resource').filter(entry => entry.name.includes('/scripts/'))"
    size: int = page.evaluate(f"{ours}.reduce((sum, entry) => sum + entry.decodedBodySize, 0)")
    browser.close()
    return size / 1e3


def _answer(playwright: Any) -> tuple[float, float]:
    """Kilobytes the page is sent while a model writes 2,000 tokens: bodies alone, and with their headers."""
    browser = _browser(playwright)
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    page.goto(f"http://127.0.0.1:{PORT}/")
    tab(page, "Compare")
    choose(page, "#compare-models", "toy")
    fill(page, "Maximum answer length (tokens)", str(TOKENS))
    fill(page, "Temperature", "0.01")  # an untrained model goes on with its likeliest token and never ends by itself
    page.locator("#chat-message textarea").fill("Hello")
    polls: list[Request] = []
    page.on("requestfinished", lambda request: polls.append(request) if '"poll"' in (request.post_data or "") else None)
    page.locator("#chat-message textarea").press("Enter")
    page.locator('.wb-pane[data-state="done"]').wait_for(timeout=300_000)
    stats = page.locator(".wb-msg-foot").last.inner_text()
    if not stats.startswith(f"{TOKENS} tokens"):
        raise RuntimeError(f"the answer ended early: {stats}")
    sizes = [request.sizes() for request in polls]
    browser.close()
    bodies = sum(size["responseBodySize"] for size in sizes)
    return bodies / 1e3, (bodies + sum(size["responseHeadersSize"] for size in sizes)) / 1e3


def _live(playwright: Any, home: Home, pid: int) -> tuple[float, bool]:
    """A job that this process pretends to run, one point a second, watched in the Jobs tab."""
    queue = Queue(home)
    job = JOBS.parse({"method": "train", "model": "toy", "dataset": "talks", "output": "many"})
    events = EventLog(queue.get(queue.submit(job, here=True)).folder / "events.jsonl")
    _fill(events)
    halt = threading.Event()
    feeder = threading.Thread(target=_feed, args=(events, halt), daemon=True)
    browser = _browser(playwright)
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    page.goto(f"http://127.0.0.1:{PORT}/")
    page.get_by_role("tab", name="Train", exact=True).click()
    seen = f"[...document.querySelectorAll('.wb-live-run')].some(e => e.offsetParent && +e.dataset.points >= {POINTS})"
    page.wait_for_function(seen, timeout=60_000)
    page.wait_for_selector(".js-plotly-plot .main-svg")
    feeder.start()
    before = _zoom(page)
    cpu = _cpu(pid)
    lost = before != _range(page)
    halt.set()
    browser.close()
    return cpu, lost


def _fill(events: EventLog) -> None:
    with events.path.open("a") as file:
        for step in range(1, POINTS + 1):
            loss = 3 / (1 + step / 2000) + 0.1 * ((step * 7919) % 13) / 13
            point = {"t": time.time(), "type": "metrics", "step": step, "loss": loss, "learning_rate": 1e-4}
            file.write(json.dumps(point) + "\n")


def _feed(events: EventLog, halt: threading.Event) -> None:
    step = POINTS
    while not halt.wait(1):
        step += 1
        events.append("metrics", step=step, loss=0.5, learning_rate=1e-4)
        events.append("progress", done=step, total=2 * POINTS, text=f"Step {step}")


def _zoom(page: Page) -> Any:
    page.evaluate("Plotly.relayout(document.querySelector('.js-plotly-plot'), {'xaxis.range': [5000, 9000]})")
    page.wait_for_timeout(1500)
    return _range(page)


def _range(page: Page) -> Any:
    return page.evaluate("document.querySelector('.js-plotly-plot')._fullLayout.xaxis.range.map(Math.round)")


def _cpu(pid: int) -> float:
    process = psutil.Process(pid)
    start = process.cpu_times()
    time.sleep(SECONDS)
    end = process.cpu_times()
    return 100 * (end.user + end.system - start.user - start.system) / SECONDS
