"""The runner: a background thread that starts queued jobs as processes of their own and notices their end.

Jobs outlive the runner. A new runner finds them again by pid and process start time.
One runner works per home, held by a lock that dies with its process.
"""

import os
import select
import subprocess
import sys
import threading
from pathlib import Path

import filelock

from workbench.home import Home, sweep
from workbench.jobs.events import EventLog
from workbench.jobs.queue import AFTER_DEATH, DIED, JobView, Queue
from workbench.jobs.worker import ALREADY_TAKEN

TICK = 0.2


class Runner:
    """Starts one device job at a time and any number of others; keeps a warm spare worker if asked to."""

    def __init__(self, home: Home, queue: Queue | None = None, warm: bool = True):
        self.home, self.queue, self.warm = home, queue or Queue(home), warm
        # Taken in the runner's thread and given back in whichever thread halts it.
        self._lock = filelock.FileLock(home.jobs / ".runner.lock", thread_local=False)
        self._halt = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="runner", daemon=True)
        self._spare: subprocess.Popen[str] | None = None
        self._children: dict[str, subprocess.Popen[str]] = {}
        self._queued_at: dict[str, float] = {}  # of each child's job, when it was launched

    def start(self) -> "Runner":
        self._thread.start()
        return self

    def halt(self) -> None:
        """Ends the runner and its idle spare; running jobs go on."""
        self._halt.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        self._drop_spare()
        self._lock.release(force=True)

    @property
    def is_warm(self) -> bool:
        """Whether a spare worker lives; it may still be importing."""
        return self._spare is not None and self._spare.poll() is None

    @property
    def is_ready(self) -> bool:
        """Whether the spare has imported everything."""
        spare = self._spare
        return bool(spare and spare.stdout and spare.poll() is None and select.select([spare.stdout], [], [], 0)[0])

    def _loop(self) -> None:
        while not self._halt.wait(TICK):
            try:
                if self._is_mine():
                    self.step()
            except Exception as error:  # the thread must survive a full disk or a folder deleted meanwhile
                print(f"runner: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                self._halt.wait(2)

    def _is_mine(self) -> bool:
        if not self._lock.is_locked:
            try:
                self._lock.acquire(timeout=0)
            except filelock.Timeout:
                return False
            sweep(self.home.jobs)
            sweep(self.home.models)
            sweep(self.home.datasets)
        return True

    def step(self) -> None:
        """One look at the queue: mark what died, start what may start."""
        views = self.queue.all()
        for view in views:
            self._notice_death(view)
        self._reap(views)
        self._start_next(views)
        if self.warm and not self.is_warm:
            self._spare = _spawn("--spare")

    def _notice_death(self, view: JobView) -> None:
        if view.story.status == "running" and view.status == "interrupted":
            EventLog(view.folder / "events.jsonl").status("interrupted", error=DIED, remedy=AFTER_DEATH)
            view.refresh()

    def _reap(self, views: list[JobView]) -> None:
        """Forgets ended children; one that ended before its job began would else be started for ever."""
        for job_id, child in list(self._children.items()):
            if child.poll() is None:
                continue
            del self._children[job_id]
            view = next((view for view in views if view.id == job_id), None)
            queued_at = self._queued_at.pop(job_id)
            # A job that ran, died and was resumed before we looked is queued too, but newly.
            unstarted = view and view.refresh().story.status == "queued" and view.story.queued_at == queued_at
            if view and unstarted and child.returncode != ALREADY_TAKEN:
                EventLog(view.folder / "events.jsonl").status(
                    "failed",
                    error=f"The worker could not start (exit code {child.returncode}).",
                    remedy="See the log.",
                )
                view.refresh()  # or it would be started again below

    def _start_next(self, views: list[JobView]) -> None:
        busy = any(
            (view.status == "running" or view.id in self._children) and view.job and view.job.uses_device
            for view in views
        )
        queued = [view for view in views if view.status == "queued" and view.id not in self._children]
        for view in sorted(queued, key=lambda view: view.story.queued_at):
            if view.job is None:
                EventLog(view.folder / "events.jsonl").status("failed", error=view.spec_error)
            elif not (busy and view.job.uses_device):
                self._launch(view)
                busy = busy or view.job.uses_device

    def _launch(self, view: JobView) -> None:
        self._queued_at[view.id] = view.story.queued_at
        spare = self._spare if self.is_warm and view.job and view.job.uses_device else None
        if spare and spare.stdin:
            try:
                spare.stdin.write(f"{view.folder}\n")
                spare.stdin.flush()
                spare.stdin.close()
                self._spare = None
                self._children[view.id] = spare
                return
            except OSError:
                self._drop_spare()
        self._children[view.id] = _spawn(str(view.folder))

    def _drop_spare(self) -> None:
        if self._spare and self._spare.poll() is None:
            self._spare.kill()
            self._spare.wait()
        self._spare = None


def _spawn(argument: str) -> subprocess.Popen[str]:
    """A worker in a session of its own: it outlives this process and its terminal."""
    return subprocess.Popen(
        [sys.executable, "-m", "workbench.jobs.worker", argument],
        stdin=subprocess.PIPE if argument == "--spare" else subprocess.DEVNULL,
        stdout=subprocess.PIPE if argument == "--spare" else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        cwd=Path(__file__).parent.parent.parent,
        env={**os.environ, "TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"},
    )
