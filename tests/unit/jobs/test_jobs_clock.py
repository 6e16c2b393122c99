"""A step of the clock, forwards or back, changes nothing: what runs is running, can be stopped, and keeps its turn."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.naps import jobs as naps
from workbench.core import process
from workbench.core.home import Home
from workbench.jobs.events import EventLog, JobState
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner

HOUR = 3600.0
linux = pytest.mark.skipif(not process.boot(), reason="this system does not tell its boots apart")
steps = pytest.mark.parametrize("seconds", [HOUR, -HOUR, 3.0], ids=["forwards", "back", "a little"])


@pytest.fixture(autouse=True)
def naps_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(JOBS._methods, naps.Nap.method, naps.Nap)


@pytest.fixture
def queue(own_home: Path) -> Queue:
    return Queue(Home.at(own_home))


@pytest.fixture
def step_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the clock on by so many seconds; on Linux the start times psutil tells move with it."""
    real, started = time.time, psutil.Process.create_time

    def step(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + seconds)
        monkeypatch.setattr(psutil.Process, "create_time", lambda self: started(self) + seconds)

    return step


@linux
@steps
def test_a_running_job_stays_running_and_can_be_stopped(
    queue: Queue, step_clock: Callable[[float], None], seconds: float
) -> None:
    job = queue.submit(naps.Nap(), here=True)
    step_clock(seconds)
    assert queue.get(job).status == "running" and [view.id for view in queue.live()] == [job]
    Runner(queue.home, queue, warm=False).step()
    assert queue.get(job).state.status == "running"
    assert "Stopping" in queue.stop(job)
    assert (queue.get(job).folder / "stop").read_text() == "keep"


@linux
@steps
def test_how_long_a_job_runs_and_has_left_is_told_by_a_clock_nobody_sets(
    queue: Queue, step_clock: Callable[[float], None], seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = queue.submit(naps.Nap(), here=True)
    log, start = EventLog(queue.get(job).folder / "events.jsonl"), process.uptime()
    for second, done in ((0, 0), (10, 10), (20, 20)):
        monkeypatch.setattr("workbench.jobs.events.uptime", lambda at=start + second: at)
        if second == 10:
            step_clock(seconds)
        log.append("progress", done=done, total=100, text="")
    state = queue.get(job).state
    assert state.elapsed() == pytest.approx(20, abs=2) and state.eta() == pytest.approx(80, abs=2)
    log.status("done")
    assert queue.get(job).state.elapsed() == pytest.approx(20, abs=2)
    assert queue.all()[-1].seconds == pytest.approx(20, abs=2)


@steps
def test_jobs_keep_their_order(queue: Queue, step_clock: Callable[[float], None], seconds: float) -> None:
    first, second = queue.submit(naps.Nap()), queue.submit(naps.Nap())
    step_clock(seconds)
    third = queue.submit(naps.Nap())
    step_clock(0)
    fourth = queue.submit(naps.Nap())
    jobs = [first, second, third, fourth]
    assert jobs == sorted(jobs) and [row.id for row in queue.all()] == jobs
    assert sorted(queue.live(), key=lambda view: view.state.turn) == queue.live()


def test_a_resumed_job_waits_behind_those_that_waited_before(queue: Queue, step_clock: Callable[[float], None]) -> None:
    first, second = queue.submit(naps.Nap()), queue.submit(naps.Nap())
    queue.stop(first)
    step_clock(-HOUR)
    queue.resume(first)
    turns = {view.id: view.state.turn for view in queue.live()}
    assert turns[first] > turns[second]


@pytest.mark.parametrize("name", ["zzz", "99991231-235959-999-nap-ffff", "20269999-999999-999-nap-ffff"])
def test_folders_that_no_clock_named_do_not_disturb_the_order(name: str, queue: Queue) -> None:
    (queue.home.jobs / name).mkdir()
    (queue.home.jobs / name / "job.yaml").write_text("method: nap\n")
    first, second = queue.submit(naps.Nap()), queue.submit(naps.Nap())
    assert first < second and first[:4] == str(time.localtime().tm_year)


# ---- which process ---------------------------------------------------------------------------------------------


@linux
def test_a_pid_used_again_is_another_process() -> None:
    own = process.identity(os.getpid())
    assert process.alive(os.getpid(), 0.0, own)
    boot, ticks = own.split("/")
    assert not process.alive(os.getpid(), 0.0, f"{boot}/{int(ticks) + 1}")
    assert not process.alive(os.getpid(), psutil.Process().create_time(), f"another-boot/{ticks}")
    assert not process.alive(2**22 + 1, 0.0, own)


@linux
def test_a_zombie_is_not_alive() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    try:
        while Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            time.sleep(0.01)
        assert process.identity(child) == ""
    finally:
        os.waitpid(child, 0)


def test_events_of_an_older_version_tell_their_process_by_its_start(queue: Queue) -> None:
    view = queue.get(queue.submit(naps.Nap()))
    started = psutil.Process().create_time()
    EventLog(view.folder / "events.jsonl").append("status", status="running", pid=os.getpid(), process_started=started)
    assert queue.get(view.id).status == "running"


def test_events_of_an_older_version_are_timed_by_their_clock() -> None:
    state = JobState()
    for event in (
        {"t": 1.0, "type": "status", "status": "queued"},
        {"t": 5.0, "type": "status", "status": "running", "pid": 1, "process_started": 1.0},
        {"t": 9.0, "type": "status", "status": "done"},
    ):
        state.add(event)
    assert (state.turn, state.elapsed()) == (1000, 4.0)


def test_a_job_that_another_boot_ended_is_timed_by_the_clock() -> None:
    state = JobState()
    for event in (
        {"t": 5.0, "m": 100.0, "boot": "one", "type": "status", "status": "running", "pid": 1},
        {"t": 65.0, "m": 3.0, "boot": "two", "type": "status", "status": "interrupted"},
    ):
        state.add(event)
    assert state.elapsed() == 60.0
