"""A job whose process is gone says why, as far as that can be known, and how it can go on."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.naps import jobs as naps
from tests.waiting import end_processes_of, until
from workbench.core import oom_kills
from workbench.core.assets import ROOT
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.plugins import VARIABLE
from workbench.core.process import boot, uptime
from workbench.jobs import deaths
from workbench.jobs.deaths import MEMORY, UNEXPLAINED, death_of
from workbench.jobs.events import EventLog, JobState
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner

V1_GROUPS, V2_GROUPS = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
GROUP_BYTES = 400 << 20


@pytest.fixture(autouse=True)
def naps_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    JOBS.all()
    monkeypatch.setitem(JOBS._methods, naps.NapBeside.method, naps.NapBeside)


@pytest.fixture
def queue(own_home: Path) -> Queue:
    return Queue(Home.at(own_home))


def gone(**changes: Any) -> JobState:
    """What the events told of a job whose process is gone."""
    state = JobState(status="running", pid=4321, boot=boot(), started_uptime=uptime() - 5)
    for name, value in changes.items():
        setattr(state, name, value)
    return state


def counted(monkeypatch: pytest.MonkeyPatch, verdict: oom_kills.MemoryVerdict) -> None:
    monkeypatch.setattr(deaths, "memory_verdict", lambda *_: verdict)


def test_what_the_kernel_did_is_said_and_what_is_not_known_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    counted(monkeypatch, oom_kills.MemoryVerdict.CERTAIN)
    certain = death_of(gone(), -9)
    assert certain.cause == MEMORY and certain.error.startswith("Memory ran out: the kernel ended")
    counted(monkeypatch, oom_kills.MemoryVerdict.PROBABLE)
    probable = death_of(gone())
    assert probable.cause == MEMORY and "probably" in probable.error
    counted(monkeypatch, oom_kills.MemoryVerdict.NO)
    outside = death_of(gone(), -9)
    assert outside.cause == "" and "killed from outside" in outside.error
    assert death_of(gone()).error == UNEXPLAINED
    counted(monkeypatch, oom_kills.MemoryVerdict.UNKNOWN)
    assert death_of(gone(), -9).error == death_of(gone()).error == UNEXPLAINED


def test_another_end_is_said_as_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    counted(monkeypatch, oom_kills.MemoryVerdict.NO)
    assert "signal 11" in death_of(gone(), -signal.SIGSEGV).error
    assert "exit code 7" in death_of(gone(), 7).error
    counted(monkeypatch, oom_kills.MemoryVerdict.CERTAIN)
    assert death_of(gone(is_kill_asked=True), -9).error == "Killed, as asked for."
    assert "machine was started again" in death_of(gone(boot="an earlier one")).error


def test_the_counters_at_its_start_and_a_wish_to_kill_it_are_of_that_run_alone() -> None:
    state = JobState()
    for event in (
        {"type": "status", "status": "running", "kill_counters": {"machine": 3}},
        {"type": "kill"},
        {"type": "status", "status": "interrupted", "error": "x", "cause": MEMORY},
    ):
        state.add({"t": 1.0, **event})
    assert (state.kill_counters, state.is_kill_asked, state.cause) == ({"machine": 3}, True, MEMORY)
    state.add({"t": 2.0, "type": "status", "status": "queued", "resume": True})
    state.add({"t": 3.0, "type": "status", "status": "running", "kill_counters": "many"})
    assert (state.kill_counters, state.is_kill_asked, state.cause) == ({}, False, "")


def ended_for_memory(queue: Queue, steps: int = 8) -> str:
    job = queue.submit(naps.NapBeside(steps=steps, crash="kernel"))
    EventLog(queue.get(job).folder / "events.jsonl").status("interrupted", error="Memory ran out.", cause=MEMORY)
    return job


def test_it_is_resumed_in_less_memory_with_what_its_kind_says(queue: Queue) -> None:
    job, elsewhere = ended_for_memory(queue), Queue(queue.home)
    offer = elsewhere.get(job).less_memory
    assert offer and offer.title == "Resume with half the steps"
    queue.resume(job, less_memory=True)
    for view in (queue.get(job), elsewhere.get(job)):  # the other process reads the settings anew as well
        assert isinstance(view.job, naps.NapBeside) and (view.job.steps, view.job.crash) == (4, "")
        assert view.status == "queued" and view.state.resume and view.state.notes == ["4 steps now."]
        assert view.less_memory is None


def test_it_is_not_offered_where_nothing_can_be_smaller_or_memory_was_not_the_cause(queue: Queue) -> None:
    smallest = ended_for_memory(queue, steps=1)
    assert queue.get(smallest).less_memory is None and queue.get(smallest).can_resume
    with pytest.raises(UserError, match="cannot be made smaller"):
        queue.resume(smallest, less_memory=True)
    assert queue.get(smallest).status == "interrupted"
    stopped = queue.submit(naps.NapBeside())
    queue.stop(stopped)
    assert queue.get(stopped).can_resume and queue.get(stopped).less_memory is None


def test_a_killed_worker_is_told_apart_from_one_that_somebody_wanted_killed(
    queue: Queue, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(ROOT / "tests" / "naps" / "plugins"))
    runner = Runner(queue.home, queue, warm=False).start()
    try:
        wanted, outside = (queue.submit(naps.NapBeside(steps=1000)) for _ in range(2))
        for job in (wanted, outside):
            until(lambda job=job: queue.get(job).status == "running")  # type: ignore[misc]
        queue.stop(wanted, "kill")
        os.kill(queue.get(outside).state.pid, signal.SIGKILL)
        for job in (wanted, outside):
            until(lambda job=job: queue.get(job).state.status == "interrupted")  # type: ignore[misc]
        assert queue.get(wanted).error == "Killed, as asked for."
        error = queue.get(outside).error
        assert "killed from outside" in error if oom_kills.kill_counters() else error == UNEXPLAINED
    finally:
        runner.halt()
        end_processes_of(own_home)


@contextmanager
def memory_group() -> Iterator[Path]:
    """A control group of little memory; skips where none can be made."""
    top, limit = (V1_GROUPS, "memory.limit_in_bytes") if V1_GROUPS.is_dir() else (V2_GROUPS, "memory.max")
    group = top / f"test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error.strerror}")
    try:
        if not (group / limit).exists():
            pytest.skip("control groups do not limit memory here")
        (group / limit).write_text(str(GROUP_BYTES))
        yield group
    finally:
        group.rmdir()


def test_a_worker_that_the_kernel_really_ends_says_so_and_how_to_go_on(
    queue: Queue, own_home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "job.yaml"
    file.write_text("method: nap-beside\nsteps: 4\ncrash: kernel\n")
    environment = {**os.environ, "WORKBENCH_HOME": str(own_home), VARIABLE: str(ROOT / "tests" / "naps" / "plugins")}
    with memory_group() as group:
        join = f"import os; open({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))"
        program = f"{join}; import sys; from workbench.__main__ import main; sys.exit(main(sys.argv[1:]))"
        command = [sys.executable, "-c", program, "submit", str(file), "--wait"]
        ended = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
        )  # fmt: skip
        (row,) = queue.all()
        view = queue.get(row.id)
        until(lambda: not (group / "cgroup.procs").read_text())
    assert ended.returncode == 1 and "Memory ran out: the kernel ended the worker" in ended.stderr, ended.stderr
    assert f"Resume with half the steps (`job resume {view.id} --less-memory`): shorter." in ended.stderr
    assert (view.state.status, view.state.cause) == ("interrupted", MEMORY)
