"""What 500 models, 500 datasets and 500 jobs cost the server over an empty home: its start, and a refresh of the page.

Both homes are served in the same run, by the real server to real browsers. Measured is the processor time of the
server's process, not of the workers it keeps.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from tests.bench._common import ROOT
from tests.bench.home_of_many import add_dataset, add_job, add_model, many
from tests.waiting import end_processes_of
from workbench.core.home import Home

SIZE, BROWSERS = 500, (1, 2, 5)
SETTLE, WINDOW = 4.0, 6.0
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]


@dataclass
class Costs:
    """Seconds of processor: of the start, of opening the page, and of a refresh by the number of browsers; bytes of
    the page's configuration and of the first answer that fills the pickers."""

    start: float = 0.0
    again: float = 0.0
    page: float = 0.0
    refresh: dict[int, float] = field(default_factory=dict)
    configuration: int = 0


def measure(size: int = SIZE) -> Iterator[tuple[Any, ...]]:
    """Seconds more than with an empty home: the first start, a later one, and a refresh; kB of the configuration."""
    with tempfile.TemporaryDirectory(prefix="llm-workbench-bench-") as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=FLAGS)
        empty = _costs(Home.at(Path(folder) / "empty"), browser)
        full = _costs(many(Home.at(Path(folder) / "full"), size, size, size), browser)
        browser.close()
    yield "shelf_start_seconds_over_empty", full.start - empty.start, 0.5, "s"
    yield "shelf_later_start_seconds_over_empty", full.again - empty.again, 0.5, "s"
    yield "shelf_page_seconds_over_empty", full.page - empty.page, None, "s"
    for count in BROWSERS:
        yield f"shelf_refresh_seconds_over_empty_{count}_browsers", full.refresh[count] - empty.refresh[count], 0.3, "s"
    yield "shelf_configuration_kb", full.configuration / 1000, None, "kB"
    yield "shelf_configuration_kb_over_empty", (full.configuration - empty.configuration) / 1000, 10.0, "kB"


def _costs(home: Home, browser: Browser) -> Costs:
    costs = Costs()
    with _served(home) as (server, url):
        costs.start = _cpu(server)
        costs.configuration = len(urllib.request.urlopen(f"{url}/config", timeout=30).read())
    with _served(home) as (server, url):
        costs.again = before = _cpu(server)
        pages = [_opened(browser, url)]
        time.sleep(SETTLE)
        costs.page = _cpu(server) - before - _idle(server) * SETTLE
        for count in BROWSERS:
            pages += [_opened(browser, url) for _ in range(count - len(pages))]
            time.sleep(SETTLE)
            costs.refresh[count] = _refresh(home, server, pages)
        for page in pages:
            page.context.close()
    return costs


def _refresh(home: Home, server: psutil.Process, pages: list[Page]) -> float:
    """A model, a dataset and a job come; until every browser shows the model, and what it asks for then is answered."""
    idle, number = _idle(server), 90_000 + len(pages)
    before = _cpu(server)
    began = time.monotonic()
    name = add_model(home, number).name
    if (home.datasets / "set-00000").is_dir():
        add_dataset(home, number)
    add_job(home, number)
    for page in pages:
        page.wait_for_function(
            "mark => document.documentElement.dataset.shelfMark && document.documentElement.dataset.shelfMark !== mark",
            arg=page.evaluate("window.benchMark"),
        )
        page.evaluate("window.benchMark = document.documentElement.dataset.shelfMark")
    time.sleep(WINDOW)
    assert (home.models / name).is_dir()
    return _cpu(server) - before - idle * (time.monotonic() - began)


def _idle(server: psutil.Process) -> float:
    """Seconds of processor a second, with nothing happening."""
    before = _cpu(server)
    time.sleep(WINDOW)
    return (_cpu(server) - before) / WINDOW


def _cpu(server: psutil.Process) -> float:
    times = server.cpu_times()
    return times.user + times.system


def _opened(browser: Browser, url: str) -> Page:
    page = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
    page.goto(url)
    page.get_by_role("tab", name="Jobs", exact=True).wait_for()
    page.wait_for_function("document.documentElement.dataset.shelfMark")
    page.evaluate("window.benchMark = document.documentElement.dataset.shelfMark")
    return page


@contextmanager
def _served(home: Home) -> Iterator[tuple[psutil.Process, str]]:
    """The app on that home, when it has answered and come to rest."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "WORKBENCH_HOME": str(home.root), "WORKBENCH_PORT": str(port)}
    command = [sys.executable, "app.py"]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(server, url)
        time.sleep(SETTLE)
        yield psutil.Process(server.pid), url
    finally:
        server.kill()
        server.wait()
        end_processes_of(home.root)


def _wait(server: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the app did not start")


def _chromium() -> str | None:
    path = Path("/usr/bin/chromium")
    return str(path) if path.exists() else None
