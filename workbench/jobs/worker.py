"""The child process that carries out one job, and the warm spare that waits for one.

`python -m workbench.jobs.worker FOLDER` runs the job in that folder.
`python -m workbench.jobs.worker --spare` imports the heavy packages, says 'ready', then waits for a folder's path
on standard input; the end of standard input (its server died) ends it.
"""

import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock

from workbench.core.change_log import LOCAL, acting_as, record_change
from workbench.core.device_ledger import DeviceLedger
from workbench.core.errors import SEE_LOG, UserError, explain
from workbench.core.hardware import cached_hardware
from workbench.core.home import Home
from workbench.core.logs import JOB_VARIABLE, configure_logging, logged_job
from workbench.core.memory_limits import load_without_threads
from workbench.core.plugins import left_out
from workbench.core.priority import lower_priority
from workbench.core.settings import Settings
from workbench.core.units import human_size
from workbench.jobs.events import EventLog, JobState
from workbench.jobs.job import JOBS, Job, JobContext, JobStopped, facts_of_job
from workbench.jobs.job_file import read_job

log = logging.getLogger("workbench.jobs.worker")  # it runs as __main__

ALREADY_TAKEN = 3
PATIENCE_SECONDS = 3600.0
ROOM_PATIENCE_SECONDS = 15.0  # the chat looks every five; one that answers somebody goes on
DEVICE_POLL_SECONDS = 0.25  # how often a job that waits for the device looks whether it is free or a stop is asked for


def execute_job(home: Home, folder: Path, echo: Callable[[str], None] | None = None) -> str:
    """Runs the job in `folder` in this process and records how it ended; returns the final status."""
    load_without_threads()
    with logged_job(folder.name):
        return _executed(home, folder, echo)


def _executed(home: Home, folder: Path, echo: Callable[[str], None] | None) -> str:
    mine = filelock.FileLock(folder / ".lock")
    try:
        mine.acquire(timeout=0)
    except filelock.Timeout:
        return "taken"  # a worker started by an earlier server has it
    ctx = JobContext(home, folder, echo=echo)
    _stop_on_sigterm(ctx)
    try:
        with acting_as(_asker(ctx.events)):
            status = _ended(ctx)
            if status != "taken":
                job = _read(folder)
                record_change(home.root, status, "job", folder.name, **facts_of_job(job))
        return status
    finally:
        mine.release()


def _ended(ctx: JobContext) -> str:
    """How the job ended, which its events tell now."""
    events = ctx.events
    try:
        job = read_job(ctx.folder)
        with _device(job, ctx):
            state = _state(events)
            if state.status not in ("queued", "running"):
                return "taken"  # stopped while it waited for the device
            events.running()
            ctx.resume = state.resume
            result = job.run(ctx)
        return _record(events, "done", result=result)
    except _Withdrawn:
        return "taken"
    except JobStopped as stop:
        return _record(events, stop.status, result=stop.result)
    except BaseException as error:
        return _record_failure(events, error)


def _asker(events: EventLog) -> str:
    """Who queued the job, or resumed it last."""
    people = [event.get("person") for event in events.read()[0] if event.get("status") == "queued"]
    return next((person for person in reversed(people) if isinstance(person, str) and person), LOCAL)


def _read(folder: Path) -> Job | None:
    with contextlib.suppress(Exception):  # a damaged job has ended all the same
        return read_job(folder)
    return None


def _record_failure(events: EventLog, error: BaseException) -> str:
    known = UserError("Interrupted.", "Resume it.") if isinstance(error, KeyboardInterrupt) else explain(error, SEE_LOG)
    log.error("%s", known, exc_info=None if isinstance(error, UserError) else error)
    return _record(events, "failed", error=known.message, remedy=known.remedy, path=list(known.path))


def _record(events: EventLog, status: str, **data: Any) -> str:
    """Writes how the job ended; on a full disk as soon as there is room, so that no end goes untold. Returns `status`.

    The device is free by then. After `PATIENCE_SECONDS` it gives up: whoever reads sees the dead process as
    interrupted.
    """
    deadline, said = time.monotonic() + PATIENCE_SECONDS, ""
    while True:
        try:
            events.status(status, **data)
            return status
        except OSError as error:
            if not events.path.parent.is_dir() or time.monotonic() > deadline:
                return status
            if str(error) != said:
                log.warning("the end of this job (%s) cannot be written yet: %s", status, explain(error))
            said = str(error)
            time.sleep(1)


