"""One job as its folder tells it: its spec, and what its events say of it."""

import contextlib
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.core.errors import UserError
from workbench.jobs.deaths import MEMORY
from workbench.jobs.events import FINAL, EventLog, JobState
from workbench.jobs.job import Job, LessMemory
from workbench.jobs.job_file import read_job


@dataclass
class JobRecord:
    """A job as its folder tells it: the id, the spec (None if it cannot be read) and the story.

    `damage` says why it cannot be read; such a job never starts, and can be looked at and deleted.
    """

    id: str
    folder: Path
    job: Job | None
    state: JobState
    offset: int = 0
    damage: str = ""
    _reading: Any = field(default_factory=threading.RLock, repr=False)

    @property
    def status(self) -> str:
        """The status, where a 'running' whose process is gone reads 'interrupted'."""
        if self.error and self.state.status == "queued":
            return "failed"
        if self.state.status == "running" and not self.state.alive():
            self.refresh()  # it may have told its end after the last look
            return "interrupted" if self.state.status == "running" else self.state.status
        return self.state.status

    @property
    def label(self) -> str:
        return self.job.label() if self.job else self.id

    @property
    def error(self) -> str:
        """What is damaged, or why it failed."""
        silent = "" if self.state.has_status else "events.jsonl is missing, or says nothing of how far the job is."
        return self.damage or silent or self.state.error

    @property
    def is_settled(self) -> bool:
        """Whether its events tell an end, or what is damaged keeps it from ever running."""
        return self.state.status in FINAL or bool(self.error and self.state.status == "queued")

    @property
    def final(self) -> bool:
        return self.status in FINAL

    @property
    def can_resume(self) -> bool:
        return bool(self.job and self.status in ("interrupted", "stopped", "paused", "failed"))

    @property
    def less_memory(self) -> LessMemory | None:
        """How it goes on in less memory, offered where that ran out."""
        wanted = self.job and self.state.cause == MEMORY and self.can_resume
        return self.job.in_less_memory(self.state.used) if self.job and wanted else None

    def refresh(self) -> "JobRecord":
        """Folds in what is new; several threads look at the same view."""
        with self._reading:
            try:
                events, self.offset = EventLog(self.folder / "events.jsonl").read(self.offset)
            except OSError as error:
                self.damage = f"events.jsonl cannot be read: {error.strerror}."
                return self
            for event in events:
                self.state.add(event)
            if self.job and any(event["type"] == "status" and event.get("resume") is True for event in events):
                with contextlib.suppress(UserError, OSError):  # whoever resumed it may have changed its settings
                    self.job = read_job(self.folder)
        return self
