"""A quantizer: makes a smaller copy of a model. One a file in workbench/compression/quantizers."""

from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.core.registry import Method, Registry
from workbench.core.tasks import Task
from workbench.jobs.job import JobContext
from workbench.models.model_references import Resolved


@dataclass(frozen=True)
class SizeEstimate:
    """What a quantizer will make: bytes on the disk, and sentences worth knowing before."""

    bytes: int
    notes: list[str] = field(default_factory=list)


@dataclass
class Work:
    """What a quantizer works with.

    folder: where the model's files go, without a manifest. scratch: shared by all quantizers of a job and kept when
    it is resumed, for steps they have in common. calibration: rows of the chosen dataset, none if there is none.
    task: this quantizer's share of the job.
    """

    ctx: JobContext
    home: Home
    resolved: Resolved
    folder: Path
    scratch: Path
    calibration: list[dict[str, Any]]
    calibration_kind: str
    task: Task


class Quantizer(Method):
    """Base of every quantizer.

    makes: 'model' for a folder transformers loads, 'gguf' for one file of llama.cpp's. calibrates: whether it can use
    rows of a dataset. smaller: whether the file becomes smaller (a teaching one may only show the loss).
    """

    makes: ClassVar[Literal["model", "gguf"]] = "model"
    calibrates: ClassVar[bool] = False
    smaller: ClassVar[bool] = True

    def suffix(self) -> str:
        """What the result's name gets, such as q4_k_m."""
        return self.method

    def reads_rows(self) -> bool:
        """Whether it uses rows of a dataset as it is set."""
        return self.calibrates

    def needs_rows(self) -> bool:
        """Whether it cannot do without rows of a dataset as it is set."""
        return False

    @abstractmethod
    def estimate(self, resolved: Resolved) -> SizeEstimate:
        """The size of the result, from the headers of the model's files alone."""

    def check(self, home: Home, resolved: Resolved, problems: Problems) -> None:
        """Adds everything that would make it fail later."""

    @abstractmethod
    def run(self, work: Work) -> dict[str, Any]:
        """Writes the files; returns what the manifest should say (JSON types). Raises `UserError` or `JobStopped`."""


QUANTIZERS: Registry[Quantizer] = Registry("quantizer", "workbench.compression.quantizers")
