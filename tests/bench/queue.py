"""A look at a queue of 10,000 ended jobs: the first of a process without and with its index, and those that follow."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.bench.home_of_many import add_job, many
from workbench.core.home import Home
from workbench.jobs.events import EventLog
from workbench.jobs.queue import Queue

ENDED, LOOKS = 10_000, 200


def measure(ended: int = ENDED) -> Iterator[tuple[Any, ...]]:
    """Seconds of the first look, without and with the index; then milliseconds of one look, the median: with nothing
    going on, with one job that speaks between looks, and after a job came."""
    with tempfile.TemporaryDirectory(prefix="llm-workbench-bench-") as folder:
        home = many(Home.at(folder), jobs=ended)
        yield "queue_first_look_without_index", _seconds(Queue(home).all), None, "s"
        queue = Queue(home)
        yield "queue_first_look", _seconds(queue.all), 1.0, "s"
        yield "queue_look", _median(queue.all), 10.0, "ms"
        yield "queue_look_live", _with_a_live_job(home, ended), 10.0, "ms"
        numbers = iter(range(ended + 1, ended + 1 + LOOKS))
        yield "queue_look_after_a_new_job", _median(queue.all, lambda: add_job(home, next(numbers))), 30.0, "ms"


def _with_a_live_job(home: Home, number: int) -> float:
    """This process pretends to run the job, and says a step before every look."""
    events = EventLog(add_job(home, number) / "events.jsonl")
    events.status("queued", resume=True)
    events.running()
    queue = Queue(home)
    assert [row.status for row in queue.all()].count("running") == 1
    steps = iter(range(11, 11 + LOOKS))
    return _median(queue.all, lambda: events.append("metrics", step=next(steps), loss=0.5))


def _median(look: Callable[[], Any], before: Callable[[], Any] = lambda: None) -> float:
    times = []
    for _ in range(LOOKS):
        before()
        times.append(1000 * _seconds(look))
    return statistics.median(times)


def _seconds(look: Callable[[], Any]) -> float:
    began = time.perf_counter()
    look()
    return time.perf_counter() - began
