"""The queue: folders under jobs/. Submit, look, stop, resume, delete; from any process."""

import contextlib
import datetime
import os
import re
import secrets
import shutil
import signal
import threading
import time
from collections import OrderedDict
from typing import Any

import filelock

from workbench.core.change_log import current_person, record_change
from workbench.core.errors import Problems, UserError, explain, saying, shortened
from workbench.core.home import PARTIAL, Home, existing, hidden_name, slug, write_text
from workbench.core.recycle_bin import put_in_bin
from workbench.jobs.events import EventLog, JobState
from workbench.jobs.job import STOP_FILE, Job, LessMemory, facts_of_job
from workbench.jobs.job_file import JOB_FILE, job_yaml, read_job
from workbench.jobs.listing import JobList, JobRow
from workbench.jobs.view import JobRecord

LOG_FILE = "log.txt"
STAMP = re.compile(r"(\d{8}-\d{6}-\d{3})-")
STOPPING = {
    "keep": "Stopping after this step, keeping the result.",
    "discard": "Stopping, result discarded.",
    "pause": "Pausing after this step. Its memory becomes free; Resume goes on exactly where it was.",
    "kill": "Killed. Resume it from its last checkpoint.",
}
MOST_VIEWS = 64
"""Whole stories of ended jobs held in memory, those looked at last; a story has every point of its curves."""


class Queue:
    """Reads and asks. Keeps the rows of all jobs and some of their stories, so that a look costs what is new."""

    def __init__(self, home: Home):
        self.home = home
        self._views: OrderedDict[str, JobRecord] = OrderedDict()
        self._lock = threading.RLock()
        self._list = JobList(home, self.get)

    def submit(self, job: Job, here: bool = False) -> str:
        """Checks the job, writes its folder and returns its id; raises `SpecError` with every problem found.

        `here` marks it as running in this process, so that no runner takes it. Raises `UserError`, and leaves nothing
        behind, when it cannot be written.
        """
        problems = Problems()
        job.check(self.home, problems)
        problems.check()
        with saying("The job was not queued"), self._submitting():
            self._check_outputs(job)
            job_id = f"{self._stamp()}-{slug(job.label())[:40]}-{secrets.token_hex(2)}"
            partial = self.home.jobs / hidden_name(PARTIAL, job_id)
            try:
                partial.mkdir()
                write_text(partial / JOB_FILE, job_yaml(job))
                events = EventLog(partial / "events.jsonl")
                events.status("queued", turn=self._turn(), person=current_person())
                if here:
                    events.running()
                partial.rename(self.home.jobs / job_id)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
        self._record("queued", job_id, job)
        return job_id

    def _record(self, kind: str, job_id: str, job: Job | None, **facts: str) -> None:
        """Adds an event of a job to the home's log."""
        record_change(self.home.root, kind, "job", job_id, **facts_of_job(job), **facts)

    def _check_outputs(self, job: Job) -> None:
        """Raises `SpecError` when a job that waits or runs will already make something under one of its names."""
        problems = Problems()
        names = {(output.shelf, output.name): output.field for output in job.outputs()}
        for view in self.live() if names else []:
            for output in view.job.outputs() if view.job else []:
                if field := names.get((output.shelf, output.name)):
                    text = f"{output.name!r} is being made by the job {view.label} ({view.id})."
                    problems.add(field, text, "Choose another name, or stop that job first.")
        problems.check()

    def _submitting(self) -> filelock.BaseFileLock:
        """Held while a job takes its place: no two processes give the same one."""
        return filelock.FileLock(self.home.cache / ".submit.lock", timeout=30)

    def _stamp(self) -> str:
        """The time as a job's id begins with it, later than that of every job: a clock set back changes no order."""
        now = datetime.datetime.fromtimestamp(time.time())
        newest = next((submitted for row in reversed(self.all()) if (submitted := _submitted_at(row.id))), None)
        if newest is None or _stamped(newest) < _stamped(now):
            return _stamped(now)
        return _stamped(newest + datetime.timedelta(milliseconds=1))

    def _turn(self) -> int:
        """A place behind every job that waits: the time in milliseconds, or more where the clock was set back."""
        waiting = [view.state.turn for view in self._list.live() if view.state.status == "queued"]
        return max(int(time.time() * 1000), *(turn + 1 for turn in waiting), 0)

    def get(self, job_id: str) -> JobRecord:
        """The job of that id, refreshed; raises `UserError` if there is none."""
        with self._lock:
            view = self._views.get(job_id)
            if view is None or view.damage:
                view = self._open(job_id)
            self._views[job_id] = view
            self._views.move_to_end(job_id)
            while len(self._views) > MOST_VIEWS:
                self._views.popitem(last=False)
            return view.refresh()

    def _open(self, job_id: str) -> JobRecord:
        folder = existing(self.home.jobs, job_id)
        if folder is None:
            raise UserError(
                f"There is no job {shortened(repr(job_id), 100)}.", "See `list jobs` or the Jobs tab.", "job"
            )
        job, damage = None, ""
        try:
            if not folder.is_dir():
                raise UserError("a file lies where the folder of a job should be.", "Delete it.")
            job = read_job(folder)
        except Exception as error:
            # Whatever one folder holds, the others must still be listed and run.
            damage = f"This job cannot be read: {shortened(str(explain(error)), 500)}"
        return JobRecord(job_id, folder, job, JobState(), damage=damage)

    def all(self) -> list[JobRow]:
        """The rows of every job, oldest first."""
        return self._list.look()

    @property
    def revision(self) -> int:
        """Grows when a look finds that a job came, went, or changed its status."""
        return self._list.revision

    def unsettled(self) -> list[JobRecord]:
        """The jobs whose events tell no end, oldest first: those that wait, run, or died without a word."""
        return self._list.live()

    def live(self) -> list[JobRecord]:
        """The jobs that wait or run, oldest first."""
        return [view for view in self.unsettled() if view.status in ("queued", "running")]

    def stop(self, job_id: str, how: str = "keep") -> str:
        """Asks a job to stop: 'keep' its result so far, 'discard' it, 'pause' or 'kill' now. Says what happens next."""
        if how not in STOPPING:
            raise UserError(f"There is no way of stopping called {how!r}.", "Use keep, discard, pause or kill.", "how")
        view = self.get(job_id)
        if view.status == "queued":
            with saying("The job was not taken out of the queue"):
                EventLog(view.folder / "events.jsonl").status("stopped")
            self._record("stopped", job_id, view.job)
            return "Taken out of the queue."
        if view.status != "running":
            raise UserError(f"{view.label} is not running.", "", "job")
        if how == "pause" and not (view.job and view.job.pausable):
            raise UserError(f"{view.label} cannot be paused.", "Stop it, or let it end.", "how")
        if how == "kill":
            with contextlib.suppress(OSError):  # a full disk keeps nobody from killing
                EventLog(view.folder / "events.jsonl").kill_asked()
            kill(view)
            self._record("stop asked", job_id, view.job, how=how)
            return STOPPING[how]
        with saying("The job was not asked to stop", "'Kill now' needs no disk."):
            write_text(view.folder / STOP_FILE, how)
        self._record("stop asked", job_id, view.job, how=how)
        return STOPPING[how]

    def resume(self, job_id: str, less_memory: bool = False) -> None:
        """Queues an ended job again; it goes on from its last checkpoint if it has one.

        less_memory: with the settings of its `in_less_memory`; raises `UserError` where it has none.
        """
        view = self.get(job_id)
        if not view.can_resume:
            raise UserError(f"{view.label} is {view.status}; only an unfinished job can be resumed.", "", "job")
        with saying("The job was not resumed"), self._submitting():
            (view.folder / STOP_FILE).unlink(missing_ok=True)
            events = EventLog(view.folder / "events.jsonl")
            if less_memory:
                smaller = _smaller(view)
                write_text(view.folder / JOB_FILE, job_yaml(smaller.job))
                events.append("note", text=smaller.note)
                events.append("used", settings={})
            events.status("queued", resume=True, turn=self._turn(), person=current_person())
        self._list.recheck(job_id)
        self._record("resumed", job_id, view.job)

    def delete(self, job_id: str) -> None:
        """Puts a job's folder, checkpoints and log into the bin; what it made stays on the shelves.

        One that waits is taken out of the queue first, so that it does not run when it is restored.
        """
        view = self.get(job_id)
        if view.status == "running":
            raise UserError(f"{view.label} is running.", "Stop it first.", "job")
        if view.status == "queued" and not view.damage:
            self.stop(job_id)
        put_in_bin(self.home, "job", view.folder, **facts_of_job(view.job))
        with self._lock:
            self._views.pop(job_id, None)

    def log(self, job_id: str, offset: int = 0, limit: int = 64_000) -> tuple[str, int]:
        """The log after a byte offset (its last `limit` bytes if there is more) and the new offset."""
        path = self.get(job_id).folder / LOG_FILE
        if not path.is_file():
            return "", 0
        size = path.stat().st_size
        start = max(offset, size - limit) if offset < size else offset
        with path.open("rb") as file:
            file.seek(start)
            return file.read(max(0, size - start)).decode("utf-8", "replace"), size


