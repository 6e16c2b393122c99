"""A job: a spec that does work in a process of its own, and the context it works in."""

import importlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from workbench.core.children import Credential
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.core.registry import Method, Registry
from workbench.core.tasks import Task
from workbench.jobs.events import EventLog
from workbench.jobs.page import JobPage

log = logging.getLogger(__name__)

STOP_FILE = "stop"


class JobStopped(Exception):
    """Raised inside a job when it has wound up after a stop; `result` is what was kept."""

    status: ClassVar[str] = "stopped"

    def __init__(self, result: dict[str, Any] | None = None):
        super().__init__("stopped")
        self.result = result or {}


class JobPaused(JobStopped):
    """Raised inside a job that was asked to pause, when all it needs to go on lies in its folder."""

    status: ClassVar[str] = "paused"


class JobContext:
    """What a running job may use: its home and folder, events out, stop requests in.

    task: its work as a whole, whose progress becomes events; `check_stop` raises `JobStopped` if somebody asked to
    stop, for jobs that keep nothing half-done.
    """

    def __init__(self, home: Home, folder: Path, resume: bool = False, echo: Callable[[str], None] | None = None):
        self.home, self.folder, self.resume = home, folder, resume
        self.events = EventLog(folder / "events.jsonl")
        self.stop_asked = ""  # of this process itself, by a signal
        self._echo = echo
        self.task = Task(self._progress, self._check_stop)

    def _progress(self, done: float, total: float, text: str) -> None:
        self.events.append("progress", done=done, total=total, text=text)
        if self._echo:
            self._echo(f"[{done:g}/{total:g}] {text}")

    def waiting(self, text: str) -> None:
        """Says what keeps it from going on."""
        self.events.append("progress", done=None, total=None, text=text)
        if self._echo:
            self._echo(text)

    def metrics(self, step: int, **values: float | None) -> None:
        self.events.append("metrics", step=step, **values)
        if self._echo:
            shown = "  ".join(f"{key} {value:.4g}" for key, value in values.items() if value is not None)
            self._echo(f"step {step}  {shown}")

    def note(self, text: str) -> None:
        self.events.append("note", text=text)
        log.info("%s", text)
        if self._echo:
            self._echo(text)

    def alarm(self, kind: str, step: int, text: str) -> None:
        """Says that something goes wrong; pages show it apart from the notes. kind: one word, such as 'spike'."""
        self.events.append("alarm", kind=kind, step=step, text=text)
        log.warning("step %d: %s", step, text)
        if self._echo:
            self._echo(f"Warning, step {step}: {text}")

    def sample(self, step: int, index: int, prompt: str, text: str) -> None:
        """What the model under training answers now to the prompt of that index."""
        self.events.append("sample", step=step, index=index, prompt=prompt, text=text)
        if self._echo:
            self._echo(f"step {step}  {prompt!r} → {text!r}")

    def stop_requested(self) -> str:
        """'' while nobody asked, else 'keep', 'discard' or, of a job that can, 'pause'."""
        try:
            return (self.folder / STOP_FILE).read_text().strip() or "keep"
        except FileNotFoundError:
            return self.stop_asked

    def _check_stop(self) -> None:
        if how := self.stop_requested():
            raise JobPaused if how == "pause" else JobStopped


@dataclass(frozen=True)
class Output:
    """Something new that a job will put under a name: the setting the name comes from, and on which shelf."""

    field: str
    shelf: Literal["models", "datasets", "sessions"]
    name: str


@dataclass(frozen=True)
class LessMemory:
    """A job as it goes on in less memory: its new settings, what a button for that says, what it does, what it did."""

    job: "Job"
    title: str
    effect: str
    note: str


class Job(Method):
    """Base of every kind of job. Subclasses lie with what they work on, a file each in the folder `jobs` of a room."""

    runs: ClassVar[str]
    """Its engine, 'module:function', imported only where it runs: specs stay light, and engines know their spec."""
    uses_device: ClassVar[bool] = True
    resumable: ClassVar[bool] = False
    pausable: ClassVar[bool] = False
    """Whether it heeds 'pause': ends its process, makes nothing yet, and goes on later as if nothing had been."""
    page: ClassVar[JobPage | None] = None
    """Which tab shows its form; None for kinds that no form of their own starts."""

    def label(self) -> str:
        """The short name shown in lists."""
        return self.title

    def subject(self) -> str:
        """The artifact it works on, by which lists find its jobs; '' where there is no one such."""
        return ""

    def outputs(self) -> list[Output]:
        """What it will make under names that nothing else may have; two jobs that wait or run never share one."""
        return []

    def check(self, home: Home, problems: Problems) -> None:
        """Adds everything that would make the job fail later; called before it is queued."""

    def facts(self, home: Home) -> list[list[str]]:
        """Rows of (label, value) that tell what the job works on."""
        return []

    def blind(self, home: Home) -> bool:
        """Whether its settings and log must not be shown now, because somebody is to judge what it makes."""
        return False

    def in_less_memory(self, used: Mapping[str, Any]) -> LessMemory | None:
        """How it can be resumed after memory ran out, to the same result; None where nothing of it can be smaller.

        used: settings that its run went down to by itself, where they are others than its own.
        """
        return None

    def credentials(self) -> tuple[Credential, ...]:
        """Which of the operator's credentials its process gets; none unless it says so."""
        return ()

    def run(self, ctx: JobContext) -> dict[str, Any]:
        """Does the work and returns its result (JSON types); raises `UserError`, `JobStopped` or anything.

        Calls what `runs` names with this spec and `ctx`; a job of a few lines overrides it instead.
        """
        module, _, function = self.runs.partition(":")
        result: dict[str, Any] = getattr(importlib.import_module(module), function)(self, ctx)
        return result


def facts_of_job(job: Job | None) -> dict[str, str]:
    """What an event tells of a job: its kind, the name lists show it by, and what it makes."""
    if job is None:
        return {}
    makes = ", ".join(output.name for output in job.outputs())
    return {"job": job.method, "label": job.label(), **({"makes": makes} if makes else {})}


class JobRegistry(Registry[Job]):
    """The kinds of job."""

    def of_tab(self, tab: str) -> list[type[Job]]:
        """Those whose `page` names the tab, in its order; those of one order by their ids."""
        placed = [(kind.page.order, kind.method, kind) for kind in self if kind.page and kind.page.tab == tab]
        return [kind for _, _, kind in sorted(placed, key=lambda entry: entry[:2])]


JOBS = JobRegistry("kind of job", "workbench.*.jobs", key="job")
