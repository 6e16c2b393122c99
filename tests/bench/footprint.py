"""How much the server's memory grows over 300 loads of the page and 100 jobs.

Measured is the unique set size of the server's own process (psutil `uss`: pages no other process shares), not of the
workers it starts: after a warm-up, which fills caches that are bounded, against the end.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from tests.bench.shelf import FLAGS, SETTLE, _chromium, _served
from workbench.core.home import Home
from workbench.data.jobs.prepare import Prepare
from workbench.data.recipes.importing import import_sample
from workbench.data.recipes.recipe import Recipe
from workbench.jobs.job import Job
from workbench.jobs.queue import Queue

LOADS, JOBS = 300, 100
WARM_LOADS, WARM_JOBS = 30, 10
JOB_SECONDS = 60


def measure(loads: int = LOADS, jobs: int = JOBS) -> Iterator[tuple[Any, ...]]:
    """Growth in percent, and the megabytes before and after."""
    with tempfile.TemporaryDirectory(prefix="llm-workbench-bench-") as folder, sync_playwright() as playwright:
        home = Home.at(Path(folder))
        import_sample(home)
        browser = playwright.chromium.launch(executable_path=_chromium(), args=FLAGS)
        with _served(home) as (server, url):
            _use(home, browser, url, WARM_LOADS, WARM_JOBS)
            before = _unique_bytes(server)
            _use(home, browser, url, loads, jobs)
            after = _unique_bytes(server)
        browser.close()
    yield "footprint_growth", 100 * (after - before) / before, 5.0, "%"
    yield "footprint_after_warm_up", before / 1e6, None, "MB"
    yield "footprint_at_the_end", after / 1e6, None, "MB"


def _use(home: Home, browser: Browser, url: str, loads: int, jobs: int) -> None:
    """Loads of the page, each by a browser session of its own that leaves again, and jobs that run meanwhile."""
    queue = Queue(home)
    ids = [queue.submit(_job(home, number)) for number in range(jobs)]
    for _ in range(loads):
        page = browser.new_context().new_page()
        _load(page, url)
        page.context.close()
    deadline = time.monotonic() + JOB_SECONDS * jobs
    while any(queue.get(job).status in ("queued", "running") for job in ids):
        if time.monotonic() > deadline:
            raise RuntimeError("the jobs did not end")
        time.sleep(0.5)
    if wrong := [job for job in ids if queue.get(job).status != "done"]:
        raise RuntimeError(f"{len(wrong)} of {jobs} jobs did not end well: {queue.get(wrong[0]).state.error}")


def _load(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_role("tab", name="Jobs", exact=True).wait_for()
    page.wait_for_function("document.documentElement.dataset.shelfMark")


def _job(home: Home, number: int) -> Job:
    """A short job that is real: other rows of the sample data are drawn."""
    steps = [{"method": "sample", "count": 20, "seed": number}]
    return Prepare.parse({"recipe": {**Recipe.at(home.datasets / "field-guide").to_dict(), "steps": steps}})


def _unique_bytes(server: psutil.Process) -> int:
    time.sleep(SETTLE)
    return int(server.memory_full_info().uss)
