"""A pruner: takes weights out of a model. One a file in workbench/compression/pruners."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from workbench.compression.quantizer import SizeEstimate
from workbench.core.errors import Problems
from workbench.core.registry import Method, Registry
from workbench.core.tasks import Task
from workbench.models.model_references import Resolved


@dataclass
class Cut:
    """What a pruner works with.

    resolved: a whole model, adapters folded in. folder: where the files go, without a manifest. model: the same model
    loaded, and rows: [{input_ids, …}] to run through it; None and empty without calibration.
    """

    resolved: Resolved
    folder: Path
    model: Any
    rows: Sequence[dict[str, list[int]]]
    seed: int
    task: Task


class Pruner(Method):
    """Base of every pruner.

    smaller, faster: what becomes of file and answers without special software. effect: the same in a sentence.
    """

    smaller: ClassVar[bool] = True
    faster: ClassVar[bool] = True
    effect: ClassVar[str]

    def suffix(self) -> str:
        """What the result's name gets, such as wanda-50."""
        return self.method

    def needs_rows(self) -> bool:
        """Whether it looks at activations, and so cannot work without a calibration dataset."""
        return False

    @abstractmethod
    def estimate(self, resolved: Resolved) -> SizeEstimate:
        """The size of the result, from the headers of the model's files alone. Raises `UserError`."""

    @abstractmethod
    def check(self, resolved: Resolved, problems: Problems) -> None:
        """Adds everything that would make it fail later."""

    @abstractmethod
    def run(self, cut: Cut) -> dict[str, Any]:
        """Writes config and weights; returns what the manifest should say (JSON types).

        Raises `UserError` or `JobStopped`.
        """


PRUNERS: Registry[Pruner] = Registry("pruner", "workbench.compression.pruners")
