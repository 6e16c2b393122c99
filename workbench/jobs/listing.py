"""The list of all jobs, kept between looks: what ended is read once, what waits or runs at every look."""

import dataclasses
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workbench.core.errors import UserError, shortened
from workbench.core.home import Home
from workbench.core.limits import text_up_to
from workbench.core.row_cache import Mark, mark, settled
from workbench.jobs.events import FINAL
from workbench.jobs.index import JobIndex, Stored
from workbench.jobs.view import JobRecord

SHOWN_CHARACTERS = 300  # characters of a text in a list
FILES = ("events.jsonl", "job.yaml")
RECHECKED_JOBS = 50
"""Ended jobs looked at again at every look: one that another process resumed is noticed within (jobs / 250) looks."""
UNSAVED_JOBS = 100
"""Rows that are read anew when a process starts, at most; more are written to the index at once."""
SAVE_AGAIN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as lists show it; `Queue.get` has the whole state.

    Times are seconds since the epoch, `seconds` is how long it has run. `result` is the name of what it
    made, `subject` that of what it works on where its kind of job says so.
    """

    id: str
    method: str
    title: str
    label: str
    subject: str
    status: str
    queued_at: float
    started_at: float
    seconds: float
    done: float | None
    total: float | None
    text: str
    result: str
    error: str

    @property
    def final(self) -> bool:
        return self.status in FINAL


def row_of_job(view: JobRecord) -> JobRow:
    """The row of a job as its events tell it now."""
    state, job = view.state, view.job
    return JobRow(
        id=view.id, method=job.method if job else "", title=job.title if job else "?", label=view.label,
        subject=job.subject() if job else "", status=view.status, queued_at=state.queued_at,
        started_at=state.started_at, seconds=state.elapsed(),
        done=state.progress.get("done"), total=state.progress.get("total"),
        text=text_up_to(state.progress.get("text"), SHOWN_CHARACTERS),
        result=""
        if view.damage
        else text_up_to(state.result.get("model") or state.result.get("session"), SHOWN_CHARACTERS),
        error=shortened(view.error, SHOWN_CHARACTERS),
    )  # fmt: skip


class JobList:
    """Every job of a home by its id, the oldest first; `revision` grows when a job comes, goes or changes its status.

    A look costs a listing of jobs/ when that folder changed, the new events of live jobs, and `RECHECKED` stats.
    """

    def __init__(self, home: Home, view: Callable[[str], JobRecord]):
        self.revision = 0
        self._folder, self._view = home.jobs, view
        self._index = JobIndex(home.cache / "jobs.sqlite")
        self._ended: dict[str, tuple[str, JobRow]] = {}
        self._live: dict[str, JobRecord] = {}
        self._order: list[str] = []
        self._rows: list[JobRow] = []
        self._at: dict[str, int] = {}  # where the live ones stand
        self._seen: Mark | None = None
        self._next = 0
        self._stored: dict[str, Stored] | None = None
        self._unsaved: dict[str, Stored] = {}
        self._gone: set[str] = set()
        self._save_after = 0.0
        self._lock = threading.RLock()

    def look(self) -> list[JobRow]:
        """All rows, brought up to date."""
        with self._lock:
            changed = self._find() | self._recheck()
            changed |= self._follow()
            if changed:
                self._arrange()
            for job_id, view in self._live.items():
                self._put(self._at[job_id], row_of_job(view))
            if len(self._unsaved) + len(self._gone) >= UNSAVED_JOBS:
                self._save()
            return self._rows.copy()

    def live(self) -> list[JobRecord]:
        """The jobs whose events tell no end, the oldest first; one whose process died is among them."""
        with self._lock:
            self.look()
            return [self._live[job_id] for job_id in sorted(self._live)]

    def recheck(self, job_id: str) -> None:
        """Has a job read anew at the next look: it was resumed."""
        with self._lock:
            self._ended.pop(job_id, None)
            self._seen = None

    def _find(self) -> bool:
        """Takes in new folders and drops deleted ones; whether there were any."""
        before = mark(self._folder.stat())
        if before == self._seen:
            return False
        with os.scandir(self._folder) as entries:
            names = {entry.name for entry in entries if not entry.name.startswith(".")}
        self._seen = before if settled([before]) else None
        names_before = self._ended.keys() | self._live.keys()
        if self._stored is None:
            self._stored = self._index.load()
        for name in sorted(names - names_before):
            self._add(name)
        self._stored = {}
        for name in names_before - names:
            self._ended.pop(name, None)
            self._live.pop(name, None)
            self._unsaved.pop(name, None)
            self._gone.add(name)
        return names != names_before

    def _add(self, name: str) -> None:
        marks = job_signature(self._folder / name)
        stored = self._stored.get(name) if self._stored else None
        if stored and stored[0] == marks and len(stored[1]) == len(dataclasses.fields(JobRow)):
            self._ended[name] = marks, JobRow(*stored[1])
            return
        try:
            view = self._view(name)
        except UserError:
            return  # deleted meanwhile
        if view.is_settled:
            self._end(view)
        else:
            self._live[name] = view

    def _end(self, view: JobRecord) -> None:
        self._live.pop(view.id, None)
        marks, row = job_signature(view.folder), row_of_job(view)
        self._ended[view.id] = marks, row
        self._unsaved[view.id] = marks, list(dataclasses.astuple(row))

    def _recheck(self) -> bool:
        """Looks whether ended jobs go on: some at every look, all in turn."""
        resumed = []
        for _ in range(min(RECHECKED_JOBS, len(self._order))):
            self._next = (self._next + 1) % len(self._order)
            name = self._order[self._next]
            if name in self._ended and job_signature(self._folder / name) != self._ended[name][0]:
                resumed.append(name)
        for name in resumed:
            del self._ended[name]
            self._unsaved.pop(name, None)
            self._add(name)
        return bool(resumed)

    def _follow(self) -> bool:
        """Reads what live jobs said since; whether one ended."""
        ended = [view for view in self._live.values() if view.refresh().is_settled]
        for view in ended:
            self._end(view)
        return bool(ended)

    def _arrange(self) -> None:
        self._order = sorted(self._ended.keys() | self._live.keys())
        self._rows = [
            self._ended[name][1] if name in self._ended else row_of_job(self._live[name]) for name in self._order
        ]
        self._at = {name: at for at, name in enumerate(self._order) if name in self._live}
        self.revision += 1

    def _put(self, at: int, row: JobRow) -> None:
        if (self._rows[at].status, self._rows[at].label) != (row.status, row.label):
            self.revision += 1
        self._rows[at] = row

    def _save(self) -> None:
        if time.monotonic() < self._save_after:
            return
        if self._index.save(self._unsaved, self._gone):
            self._unsaved, self._gone = {}, set()
        else:
            self._save_after = time.monotonic() + SAVE_AGAIN_SECONDS


def job_signature(folder: Path) -> str:
    """Tells the state of a job's files; '' for one that is missing."""
    marks = []
    for name in FILES:
        try:
            status = os.stat(f"{folder}/{name}")  # noqa: PTH116  a Path takes three times as long, of hundreds a look
            marks.append(":".join(map(str, mark(status))))
        except OSError:
            marks.append("")
    return " ".join(marks)
