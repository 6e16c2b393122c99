"""The page: how soon it is seen, and what a live plot of 20,000 points costs the server."""

import os
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import psutil
from playwright.sync_api import Page, sync_playwright

from tests.bench._common import ROOT
from tests.toys import toy_home
from workbench.core.home import Home
from workbench.jobs.events import EventLog
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue

PORT, POINTS, SECONDS = 7899, 20_000, 15
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


def measure() -> Iterator[tuple[Any, ...]]:
    """Seconds until the tabs are seen in a fresh browser, and how many times an empty page's that is; percent of a core
    the server uses with nobody looking and with a live plot; zoom kept (0 = yes)."""
    import tempfile

    home = toy_home(Path(tempfile.mkdtemp(prefix="llm-workbench-bench-")))
    environment = {**os.environ, "WORKBENCH_HOME": str(home.root), "WORKBENCH_PORT": str(PORT)}
    server = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        _wait()
        time.sleep(15)  # the warm worker has finished importing
        yield "idle_server_cpu_percent", _cpu(server.pid), 5.0, "%"
        with sync_playwright() as playwright:
            ours, bare = _beside_an_empty_page(playwright)
            yield "page_seconds_cold", ours, 1.5, "s"
            yield "page_cold_over_empty_gradio_page", ours / bare, 2.0, ""
            cpu, lost = _live(playwright, home, server.pid)
            yield "live_plot_server_cpu_percent", cpu, 5.0, "%"
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
    import json

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
