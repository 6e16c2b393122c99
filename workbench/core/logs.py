"""Log lines: the one place that says where they go and how they look, and whose job they are about.

Every process writes them to its standard error: the server's is the terminal, a worker's the log of its job, which is
also that of the processes that the job starts. A line about a job carries its id, in whichever process it is written.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

FORMAT = "%(asctime)s %(levelname)s %(name)s%(about)s: %(message)s"
JOB_VARIABLE = "WORKBENCH_JOB"
"""How a process that a job starts knows whose it is; no setting of the operator's."""
OWN = ("workbench", "tabs")

_job: ContextVar[str] = ContextVar("job", default="")


def current_job() -> str:
    """The id of the job that is worked on here; '' where it is none."""
    return _job.get() or os.environ.get(JOB_VARIABLE, "")


@contextmanager
def logged_job(job_id: str) -> Iterator[None]:
    """What is logged meanwhile is about this job."""
    token = _job.set(job_id)
    try:
        yield
    finally:
        _job.reset(token)


class JobFilter(logging.Filter):
    """Puts the job's id into every record: `job`, and `about` as the format shows it."""

    def filter(self, record: logging.LogRecord) -> bool:
        job = current_job()
        record.__dict__.update(job=job, about=f" [{job}]" if job else "")
        return True


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what standard error is when a line comes: commands lead it elsewhere and back."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


def configure_logging() -> None:
    """Sends our lines from INFO on, and those of libraries from WARNING on, to standard error; again: nothing more."""
    root = logging.getLogger()
    if any(isinstance(handler, _StandardError) for handler in root.handlers):
        return
    handler = _StandardError()
    handler.addFilter(JobFilter())
    handler.setFormatter(logging.Formatter(FORMAT, "%Y-%m-%d %H:%M:%S"))
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in OWN:
        logging.getLogger(name).setLevel(logging.INFO)
