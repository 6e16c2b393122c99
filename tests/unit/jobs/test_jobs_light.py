"""Jobs that need no device run a few at a time, in the order they came; neither sort waits for the other."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tabs.shell.job_panel import points_of
from tests.naps import jobs as naps
from workbench.core.child_process import ChildProcess
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.jobs import runner as runner_module
from workbench.jobs.events import EventLog
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner, light_places
from workbench.jobs.view import JobRecord


class Started(Runner):
    """A runner whose workers begin at once, in this process, and do nothing."""

    def __init__(self, home: Home, queue: Queue):
        super().__init__(home, queue, warm=False)
        self.started: list[str] = []

    def _launch(self, view: JobRecord) -> None:
        self.started.append(view.id)
        self._turns[view.id] = view.state.turn
        self._children[view.id] = SimpleNamespace(is_alive=True)  # type: ignore[assignment]
        EventLog(view.folder / "events.jsonl").running()

    def end(self, queue: Queue, job: str) -> None:
        self._children[job] = SimpleNamespace(is_alive=False, returncode=0, end=lambda: None)  # type: ignore[assignment]
        EventLog(queue.get(job).folder / "events.jsonl").status("done")


@pytest.fixture(autouse=True)
def two_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_LIGHT_JOBS", "2")
    for nap in (naps.Nap, naps.NapBeside):
        monkeypatch.setitem(JOBS._methods, nap.method, nap)


@pytest.fixture
def queue(own_home: Path) -> Queue:
    return Queue(Home.at(own_home))


def test_of_many_light_jobs_a_few_run_in_the_order_they_came(queue: Queue) -> None:
    jobs = [queue.submit(naps.NapBeside()) for _ in range(5)]
    runner = Started(queue.home, queue)
    runner.step()
    runner.step()
    assert runner.started == jobs[:2]
    runner.end(queue, jobs[1])
    runner.step()
    assert runner.started == jobs[:3]
    for job in (jobs[0], jobs[2]):
        runner.end(queue, job)
    runner.step()
    assert runner.started == jobs


def test_neither_sort_of_job_waits_for_the_other(queue: Queue) -> None:
    light = [queue.submit(naps.NapBeside()) for _ in range(3)]
    heavy = [queue.submit(naps.Nap()) for _ in range(2)]
    runner = Started(queue.home, queue)
    runner.step()
    assert sorted(runner.started) == sorted([*light[:2], heavy[0]])
    runner.end(queue, heavy[0])
    runner.step()
    assert runner.started[-1] == heavy[1] and light[2] not in runner.started


def test_jobs_another_runner_started_take_their_places(queue: Queue) -> None:
    """The server was restarted: what it started before still runs."""
    running = [queue.submit(naps.NapBeside(), here=True) for _ in range(2)]
    waiting = queue.submit(naps.NapBeside())
    runner = Started(queue.home, queue)
    runner.step()
    assert runner.started == []
    EventLog(queue.get(running[0]).folder / "events.jsonl").status("done")
    runner.step()
    assert runner.started == [waiting]


def test_the_page_says_what_a_light_job_waits_for(queue: Queue) -> None:
    ctx: Any = SimpleNamespace(queue=queue, home=queue.home)
    first = queue.submit(naps.NapBeside(), here=True)
    waiting = queue.submit(naps.NapBeside())
    text = lambda: points_of(ctx, {"job": waiting})["status_text"]  # noqa: E731
    assert text() == "Waiting for its turn"
    queue.submit(naps.NapBeside(), here=True)
    assert text() == "Waiting for a free place: 2 jobs without the device run at a time"
    EventLog(queue.get(first).folder / "events.jsonl").status("done")
    assert text() == "Waiting for its turn"
    heavy = queue.submit(naps.Nap())
    assert points_of(ctx, {"job": heavy})["status_text"] == "Waiting for its turn"


@pytest.mark.parametrize(("cores", "places"), [(1, 2), (2, 2), (8, 4), (64, 8)])
def test_the_places_follow_the_cores(cores: int, places: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKBENCH_LIGHT_JOBS")
    monkeypatch.setattr(runner_module, "cores", lambda: cores)
    assert light_places() == places


@pytest.mark.parametrize("given", ["0", "-1", "two", "1.5", "²"])
def test_a_number_of_places_that_is_none_is_refused_at_the_start(
    given: str, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_LIGHT_JOBS", given)
    with pytest.raises(UserError, match="WORKBENCH_LIGHT_JOBS"):
        Runner(queue.home, queue)


def test_the_pipe_of_a_spare_that_became_a_job_is_closed_when_it_ended(queue: Queue) -> None:
    runner = Started(queue.home, queue)
    job = queue.submit(naps.Nap())
    spare = ChildProcess([sys.executable, "-c", "print('ready')"])
    runner._children[job], runner._turns[job] = spare, 0
    spare.wait()
    runner._reap([])
    assert not runner._children and not spare._reader.is_alive()
    with pytest.raises(ValueError, match="closed"):
        spare.write("x")
