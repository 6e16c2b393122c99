"""The runner: a background thread that starts queued jobs as processes of their own and notices their end.

Jobs outlive the runner. A new runner finds them again by pid and process start time.
One runner works per home, held by a lock that dies with its process.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Collection
from pathlib import Path

import filelock

from workbench.core.change_log import SERVER, acting_as, record_change
from workbench.core.child_process import ChildProcess, exit_reason
from workbench.core.children import Credential, withheld
from workbench.core.errors import SEE_LOG, UserError, explain
from workbench.core.home import Home, remove_stale
from workbench.core.logs import logged_job
from workbench.core.parallel import cores
from workbench.core.recycle_bin import empty_expired
from workbench.core.settings import Settings, variable_of
from workbench.core.uploads import sweep_uploads
from workbench.jobs.deaths import death_of
from workbench.jobs.events import EventLog
from workbench.jobs.job import facts_of_job
from workbench.jobs.queue import LOG_FILE, Queue
from workbench.jobs.view import JobRecord
from workbench.jobs.worker import ALREADY_TAKEN

log = logging.getLogger(__name__)

LOCK_FILE = ".runner.lock"
TICK_SECONDS = 0.2
SWEEP_EVERY_SECONDS = 60.0
TELL_AGAIN_SECONDS = 30.0
SET = {"TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"}


def light_places() -> int:
    """How many jobs that need no device run at a time: what the operator set, else half the cores, 2 to 8.

    Raises `SpecError` for wrong settings.
    """
    return Settings.current().light_jobs or min(8, max(2, cores() // 2))


def has_runner(home: Home) -> bool:
    """Whether some process takes the queued jobs of this home."""
    lock = filelock.FileLock(home.jobs / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return True
    lock.release()
    return False


class Runner:
    """Starts one device job and a few others at a time; keeps a warm spare worker if asked to."""

    def __init__(self, home: Home, queue: Queue | None = None, warm: bool = True):
        light_places()  # a wrong setting is said at the start, not by a thread
        self.home, self.queue, self.warm = home, queue or Queue(home), warm
        # Taken in the runner's thread and given back in whichever thread halts it.
        self._lock = filelock.FileLock(home.jobs / LOCK_FILE, thread_local=False)
        self._halt = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="runner", daemon=True)
        self._spare: ChildProcess | None = None
        self._children: dict[str, ChildProcess] = {}
        self._turns: dict[str, int] = {}  # of each child's job, when it was launched
        self._said = ""
        self._unstarted: dict[str, int] = {}  # the turns of jobs whose worker could not start
        self._tell_again: dict[str, float] = {}  # jobs whose end could not be written down, on the monotonic clock
        self._next_sweep = 0.0  # on the monotonic clock

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
        return self._spare is not None and self._spare.is_alive

    @property
    def is_ready(self) -> bool:
        """Whether the spare has imported everything."""
        spare = self._spare
        return bool(spare and spare.is_alive and spare.has_output)

    def _loop(self) -> None:
        while not self._halt.wait(TICK_SECONDS):
            try:
                if self._is_mine():
                    self.step()
                self._said = ""
            except Exception as error:  # the thread must survive a full disk or a folder deleted meanwhile
                self._say(f"No job can be started or ended: {explain(error)}")
                self._halt.wait(2)

    def _say(self, text: str) -> None:
        """Logs what is wrong, once for as long as it stays the same."""
        if text != self._said:
            log.warning("%s", text)
        self._said = text

    def _is_mine(self) -> bool:
        if not self._lock.is_locked:
            try:
                self._lock.acquire(timeout=0)
            except filelock.Timeout:
                return False
        return True

    def _sweep(self) -> None:
        """Removes what killed processes left half-made, now and then, and at once when a worker has died."""
        if time.monotonic() >= self._next_sweep:
            self._next_sweep = time.monotonic() + SWEEP_EVERY_SECONDS
            for shelf in (self.home.jobs, self.home.models, self.home.datasets):
                remove_stale(shelf)
            sweep_uploads(self.home)
            self._empty_bin()

    def _empty_bin(self) -> None:
        """Removes what has been in the bin for its days."""
        try:
            with acting_as(SERVER):
                gone = empty_expired(self.home)
        except UserError as error:
            self._say(f"the bin cannot be emptied: {error}")
            return
        if gone:
            log.info("%d items of the bin were removed, as their days were over", len(gone))

    def step(self) -> None:
        """One look at the queue: mark what died, start what may start."""
        views = self.queue.unsettled()
        for view in views:
            self._notice_death(view)
        self._reap(views)
        self._sweep()
        self._start_next(views)
        if self.warm and not self.is_warm:
            self._spare = _spawn(self.home, "--spare")

    def _notice_death(self, view: JobRecord) -> None:
        if view.state.status == "running" and view.status == "interrupted":
            if time.monotonic() < self._tell_again.get(view.id, 0.0):
                return
            self._next_sweep = 0.0
            child = self._children.get(view.id)
            death = death_of(view.state, child.returncode if child and child.pid == view.state.pid else None)
            self._tell(view, "interrupted", *death)

    def _reap(self, views: list[JobRecord]) -> None:
        """Forgets ended children; one that ended before its job began would else be started for ever."""
        for job_id, child in list(self._children.items()):
            if child.is_alive:
                continue
            del self._children[job_id]
            with logged_job(job_id):
                log.info("its process %s", exit_reason(child.returncode) if child.returncode else "has ended")
            child.end()  # closes its pipes
            view = next((view for view in views if view.id == job_id), None)
            turn = self._turns.pop(job_id)
            # A job that ran, died and was resumed before we looked is queued too, but newly.
            unstarted = view and view.refresh().state.status == "queued" and view.state.turn == turn
            if view and unstarted and child.returncode != ALREADY_TAKEN:
                self._unstarted[job_id] = turn
                self._tell(view, "failed", f"The worker could not start: it {exit_reason(child.returncode)}.", SEE_LOG)

    def _tell(self, view: JobRecord, status: str, error: str, remedy: str, cause: str = "") -> None:
        """Writes down how a job ended. A folder that cannot be written must not keep the other jobs from running."""
        try:
            EventLog(view.folder / "events.jsonl").status(status, error=error, remedy=remedy, cause=cause)
            with acting_as(SERVER):
                record_change(self.home.root, status, "job", view.id, **facts_of_job(view.job))
        except OSError as problem:
            self._tell_again[view.id] = time.monotonic() + TELL_AGAIN_SECONDS
            with logged_job(view.id):
                self._say(f"cannot be marked as {status}: {explain(problem)}")
        view.refresh()

    def _start_next(self, views: list[JobRecord]) -> None:
        """Starts what there is room for, in the order of the queue; neither sort of job waits for the other."""
        room = {True: 1, False: light_places()}
        for view in views:
            if view.job and (view.status == "running" or view.id in self._children):
                room[view.job.uses_device] -= 1
        queued = [view for view in views if view.status == "queued" and view.id not in self._children]
        for view in sorted(queued, key=lambda view: view.state.turn):
            tried = self._unstarted.get(view.id) == view.state.turn
            if view.job and not tried and room[view.job.uses_device] > 0:
                self._launch(view)
                room[view.job.uses_device] -= 1

    def _launch(self, view: JobRecord) -> None:
        with logged_job(view.id):
            self._children[view.id] = self._started(view)
            log.info("starts in process %d", self._children[view.id].pid)

    def _started(self, view: JobRecord) -> ChildProcess:
        """The process of a job: the spare one if it may have the job, else a new one."""
        self._turns[view.id] = view.state.turn
        needs = view.job.credentials() if view.job else ()
        # the spare was started without credentials, before anybody knew what for
        fits = view.job and view.job.uses_device and withheld(needs) == withheld()
        spare = self._spare if self.is_warm and fits else None
        if spare:
            try:
                spare.write(f"{view.folder}\n")
                spare.finish_input()
                self._spare = None
                return spare
            except OSError:
                self._drop_spare()
        return _spawn(self.home, str(view.folder), needs)

    def _drop_spare(self) -> None:
        spare, self._spare = self._spare, None
        if spare:
            spare.end()


def _spawn(home: Home, argument: str, needs: Collection[Credential] = ()) -> ChildProcess:
    """A worker in a session of its own, which outlives this process and its terminal; of the operator's credentials
    it gets those the job works with. What keeps it from starting is in the job's log."""
    spare = argument == "--spare"
    with (Path(os.devnull) if spare else _log(Path(argument))).open("ab") as log:
        return ChildProcess(
            [sys.executable, "-m", "workbench.jobs.worker", argument], *needs,
            extra={**SET, variable_of("home"): str(home.root)}, piped=spare, errors=log, own_session=True,
        )  # fmt: skip


def _log(folder: Path) -> Path:
    """The log of a job, or nowhere when it cannot be written: the worker tells that as its end."""
    log = folder / LOG_FILE
    try:
        log.open("ab").close()
    except OSError:
        return Path(os.devnull)
    return log