def _state(events: EventLog) -> JobState:
    state = JobState()
    for event in events.read()[0]:
        state.add(event)
    return state


class _Withdrawn(Exception):
    """The job was taken out of the queue while it waited for the device."""


@contextlib.contextmanager
def _device(job: Job, ctx: JobContext) -> Iterator[None]:
    """Holds the device for this job: one at a time across all processes of this home.

    Raises `JobStopped` or `_Withdrawn` when the job is stopped while it waits.
    """
    if not job.uses_device:
        yield
        return
    lock = filelock.FileLock(ctx.home.jobs / ".device.lock")
    if not _acquired(lock):
        ctx.waiting("Waiting for the device")
        while not _acquired(lock):
            ctx.task.check_stop()
            if _state(ctx.events).status not in ("queued", "running"):
                raise _Withdrawn
            time.sleep(DEVICE_POLL_SECONDS)
    ledger, device = DeviceLedger(ctx.home), cached_hardware(ctx.home).device
    ledger.hold("job", job.label(), device, ctx.folder.name)
    try:
        if device != "cpu":
            _have_room_made(ctx, ledger, device)
        yield
    finally:
        ledger.release()
        lock.release()


def _have_room_made(ctx: JobContext, ledger: DeviceLedger, device: str) -> None:
    """Asks a chat that nobody waits for to give back what it holds of the device, and waits a little for it."""

    def held() -> int:
        return sum(holder.memory for holder in ledger.holders() if (holder.kind, holder.device) == ("chat", device))

    if not (before := held()):
        return
    ledger.ask_for_room()
    try:
        ctx.waiting(f"Waiting for the chat to give back {human_size(before)}")
        deadline = time.monotonic() + ROOM_PATIENCE_SECONDS
        while held() and time.monotonic() < deadline:
            ctx.task.check_stop()
            time.sleep(DEVICE_POLL_SECONDS)
        if freed := before - held():
            ctx.note(f"The chat gave back {human_size(freed)} of the device.")
    finally:
        ledger.withdraw()


def _acquired(lock: filelock.BaseFileLock) -> bool:
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return False
    return True


def _stop_on_sigterm(ctx: JobContext) -> None:
    def ask(*_: Any) -> None:
        ctx.stop_asked = "keep"

    with contextlib.suppress(ValueError):  # only the main thread may set handlers
        signal.signal(signal.SIGTERM, ask)


def warm_up() -> None:
    """Imports what training needs, so that a job starts at once."""
    import datasets  # noqa: F401
    import peft  # noqa: F401
    import torch  # noqa: F401
    import transformers  # noqa: F401
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer  # noqa: F401

    for job in JOBS:
        job.summary()


def _redirect(folder: Path) -> None:
    """Sends everything this process prints, C libraries included, to the job's log."""
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def spare() -> None:
    """Warms up, then runs the one job whose folder comes in on standard input."""
    warm_up()
    with contextlib.suppress(OSError):  # the server may have died meanwhile; a job it gave is still to be done
        print("ready", flush=True)
    line = sys.stdin.readline().strip()
    if line:
        main(Path(line))


def main(folder: Path) -> None:
    """Runs the job of this folder in this process, which ends with it."""
    _redirect(folder)
    os.environ[JOB_VARIABLE] = folder.name  # for threads, and the processes that the job starts
    configure_logging()
    log.info("process %d starts the job", os.getpid())
    for plugin in left_out():
        log.warning("%s", plugin.sentence())
    status = execute_job(Home.at(folder.parent.parent), folder)
    sys.stdout.flush()
    sys.stderr.flush()
    code = {"done": 0, "stopped": 0, "paused": 0, "taken": ALREADY_TAKEN}.get(status, 1)
    os._exit(code)  # libraries' threads must not hold the device


if __name__ == "__main__":
    lower_priority(Settings.current().job_niceness)
    spare() if sys.argv[1:] == ["--spare"] else main(Path(sys.argv[1]))
