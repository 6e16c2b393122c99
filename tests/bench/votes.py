"""Fifty annotators with accounts vote at once through five kills of the server, while a training runs: what is kept,
and how long they wait for an answer. BENCH_SECONDS, BENCH_ANNOTATORS and BENCH_KILLS make it shorter; BENCH_THINK is
how many seconds an annotator looks at a pair on the average, 4 by default: who reads both answers takes several times
as long.

With BENCH_DATABASE=postgresql the labels lie on a PostgreSQL server, started for it as the tests do: it syncs nothing,
so that the figures tell of the queries and the connections, not of its disk.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.postgres import Cluster, missing
from tests.toys import toy_home
from tests.voters import Plan, poll
from tests.waiting import end_processes_of
from workbench.jobs.events import EventLog
from workbench.jobs.queue import Queue
from workbench.preferences.store import URL_VARIABLE
from workbench.training.jobs.train import Train

GOAL_MILLISECONDS = 150.0
PAD = ("next_pair", "hold_pair", "cast_vote")


@contextlib.contextmanager
def database() -> Iterator[str]:
    """Where the labels lie: in a file of the home, or on a server that lives as long as this."""
    kind = os.environ.get("BENCH_DATABASE", "sqlite")
    if kind == "sqlite":
        yield kind
        return
    if kind != "postgresql":
        raise SystemExit(f"BENCH_DATABASE is sqlite or postgresql, not {kind!r}.")
    if reason := missing():
        raise SystemExit(reason)
    cluster = Cluster().start()
    try:
        os.environ[URL_VARIABLE] = cluster.url
        yield kind
    finally:
        os.environ.pop(URL_VARIABLE, None)
        cluster.stop()


def measure() -> Iterator[tuple[Any, ...]]:
    with database() as kind:
        yield from _measured(kind)


def _measured(kind: str) -> Iterator[tuple[Any, ...]]:
    seconds, annotators = float(os.environ.get("BENCH_SECONDS", "180")), int(os.environ.get("BENCH_ANNOTATORS", "50"))
    think = float(os.environ.get("BENCH_THINK", "4"))
    kills, votes_per_pair = int(os.environ.get("BENCH_KILLS", "5")), Plan.votes_per_pair
    pairs = 10 + int(annotators * seconds / think / votes_per_pair)  # nobody runs out of them before the time is up
    plan = Plan(annotators, seconds, kills, pairs, votes_per_pair, think)
    with tempfile.TemporaryDirectory(prefix="llm-workbench-bench-") as folder:
        home = toy_home(Path(folder))
        queue = Queue(home)
        job = queue.submit(
            Train.parse(
                {"model": "toy", "dataset": "talks", "output": "tuned", "max_steps": 1_000_000, "batch_size": 4}
            )
        )
        try:
            found = poll(home, plan)
            steps = sum("loss" in event for event in EventLog(queue.get(job).folder / "events.jsonl").read()[0])
        finally:
            end_processes_of(home.root)
    title = f"votes acknowledged, {annotators} annotators, {len(found.outages)} kills, {kind}"
    yield title, len(found.acknowledged), None
    yield "mean time an annotator looks at a pair", plan.think, None, " s"
    yield "acknowledged votes that are not there exactly once", found.lost, 0
    yield "pairs without exactly their votes", found.wrong_overlap(plan.votes_per_pair), 0
    yield "answers that refused", len(found.refused), None
    yield "requests a running server answered", sum(map(len, found.seconds.values())), None
    yield "all requests, p50", found.quantile(0.5), None, " ms"
    yield "all requests, p99", found.quantile(0.99), GOAL_MILLISECONDS, " ms"
    for function in found.seconds:
        yield f"{function}, p50", found.quantile(0.5, (function,)), None, " ms"
        yield f"{function}, p99", found.quantile(0.99, (function,)), None, " ms"
    yield "longest outage", max(found.outages, default=0.0), None, " s"
    yield "reports of the training meanwhile", steps, 1, "", True
