"""From 'Start' to the end of the first training step, against a bare script that has imported everything."""

import statistics
import time
from collections.abc import Iterator
from typing import Any

from tests.bench._common import bare, prepared_home, settings
from tests.bench.overhead import view_events
from workbench.core.home import Home
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner

ROUNDS = 3


def measure() -> Iterator[tuple[Any, ...]]:
    """Seconds more than the bare script, the worker warm; the median of the rounds."""
    home = prepared_home()
    more = []
    for turn in range(ROUNDS):
        job = settings(1, output=f"start-{turn}")
        theirs = bare(home, job, "whole")["to_first_step"]
        more.append(_ours(home, job) - theirs)
    yield "start_seconds_over_bare", statistics.median(more), 3.0, "s"


def _ours(home: Home, job: dict[str, Any]) -> float:
    queue = Queue(home)
    runner = Runner(home, queue).start()
    deadline = time.time() + 60
    while not runner.is_ready and time.time() < deadline:
        time.sleep(0.1)
    started = time.time()
    job_id = queue.submit(JOBS.parse(job))
    while not queue.get(job_id).final:
        time.sleep(0.1)
    runner.halt()
    assert queue.get(job_id).status == "done", queue.get(job_id).state.error
    first = next(event["t"] for event in view_events(queue, job_id) if event["type"] == "metrics" and "loss" in event)
    return first - started
