"""A full or read-only disk: what is not done is said with the reason, and nothing reads as done that is not."""

import errno
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.naps import jobs as naps
from tests.small_disk import SmallDisk, small_disk
from tests.waiting import until
from workbench.core.errors import UserError, explain
from workbench.core.home import Home
from workbench.jobs import worker
from workbench.jobs.events import EventLog
from workbench.jobs.job import JOBS, JobContext
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner
from workbench.jobs.worker import execute_job


@pytest.fixture(autouse=True)
def naps_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(JOBS._methods, naps.Nap.method, naps.Nap)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # a job carried out here would take this process's SIGTERM


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as made:
        yield made


@pytest.fixture
def queue(disk: SmallDisk) -> Queue:
    return Queue(Home.at(disk.path / "home"))


def refusing(number: int) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number), "/the/file")

    return refuse


# ---- a full disk -----------------------------------------------------------------------------------------------


def test_a_full_disk_refuses_a_new_job_and_leaves_nothing_behind(disk: SmallDisk, queue: Queue) -> None:
    disk.fill()
    with pytest.raises(UserError, match="The job was not queued: The disk is full") as caught:
        queue.submit(naps.Nap())
    assert "Free some space" in caught.value.remedy
    assert queue.all() == [] and list(queue.home.jobs.iterdir()) == []
    disk.free()
    assert queue.get(queue.submit(naps.Nap())).status == "queued"


def test_on_a_full_disk_nothing_is_stopped_that_goes_on(disk: SmallDisk, queue: Queue) -> None:
    running, waiting = queue.submit(naps.Nap(), here=True), queue.submit(naps.Nap())
    pad_to_a_page(queue.home.jobs / waiting / "events.jsonl")
    disk.fill()
    with pytest.raises(UserError, match="was not asked to stop: The disk is full") as caught:
        queue.stop(running)
    assert "Kill now" in caught.value.remedy
    with pytest.raises(UserError, match="was not taken out of the queue: The disk is full"):
        queue.stop(waiting)
    assert [view.status for view in Queue(queue.home).live()] == ["running", "queued"]


def test_on_a_full_disk_a_job_is_not_resumed_and_can_be_deleted(disk: SmallDisk, queue: Queue) -> None:
    job = queue.submit(naps.Nap())
    queue.stop(job)
    pad_to_a_page(queue.home.jobs / job / "events.jsonl")
    disk.fill()
    with pytest.raises(UserError, match="was not resumed: The disk is full"):
        queue.resume(job)
    assert Queue(queue.home).get(job).status == "stopped"
    queue.delete(job)
    assert queue.all() == []


def test_a_job_that_runs_into_a_full_disk_fails_with_the_reason_as_soon_as_there_is_room(
    disk: SmallDisk, queue: Queue
) -> None:
    view = queue.get(queue.submit(naps.Nap(steps=2000, pause=0)))
    disk.fill()
    ended: list[str] = []
    thread = threading.Thread(target=lambda: ended.append(execute_job(queue.home, view.folder)))
    thread.start()
    until(lambda: not thread.is_alive() or len(view.refresh().state.points) > 0, what="a step or an end")
    thread.join(2)
    assert thread.is_alive() and view.refresh().status in ("queued", "running")  # it cannot say so yet, and waits
    disk.free()
    thread.join(30)
    assert ended == ["failed"] and view.refresh().state.error.startswith("The disk is full")


def pad_to_a_page(events: Path) -> None:
    """Fills the last block of the file, in which there would be room left, with lines that say nothing."""
    size = events.stat().st_size
    with events.open("ab") as file:
        file.write(b"\n" * (-size % os.sysconf("SC_PAGESIZE")))


# ---- the end of a job that cannot be written yet -----------------------------------------------------------------


@pytest.fixture
def plain(own_home: Path) -> Queue:
    return Queue(Home.at(own_home))


@pytest.mark.parametrize(("crash", "status"), [("", "done"), ("memory", "failed")], ids=["a result", "a failure"])
def test_an_end_that_cannot_be_written_is_written_later(
    crash: str, status: str, plain: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, write, tries = plain.get(plain.submit(naps.Nap(steps=1, pause=0, crash=crash))), EventLog.status, []

    def full_at_first(self: EventLog, status: str, **data: Any) -> None:
        if status in ("done", "failed") and len(tries) < 3:
            tries.append(status)
            assert view.refresh().status == "running"  # and never done
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, status, **data)

    monkeypatch.setattr(EventLog, "status", full_at_first)
    monkeypatch.setattr(worker.time, "sleep", lambda _: None)
    assert execute_job(plain.home, view.folder) == status
    assert tries == [status] * 3 and view.refresh().status == status


def test_waiting_for_room_ends(plain: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    view = plain.get(plain.submit(naps.Nap(steps=1, pause=0, crash="code")))
    monkeypatch.setattr(worker, "PATIENCE_SECONDS", -1.0)
    monkeypatch.setattr(worker.EventLog, "status", refusing(errno.ENOSPC))
    assert execute_job(plain.home, view.folder) == "failed"
    assert view.refresh().state.status == "queued"


def test_a_signal_stops_a_job_that_can_write_no_file(own_home: Path) -> None:
    home = Home.at(own_home)
    ctx = JobContext(home, home.jobs)
    assert ctx.stop_requested() == ""
    ctx.stop_asked = "keep"
    assert ctx.stop_requested() == "keep"


# ---- a disk that can only be read --------------------------------------------------------------------------------


def test_a_read_only_home_is_read_and_refuses_the_rest_with_the_reason(disk: SmallDisk, queue: Queue) -> None:
    job = queue.submit(naps.Nap())
    queue.stop(job)
    disk.read_only()
    home = Home.at(queue.home.root)
    reader = Queue(home)
    assert [row.status for row in reader.all()] == ["stopped"]
    for refused in (lambda: reader.submit(naps.Nap()), lambda: reader.resume(job), lambda: reader.delete(job)):
        with pytest.raises(UserError, match=r"was not (queued|resumed|deleted): The disk can only be read"):
            refused()
    assert [row.status for row in reader.all()] == ["stopped"]


def test_a_runner_on_a_read_only_home_says_so_once(
    disk: SmallDisk, queue: Queue, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.submit(naps.Nap())
    disk.read_only()
    runner, looks = Runner(queue.home, queue, warm=False), []
    monkeypatch.setattr(runner._halt, "wait", lambda _: len(looks) > 10 or bool(looks.append(1)))
    runner._loop()
    (record,) = [record for record in caplog.records if record.name == "workbench.jobs.runner"]
    assert "The disk can only be read" in record.getMessage()


# ---- what the system says ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "The disk is full (/the/file)."),
        (errno.EDQUOT, "The disk is full (/the/file)."),
        (errno.EROFS, "The disk can only be read (/the/file)."),
        (errno.EFBIG, "The file would be larger than is allowed here (/the/file)."),
        (errno.EIO, "The disk reports an error (/the/file)."),
    ],
)
def test_the_reason_of_the_system_is_told_with_a_remedy(number: int, says: str) -> None:
    found = explain(OSError(number, os.strerror(number), "/the/file"))
    assert found.message == says and found.remedy
