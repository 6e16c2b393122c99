"""The queue: folders under jobs/. Submit, look, stop, resume, delete; from any process."""

import datetime
import os
import secrets
import shutil
import signal
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from workbench.errors import Problems, UserError
from workbench.home import Home, entries, inside, slug, write_text
from workbench.jobs.events import FINAL, EventLog, Story
from workbench.jobs.job import JOBS, STOP_FILE, Job
from workbench.spec import dump_yaml, load_yaml

JOB_FILE = "job.yaml"
DIED = "The worker process ended without a word (killed, out of memory, or the machine went down)."
AFTER_DEATH = "Resume goes on from the last checkpoint. If it was memory, lower the batch size first."


@dataclass
class JobView:
    """A job as its folder tells it: the id, the spec (None if it cannot be read any more) and the story."""

    id: str
    folder: Path
    job: Job | None
    story: Story
    offset: int = 0
    spec_error: str = ""
    _reading: Any = field(default_factory=threading.RLock, repr=False)

    @property
    def status(self) -> str:
        """The status, where a 'running' whose process is gone reads 'interrupted'."""
        if self.story.status == "running" and not alive(self.story.pid, self.story.process_started):
            self.refresh()  # it may have told its end after the last look
            return "interrupted" if self.story.status == "running" else self.story.status
        return self.story.status

    @property
    def label(self) -> str:
        return self.job.label() if self.job else self.id

    @property
    def final(self) -> bool:
        return self.status in FINAL

    @property
    def can_resume(self) -> bool:
        return bool(self.job and self.status in ("interrupted", "stopped", "failed") and self.status != "done")

    def refresh(self) -> "JobView":
        """Folds in what is new; several threads look at the same view."""
        with self._reading:
            events, self.offset = EventLog(self.folder / "events.jsonl").read(self.offset)
            for event in events:
                self.story.add(event)
        return self


def alive(pid: int, started: float) -> bool:
    """Whether that very process lives: same pid, same start time, not a zombie."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started) < 2 and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError):
        return False


class Queue:
    """Reads and asks. Keeps the folded events of recently seen jobs, so that a look costs only what is new."""

    def __init__(self, home: Home):
        self.home = home
        self._views: OrderedDict[str, JobView] = OrderedDict()
        self._lock = threading.RLock()

    def submit(self, job: Job, here: bool = False) -> str:
        """Checks the job, writes its folder and returns its id; raises `SpecError` with every problem found.

        `here` marks it as running in this process, so that no runner takes it.
        """
        problems = Problems()
        job.check(self.home, problems)
        problems.check()
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]
        job_id = f"{stamp}-{slug(job.label())[:40]}-{secrets.token_hex(2)}"
        partial = self.home.jobs / f".partial-{job_id}-{os.getpid()}-{secrets.token_hex(3)}"
        partial.mkdir()
        write_text(partial / JOB_FILE, dump_yaml(job.to_dict()))
        events = EventLog(partial / "events.jsonl")
        events.status("queued")
        if here:
            events.status("running", pid=os.getpid(), process_started=psutil.Process().create_time())
        partial.rename(self.home.jobs / job_id)
        return job_id

    def get(self, job_id: str) -> JobView:
        """The job of that id, refreshed; raises `UserError` if there is none."""
        with self._lock:
            view = self._views.get(job_id) or self._open(job_id)
            self._views[job_id] = view
            self._views.move_to_end(job_id)
            while len(self._views) > 500:
                self._views.popitem(last=False)
            return view.refresh()

    def _open(self, job_id: str) -> JobView:
        folder = inside(self.home.jobs, job_id, "job")
        if not (folder / JOB_FILE).is_file():
            raise UserError(f"There is no job {job_id!r}.", "See `list jobs` or the Jobs tab.", "job")
        try:
            job, error = JOBS.parse(load_yaml((folder / JOB_FILE).read_text("utf-8"))), ""
        except UserError as problem:
            job, error = None, str(problem)
        return JobView(job_id, folder, job, Story(), spec_error=error)

    def all(self) -> list[JobView]:
        """Every job, oldest first."""
        views = []
        for folder in entries(self.home.jobs):
            try:
                views.append(self.get(folder.name))
            except (UserError, OSError):
                continue  # deleted while we looked, or no job
        return views

    def live(self) -> list[JobView]:
        return [view for view in self.all() if view.status in ("queued", "running")]

    def stop(self, job_id: str, how: str = "keep") -> str:
        """Asks a job to stop: 'keep' its result so far, 'discard' it, or 'kill' now. Says what happens next."""
        if how not in ("keep", "discard", "kill"):
            raise UserError(f"There is no way of stopping called {how!r}.", "Use keep, discard or kill.", "how")
        view = self.get(job_id)
        if view.status == "queued":
            EventLog(view.folder / "events.jsonl").status("stopped")
            return "Taken out of the queue."
        if view.status != "running":
            raise UserError(f"{view.label} is not running.", "", "job")
        if how == "kill":
            kill(view)
            return "Killed. Resume it from its last checkpoint."
        write_text(view.folder / STOP_FILE, how)
        return "Stopping after this step, keeping the result." if how == "keep" else "Stopping, result discarded."

    def resume(self, job_id: str) -> None:
        """Queues an ended job again; it goes on from its last checkpoint if it has one."""
        view = self.get(job_id)
        if not view.can_resume:
            raise UserError(f"{view.label} is {view.status}; only an unfinished job can be resumed.", "", "job")
        (view.folder / STOP_FILE).unlink(missing_ok=True)
        EventLog(view.folder / "events.jsonl").status("queued", resume=True)

    def delete(self, job_id: str) -> None:
        """Removes a job's folder, checkpoints and log; what it made stays on the shelves."""
        view = self.get(job_id)
        if view.status == "running":
            raise UserError(f"{view.label} is running.", "Stop it first.", "job")
        with self._lock:
            self._views.pop(job_id, None)
        shutil.rmtree(view.folder)

    def log(self, job_id: str, offset: int = 0, limit: int = 64_000) -> tuple[str, int]:
        """The log after a byte offset (its last `limit` bytes if there is more) and the new offset."""
        path = self.get(job_id).folder / "log.txt"
        if not path.is_file():
            return "", 0
        size = path.stat().st_size
        start = max(offset, size - limit) if offset < size else offset
        with path.open("rb") as file:
            file.seek(start)
            return file.read(max(0, size - start)).decode("utf-8", "replace"), size


def kill(view: JobView) -> None:
    """Kills the worker of a job with all it started, if it is still that process."""
    if alive(view.story.pid, view.story.process_started):
        try:
            os.killpg(os.getpgid(view.story.pid), signal.SIGKILL)
        except ProcessLookupError:
            return


def job_result(queue: Queue, job_id: str) -> dict[str, Any]:
    """The result of a finished job; raises `UserError` with its own error otherwise."""
    view = queue.get(job_id)
    if view.status != "done":
        raise UserError(view.story.error or f"{view.label} is {view.status}.", view.story.remedy, "job")
    return view.story.result
