"""Events, queue, runner and worker, with jobs that only sleep (tests/naps) in real processes."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import filelock
import psutil
import pytest

from tests.naps import jobs as naps
from tests.waiting import end_processes_of, processes_of, until
from workbench.core.assets import ROOT
from workbench.core.errors import SEE_LOG, UserError
from workbench.core.home import Home
from workbench.core.plugins import VARIABLE
from workbench.jobs.events import EventLog, JobState
from workbench.jobs.job import JOBS, STOP_FILE, Job
from workbench.jobs.queue import Queue, job_result
from workbench.jobs.runner import Runner, _spawn
from workbench.jobs.view import JobRecord
from workbench.jobs.worker import execute_job


@pytest.fixture(autouse=True)
def naps_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process they are kinds of job only while these tests run."""
    JOBS.all()  # before the plugins of the worker processes are named
    for nap in (naps.Nap, naps.NapBeside):
        monkeypatch.setitem(JOBS._methods, nap.method, nap)


@pytest.fixture
def home(own_home: Path) -> Home:
    return Home.at(own_home)


@pytest.fixture
def queue(home: Home) -> Queue:
    return Queue(home)


@pytest.fixture
def naps_known(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> Iterator[None]:
    """Worker processes know the naps; none outlives the test."""
    monkeypatch.setenv(VARIABLE, str(ROOT / "tests" / "naps" / "plugins"))
    yield
    end_processes_of(own_home)


@pytest.fixture
def runner(home: Home, naps_known: None) -> Iterator[Runner]:
    made = Runner(home, warm=False).start()
    yield made
    made.halt()


@pytest.fixture
def sigterm() -> Iterator[None]:
    """A job carried out in this process takes SIGTERM; the test gives it back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def folded(*events: dict[str, object]) -> JobState:
    state = JobState()
    for at, event in enumerate(events):
        state.add({"t": float(at), **event})
    return state


def ended(queue: Queue, job: str) -> JobRecord:
    return until(lambda: view if (view := queue.get(job)).final else None, what=f"the end of {job}")


def runs(queue: Queue, job: str) -> JobRecord:
    return until(lambda: view if (view := queue.get(job)).state.points else None, what=f"a step of {job}")


def long_nap(method: type[Job] = naps.Nap) -> Job:
    return method(steps=2000, pause=0.05)  # type: ignore[call-arg]


def statuses(view: JobRecord) -> list[str]:
    return [event["status"] for event in EventLog(view.folder / "events.jsonl").read()[0] if event["type"] == "status"]


# ---- EventLog ----------------------------------------------------------------------------------------------


def test_events_are_read_from_where_one_stopped(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    assert log.read() == ([], 0)
    log.status("queued")
    first, offset = log.read()
    log.append("note", text="ä\nb")
    second, end = log.read(offset)
    assert [first[0]["status"], second[0]["text"]] == ["queued", "ä\nb"]
    assert log.read(end) == ([], end)


def test_a_line_in_the_making_is_left_for_the_next_look(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    log.status("running")
    with log.path.open("ab") as file:
        file.write(b'{"t": 1, "type": "note", "te')
    events, offset = log.read()
    with log.path.open("ab") as file:
        file.write(b'xt": "whole"}\n')
    assert len(events) == 1
    assert log.read(offset)[0] == [{"t": 1, "type": "note", "text": "whole"}]


@pytest.mark.parametrize("torn", [b'{"t": 1, "type": "no', b'{"text": "\xc3', b"\0\0\0", b"[1]\n", b"{}\n", b"\n\n"])
def test_a_torn_line_costs_only_itself(torn: bytes, tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    log.status("running")
    with log.path.open("ab") as file:
        file.write(torn)
    log.status("done")
    assert [event["status"] for event in log.read()[0]] == ["running", "done"]


def test_numbers_that_json_has_not_become_none(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    log.append("metrics", step=1, loss=float("nan"), more={"a": [float("inf"), 1.5]})
    assert log.read()[0][0]["loss"] is None and log.read()[0][0]["more"] == {"a": [None, 1.5]}


# ---- JobState -------------------------------------------------------------------------------------------------


def test_a_story_tells_how_a_job_went() -> None:
    state = folded(
        {"type": "status", "status": "queued"},
        {"type": "status", "status": "running", "pid": 7, "process_started": 1.5},
        {"type": "metrics", "step": 1, "loss": 2.0},
        {"type": "of a later version"},
        {"type": "status", "status": "done", "result": {"model": "m"}},
    )
    assert (state.status, state.pid, state.started_at, state.ended_at) == ("done", 7, 1.0, 4.0)
    assert (state.points, state.result) == ([{"step": 1, "loss": 2.0}], {"model": "m"})


def test_a_rewind_drops_what_will_be_done_again() -> None:
    steps = [{"type": "metrics", "step": step} for step in (1, 2, 3, 4)]
    state = folded(*steps, {"type": "rewind", "step": 2}, {"type": "metrics", "step": 3})
    assert [point["step"] for point in state.points] == [1, 2, 3] and state.generation == 1


def test_a_rewind_to_where_it_is_changes_nothing() -> None:
    state = folded({"type": "metrics", "step": 1}, {"type": "rewind", "step": 1})
    assert len(state.points) == 1 and state.generation == 0


def test_a_resumed_job_forgets_its_error_and_keeps_its_points() -> None:
    failed = {"type": "status", "status": "failed", "error": "No.", "remedy": "Yes."}
    state = folded({"type": "metrics", "step": 1}, failed, {"type": "status", "status": "queued", "resume": True})
    assert (state.status, state.error, state.remedy, state.resume, len(state.points)) == ("queued", "", "", True, 1)


def test_the_time_left_follows_the_pace() -> None:
    state = folded({"type": "status", "status": "running"})
    now = time.time()
    for done in (0, 10, 20):
        state.add({"t": now - 20 + done, "type": "progress", "done": done, "total": 100, "text": ""})
    assert state.eta() == pytest.approx(80, abs=1)


def test_the_time_left_of_the_next_piece_of_work_follows_its_own_pace() -> None:
    """Encoding counts rows, training counts steps: the rows say nothing of the steps."""
    state = folded({"type": "status", "status": "running"})
    now = time.time()
    for at, done in ((-60, 0), (-50, 5000), (-20, 0), (-10, 1), (0, 2)):
        state.add({"t": now + at, "type": "progress", "done": done, "total": 10, "text": ""})
    assert state.eta() == pytest.approx(80, abs=1)


def test_the_time_left_is_unknown_without_a_pace() -> None:
    running = {"type": "status", "status": "running"}
    still = {"type": "progress", "done": 1, "total": 10, "text": ""}
    waiting = {"type": "progress", "done": None, "total": None, "text": "Waiting"}
    assert folded(running, still).eta() is None
    assert folded(running, still, still).eta() is None
    assert folded(running, still, waiting).eta() is None
    assert folded(running, still, {**still, "done": 2}, {"type": "status", "status": "done"}).eta() is None


# ---- Queue -------------------------------------------------------------------------------------------------


def test_a_submitted_job_is_a_folder_that_any_process_reads(queue: Queue, home: Home) -> None:
    job = queue.submit(naps.Nap(steps=7))
    view = Queue(home).get(job)
    assert (view.status, view.job, view.label) == ("queued", naps.Nap(steps=7), "Nap")
    assert [path.name for path in home.jobs.iterdir()] == [job]


def test_a_job_that_would_fail_is_refused_with_every_reason(queue: Queue, home: Home) -> None:
    from workbench.training.jobs.train import Train

    with pytest.raises(UserError) as caught:
        queue.submit(Train(model="none", dataset="nothing"))
    assert "There is no model 'none'" in str(caught.value) and "There is no dataset 'nothing'" in str(caught.value)
    assert list(home.jobs.iterdir()) == []


def test_a_queued_job_is_stopped_at_once_and_resumed(queue: Queue) -> None:
    job = queue.submit(naps.Nap())
    assert "queue" in queue.stop(job)
    assert queue.get(job).status == "stopped"
    queue.resume(job)
    assert queue.get(job).status == "queued" and queue.get(job).state.resume


def test_jobs_are_listed_in_the_order_they_came(queue: Queue) -> None:
    jobs = [queue.submit(naps.Nap()) for _ in range(3)]
    assert [view.id for view in queue.all()] == sorted(jobs) and len(queue.live()) == 3


def test_what_cannot_be_asked_of_a_job_is_refused(queue: Queue) -> None:
    job = queue.submit(naps.Nap())
    with pytest.raises(UserError, match="can be resumed"):
        queue.resume(job)
    with pytest.raises(UserError, match="no way of stopping"):
        queue.stop(job, "gently")
    queue.stop(job)
    with pytest.raises(UserError, match="not running"):
        queue.stop(job)
    with pytest.raises(UserError, match="is stopped"):
        job_result(queue, job)


@pytest.mark.parametrize("job", ["nothing", "../models", "", "..", ".device.lock"])
def test_a_job_that_is_not_there_is_said_so(job: str, queue: Queue) -> None:
    with pytest.raises(UserError):
        queue.get(job)


def test_a_running_job_is_not_deleted(queue: Queue) -> None:
    job = queue.submit(naps.Nap(), here=True)
    with pytest.raises(UserError, match="Stop it first"):
        queue.delete(job)
    assert queue.get(job).status == "running"


def test_a_deleted_job_is_gone(queue: Queue, home: Home) -> None:
    queue.delete(queue.submit(naps.Nap()))
    assert queue.all() == [] and [path.name for path in home.jobs.iterdir()] == [".bin"]


def test_a_job_whose_process_is_gone_reads_interrupted(queue: Queue) -> None:
    view = queue.get(queue.submit(naps.Nap()))
    log = EventLog(view.folder / "events.jsonl")
    log.status("running", pid=os.getpid(), process_started=psutil.Process().create_time() - 999)
    assert queue.get(view.id).status == "interrupted" and queue.get(view.id).can_resume


def test_an_end_told_just_before_the_process_left_counts(queue: Queue) -> None:
    view = queue.get(queue.submit(naps.Nap()))
    log = EventLog(view.folder / "events.jsonl")
    log.status("running", pid=2**22 + 1, process_started=0.0)
    view.refresh()
    log.status("done", result={"slept": 1})
    assert view.status == "done" and view.state.result == {"slept": 1}


def test_two_threads_that_look_at_once_see_every_event_once(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    view = queue.get(queue.submit(naps.Nap()))
    EventLog(view.folder / "events.jsonl").append("metrics", step=1)
    read, together = EventLog.read, threading.Barrier(2)

    def slow_read(self: EventLog, offset: int = 0) -> object:
        found = read(self, offset)
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait(0.2)
        return found

    monkeypatch.setattr(EventLog, "read", slow_read)
    threads = [threading.Thread(target=view.refresh) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert view.state.points == [{"step": 1}]


def test_the_log_is_read_page_by_page(queue: Queue) -> None:
    view = queue.get(queue.submit(naps.Nap()))
    assert queue.log(view.id) == ("", 0)
    (view.folder / "log.txt").write_bytes(b"one\ntwo\n")
    text, offset = queue.log(view.id)
    with (view.folder / "log.txt").open("ab") as file:
        file.write(b"three\n")
    assert (text, queue.log(view.id, offset)[0]) == ("one\ntwo\n", "three\n")
    assert queue.log(view.id, limit=6) == ("three\n", 14)
    assert queue.log(view.id, 14) == ("", 14)


# ---- execute_job ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("crash", "says"), [("memory", "Out of memory"), ("disk", "The disk is full"), ("code", "ZeroDivisionError")]
)
def test_a_job_that_fails_says_why_and_what_to_do(
    crash: str, says: str, queue: Queue, home: Home, sigterm: None
) -> None:
    view = queue.get(queue.submit(naps.Nap(steps=1, crash=crash)))
    assert execute_job(home, view.folder) == "failed"
    assert says in view.refresh().state.error and view.state.remedy and view.can_resume


def test_a_job_another_worker_holds_is_left_alone(queue: Queue, home: Home, naps_known: None) -> None:
    import filelock

    view = queue.get(queue.submit(naps.Nap()))
    with filelock.FileLock(view.folder / ".lock"):
        assert execute_job(home, view.folder) == "taken"
    assert statuses(view) == ["queued"]


def test_a_job_stopped_before_it_began_does_not_begin(queue: Queue, home: Home, sigterm: None) -> None:
    job = queue.submit(naps.Nap())
    queue.stop(job)
    assert execute_job(home, queue.get(job).folder) == "taken"
    assert statuses(queue.get(job)) == ["queued", "stopped"]


# ---- Runner ------------------------------------------------------------------------------------------------


def test_a_job_runs_as_a_process_of_its_own_session(runner: Runner, queue: Queue) -> None:
    view = runs(queue, queue.submit(long_nap()))
    pid = view.state.pid
    assert pid != os.getpid() and os.getsid(pid) == pid
    queue.stop(view.id)
    assert ended(queue, view.id).status == "stopped"


def test_a_job_goes_its_way_from_queued_to_done(runner: Runner, queue: Queue) -> None:
    view = ended(queue, queue.submit(naps.Nap(steps=3)))
    assert statuses(view) == ["queued", "running", "done"]
    assert job_result(queue, view.id) == {"slept": 3}
    assert [point["step"] for point in view.state.points] == [1, 2, 3]
    assert "slept 3" in queue.log(view.id)[0]


def test_the_device_takes_one_job_after_another_and_the_rest_runs_beside(runner: Runner, queue: Queue) -> None:
    first, second, beside = (queue.submit(job) for job in (long_nap(), naps.Nap(), naps.NapBeside()))
    runs(queue, first)
    assert ended(queue, beside).status == "done"
    assert queue.get(first).status == "running" and queue.get(second).status == "queued"
    queue.stop(first)
    assert ended(queue, second).state.started_at >= ended(queue, first).state.ended_at


@pytest.mark.parametrize("how", ["by the queue", "by its stop file", "by a signal"])
def test_a_worker_that_waits_for_the_device_sees_a_stop(how: str, home: Home, queue: Queue, naps_known: None) -> None:
    device = filelock.FileLock(home.jobs / ".device.lock")
    with device:
        view = queue.get(queue.submit(naps.Nap()))
        worker = _spawn(home, str(view.folder))
        until(lambda: view.refresh().state.progress.get("text") == "Waiting for the device")
        asked = time.monotonic()
        if how == "by the queue":
            queue.stop(view.id)
        elif how == "by its stop file":
            (view.folder / STOP_FILE).write_text("keep")
        else:
            os.kill(worker.pid, signal.SIGTERM)
        worker.wait(10)
        assert time.monotonic() - asked < 5  # a quarter of a second when the machine is at rest
    assert statuses(view) == ["queued", "stopped"] and not view.state.points


def test_what_keeps_a_worker_from_starting_is_in_the_log(
    home: Home, queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "filelock.py").write_text("raise ImportError('no locks on this machine')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    view = queue.get(queue.submit(naps.Nap()))
    runner = Runner(home, warm=False)
    until(lambda: (runner.step(), view.refresh().final)[1], what="the failure")
    assert "could not start" in view.state.error and view.state.remedy == SEE_LOG
    assert "no locks on this machine" in queue.log(view.id)[0]


def test_stop_and_keep_keeps_and_stop_and_discard_does_not(runner: Runner, queue: Queue) -> None:
    for how, kept in (("keep", True), ("discard", False)):
        view = runs(queue, queue.submit(long_nap()))
        queue.stop(view.id, how)
        assert ended(queue, view.id).status == "stopped"
        assert bool(view.state.result) is kept and view.can_resume


def test_a_killed_job_is_interrupted_and_can_be_resumed(runner: Runner, queue: Queue) -> None:
    view = runs(queue, queue.submit(naps.NapBeside(steps=20, pause=0.05)))
    queue.stop(view.id, "kill")
    until(lambda: queue.get(view.id).state.status == "interrupted")
    assert view.state.error == "Killed, as asked for." and "Resume" in view.state.remedy
    queue.resume(view.id)
    assert ended(queue, view.id).status == "done"


def test_a_job_resumed_before_its_death_was_noticed_starts_again(home: Home, queue: Queue, naps_known: None) -> None:
    view = queue.get(queue.submit(naps.Nap(steps=40, pause=0.05)))
    runner = Runner(home, warm=False)
    runner.step()
    os.kill(runs(queue, view.id).state.pid, signal.SIGKILL)
    until(lambda: view.status == "interrupted", what="its death")
    queue.resume(view.id)
    until(lambda: (runner.step(), view.refresh().final)[1], what="its end")
    assert statuses(view) == ["queued", "running", "queued", "running", "done"]


def test_a_corrupt_job_reads_failed_with_the_reason_and_is_not_started(home: Home, queue: Queue) -> None:
    job = queue.submit(naps.Nap())
    (home.jobs / job / "job.yaml").write_text("method: [")
    runner = Runner(home, warm=False)
    for _ in range(3):
        runner.step()
    view = Queue(home).get(job)
    assert view.status == "failed" and "not valid YAML" in view.error
    assert not runner._children


def test_a_worker_that_cannot_start_is_not_started_for_ever(home: Home, queue: Queue) -> None:
    """A folder in the log's place ends the worker before it can say a word."""
    view = queue.get(queue.submit(naps.Nap()))
    (view.folder / "log.txt").mkdir()
    runner = Runner(home, warm=False)
    until(lambda: (runner.step(), view.refresh().final)[1], what="the failure")
    runner.step()
    assert statuses(view) == ["queued", "failed"] and "could not start" in view.state.error
    assert not runner._children


def test_two_runners_on_one_home_start_a_job_once(home: Home, runner: Runner, queue: Queue) -> None:
    other = Runner(home, warm=False).start()
    with contextlib.closing(contextlib.ExitStack()) as after:
        after.callback(other.halt)
        jobs = [queue.submit(naps.NapBeside(steps=1)) for _ in range(3)]
        for job in jobs:
            assert statuses(ended(queue, job)) == ["queued", "running", "done"]
            assert queue.log(job)[0].count(" starts ") == 1


def test_a_job_outlives_its_runner_and_the_next_one_sees_its_end(home: Home, runner: Runner, queue: Queue) -> None:
    view = runs(queue, queue.submit(naps.Nap(steps=30, pause=0.05)))
    later = queue.submit(naps.Nap(steps=1))
    runner.halt()
    assert view.refresh().status == "running"
    successor = Runner(home, warm=False).start()
    assert ended(queue, later).status == "done"
    successor.halt()
    assert statuses(view.refresh()) == ["queued", "running", "done"]
    assert [point["step"] for point in view.state.points] == list(range(1, 31))


def test_a_runner_takes_over_when_the_other_ends(home: Home, runner: Runner, queue: Queue) -> None:
    until(lambda: runner._lock.is_locked or not runner._is_mine(), what="the first runner's lock")
    successor = Runner(home, warm=False).start()
    runner.halt()
    assert ended(queue, queue.submit(naps.NapBeside(steps=1))).status == "done"
    successor.halt()


def test_a_halted_runner_leaves_no_idle_process(home: Home, naps_known: None, own_home: Path) -> None:
    runner = Runner(home, warm=True).start()
    until(lambda: runner.is_warm, what="the spare")
    runner.halt()
    assert list(processes_of(own_home)) == []


def test_what_died_half_made_is_swept_when_a_runner_begins(home: Home, runner: Runner) -> None:
    runner.halt()
    litter = home.models / f".partial-model-{2**22 + 1}-00aa"
    litter.mkdir()
    successor = Runner(home, warm=False).start()
    until(lambda: not litter.exists(), 10, "the sweep")
    successor.halt()
