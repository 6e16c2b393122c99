"""The list of jobs: what ended is read once, what goes on is followed, and nothing depends on the index on the disk."""

import json
import os
import sqlite3
from pathlib import Path

import pytest

from tests.naps import jobs as naps
from workbench.core.home import Home
from workbench.jobs import listing
from workbench.jobs.events import EventLog
from workbench.jobs.index import JobIndex
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue


@pytest.fixture(autouse=True)
def naps_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(JOBS._methods, naps.Nap.method, naps.Nap)


@pytest.fixture
def home(own_home: Path) -> Home:
    return Home.at(own_home)


@pytest.fixture
def read_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders whose events were read, in order."""
    folders: list[str] = []
    read = EventLog.read

    def counted(self: EventLog, offset: int = 0) -> object:
        folders.append(self.path.parent.name)
        return read(self, offset)

    monkeypatch.setattr(EventLog, "read", counted)
    return folders


def ended_jobs(home: Home, count: int) -> list[str]:
    """Folders of jobs that ended long ago, as an older version wrote them."""
    names = [f"20250101-000000-{number:03}-nap-{number:04x}" for number in range(count)]
    for number, name in enumerate(names):
        folder = home.jobs / name
        folder.mkdir()
        (folder / "job.yaml").write_text("method: nap\nsteps: 3\n")
        running = {"t": 2.0, "type": "status", "status": "running", "pid": 1, "process_started": 1.0}
        done = {"t": 5.0, "type": "status", "status": "done", "result": {"model": f"made-{number}"}}
        events = [{"t": 1.0, "type": "status", "status": "queued"}, running, done]
        (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return names


def end(queue: Queue, job: str, status: str = "done") -> None:
    EventLog(queue.get(job).folder / "events.jsonl").status(status)


def test_a_look_at_ended_jobs_reads_no_file(home: Home, read_files: list[str]) -> None:
    names = ended_jobs(home, 300)
    queue = Queue(home)
    assert [row.id for row in queue.all()] == names
    assert sorted(read_files) == names  # each once
    read_files.clear()
    before = queue.revision
    for _ in range(5):
        rows = queue.all()
    assert read_files == [] and len(rows) == 300 and queue.revision == before
    assert (rows[7].status, rows[7].result, rows[7].seconds, rows[7].title) == ("done", "made-7", 3.0, "Nap")


def test_a_look_reads_only_the_jobs_that_go_on(home: Home, read_files: list[str]) -> None:
    ended_jobs(home, 50)
    queue = Queue(home)
    live = queue.submit(naps.Nap(), here=True)
    queue.all()
    read_files.clear()
    assert queue.all()[-1].status == "running"
    assert set(read_files) == {live}


def test_a_job_that_ends_is_listed_as_ended_and_followed_no_more(home: Home, read_files: list[str]) -> None:
    queue = Queue(home)
    job = queue.submit(naps.Nap())
    assert [row.status for row in queue.all()] == ["queued"]
    before = queue.revision
    end(queue, job)
    assert [row.status for row in queue.all()] == ["done"] and queue.revision > before and queue.live() == []
    read_files.clear()
    queue.all()
    assert read_files == []


def test_a_job_resumed_by_another_process_is_followed_again(home: Home) -> None:
    ended_jobs(home, 20)
    queue, other = Queue(home), Queue(home)
    job = queue.submit(naps.Nap())
    queue.stop(job)
    assert queue.all()[-1].status == "stopped"
    other.resume(job)
    assert queue.all()[-1].status == "queued" and [view.id for view in queue.live()] == [job]


def test_jobs_beyond_those_looked_at_again_are_found_in_their_turn(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "RECHECKED_JOBS", 3)
    names = ended_jobs(home, 20)
    queue = Queue(home)
    queue.all()
    EventLog(home.jobs / names[11] / "events.jsonl").status("queued", resume=True)
    looks = [[view.id for view in queue.live()] for _ in range(7)]
    assert looks[-1] == [names[11]]


def test_jobs_that_come_and_go_in_another_process_are_noticed(home: Home) -> None:
    queue, other = Queue(home), Queue(home)
    first, second = other.submit(naps.Nap()), other.submit(naps.Nap())
    assert [row.id for row in queue.all()] == [first, second]
    other.delete(first)
    assert [row.id for row in queue.all()] == [second]


def test_stories_of_ended_jobs_are_not_held_in_memory(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.jobs.queue.MOST_VIEWS", 5)
    ended_jobs(home, 40)
    queue = Queue(home)
    queue.all()
    assert len(queue._views) == 5


# ---- the index -----------------------------------------------------------------------------------------------


def test_a_new_process_reads_ended_jobs_from_the_index(home: Home, read_files: list[str]) -> None:
    ended_jobs(home, listing.UNSAVED_JOBS)
    rows = Queue(home).all()
    read_files.clear()
    assert Queue(home).all() == rows
    assert read_files == []


def test_a_job_that_changed_since_it_was_indexed_is_read_again(home: Home) -> None:
    names = ended_jobs(home, listing.UNSAVED_JOBS)
    Queue(home).all()
    EventLog(home.jobs / names[3] / "events.jsonl").status("queued", resume=True)
    assert Queue(home).all()[3].status == "queued"


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def _of_another_version(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")


def _with_odd_rows(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE job SET columns = '{\"a\": 1}'")


@pytest.mark.parametrize(
    "damage",
    [Path.unlink, lambda path: path.write_bytes(os.urandom(9000)), _cut, _of_another_version, _with_odd_rows],
    ids=["missing", "garbage", "cut", "another version", "odd rows"],
)
def test_an_index_that_is_of_no_use_is_made_again(damage: object, home: Home, read_files: list[str]) -> None:
    ended_jobs(home, listing.UNSAVED_JOBS)
    rows = Queue(home).all()
    damage(home.cache / "jobs.sqlite")  # type: ignore[operator]
    assert Queue(home).all() == rows
    read_files.clear()
    assert Queue(home).all() == rows and read_files == []


def test_an_index_that_cannot_be_written_is_done_without(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []
    monkeypatch.setattr(JobIndex, "save", lambda *_: tries.append(1))
    names = ended_jobs(home, listing.UNSAVED_JOBS)
    queue = Queue(home)
    assert [row.id for row in queue.all()] == names and [row.id for row in queue.all()] == names
    assert len(tries) == 1  # not at every look
