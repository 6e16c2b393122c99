"""Training overhead of the workbench over a bare TRL script: same rows, same settings, in turn."""

import statistics
import time
from collections.abc import Iterator
from typing import Any

from tests.bench._common import bare, prepared_home, settings
from workbench.core.home import Home
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner

STEPS, ROUNDS = 16, 2


def measure() -> Iterator[tuple[Any, ...]]:
    """Percent of time more than the bare script: with the same loss, and against TRL's own loss."""
    home = prepared_home()
    same, stock = [], []
    for turn in range(ROUNDS):
        job = settings(STEPS, output=f"run-{turn}")
        theirs = bare(home, job, "ours")["training"]
        ours = _ours(home, job)
        stock_time = bare(home, job, "trl")["training"]
        same.append(100 * (ours / theirs - 1))
        stock.append(100 * (ours / stock_time - 1))
    yield "overhead_percent", statistics.median(same), 3.0, "%"
    yield "overhead_percent_over_stock_trl_loss", statistics.median(stock), 3.0, "%"


def _ours(home: Home, job: dict[str, Any]) -> float:
    """Seconds from the start of training to the end of its last step, by the job's own events."""
    queue = Queue(home)
    runner = Runner(home, queue, warm=False).start()
    job_id = queue.submit(JOBS.parse(job))
    while not queue.get(job_id).final:
        time.sleep(0.5)
    runner.halt()
    view = queue.get(job_id)
    assert view.status == "done", view.state.error
    events = view_events(queue, job_id)
    began = next(event["t"] for event in events if event.get("text") == "Training")
    last = [event["t"] for event in events if event["type"] == "metrics" and "loss" in event][-1]
    return last - began


def view_events(queue: Queue, job_id: str) -> list[dict[str, Any]]:
    from workbench.jobs.events import EventLog

    return EventLog(queue.get(job_id).folder / "events.jsonl").read()[0]
