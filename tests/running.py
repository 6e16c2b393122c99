"""Jobs checked and carried out in the test's own process."""

import signal
from typing import Any

from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.jobs.job import STOP_FILE, Job, JobContext
from workbench.jobs.queue import Queue
from workbench.jobs.view import JobRecord
from workbench.jobs.worker import execute_job


def context(home: Home, name: str = "job", resume: bool = False) -> JobContext:
    """What a job of that name gets; when it is resumed, an earlier wish to stop is forgotten."""
    folder = home.jobs / name
    folder.mkdir(exist_ok=True)
    if resume:
        (folder / STOP_FILE).unlink(missing_ok=True)
    return JobContext(home, folder, resume)


def checked(home: Home, job: Job) -> None:
    """Fails if the job's own check finds a problem."""
    problems = Problems()
    job.check(home, problems)
    problems.check()


def run(home: Home, job: Job, name: str = "") -> dict[str, Any]:
    """Checks and runs a job in a folder of that name, or of a new one; its result."""
    checked(home, job)
    return job.run(context(home, name or f"job-{len(list(home.jobs.iterdir()))}"))


def wrong_with(home: Home, job: Job) -> str:
    """Everything the job's check finds, a line each."""
    problems = Problems()
    job.check(home, problems)
    return "\n".join(map(str, problems.found))


def carry(home: Home, job: Job) -> JobRecord:
    """A job through the queue to its end, as the worker does it; fails if it did not end well."""
    view = carried(home, job)
    assert view.state.status == "done", view.state.error
    return view


def carried(home: Home, job: Job) -> JobRecord:
    """A job through the queue to its end, however it ends."""
    queue = Queue(home)
    view = queue.get(queue.submit(job, here=True))
    before = signal.getsignal(signal.SIGTERM)
    execute_job(home, view.folder)
    signal.signal(signal.SIGTERM, before)
    return view.refresh()