def _submitted_at(job_id: str) -> datetime.datetime | None:
    """The time a job's id begins with; None for a folder that no clock named."""
    match = STAMP.match(job_id)
    try:
        moment = datetime.datetime.strptime(f"{match[1]}000", "%Y%m%d-%H%M%S-%f") if match else None
    except ValueError:
        return None
    return moment if moment and moment.year < datetime.MAXYEAR else None


def _stamped(moment: datetime.datetime) -> str:
    return moment.strftime("%Y%m%d-%H%M%S-%f")[:-3]


def _smaller(view: JobRecord) -> LessMemory:
    """The job as it goes on in less memory, by what its folder holds now; raises `UserError` where it cannot."""
    smaller = read_job(view.folder).in_less_memory(view.refresh().state.used)
    if smaller is None:
        raise UserError(
            f"{view.label} cannot be made smaller without changing its result.",
            "Resume it as it is, with more memory free, or start it anew with settings that take less.", "less_memory",
        )  # fmt: skip
    return smaller


def kill(view: JobRecord) -> None:
    """Kills the worker of a job with all it started, if it is still that process."""
    if view.state.alive():
        try:
            os.killpg(os.getpgid(view.state.pid), signal.SIGKILL)
        except ProcessLookupError:
            return


def job_result(queue: Queue, job_id: str) -> dict[str, Any]:
    """The result of a finished job; raises `UserError` with its own error otherwise."""
    view = queue.get(job_id)
    if view.status != "done":
        raise UserError(view.error or f"{view.label} is {view.status}.", view.state.remedy, "job")
    return view.state.result
