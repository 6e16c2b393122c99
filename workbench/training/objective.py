"""Objectives: what the model is trained for. One a file in objectives/."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from workbench.data.templates import Template
from workbench.registry import Method, Registry


@dataclass
class Setup:
    """All a trainer needs: the model ready to train, its tokenizer and template, the rows and TRL's arguments."""

    model: Any
    tokenizer: Any
    template: Template
    folder: Any
    rows: dict[str, list[dict[str, Any]]]
    kind: str
    max_length: int
    arguments: dict[str, Any]
    notes: list[str] = field(default_factory=list)


class Objective(Method):
    """Base of every objective. `learning_rate` is a field of each, as its good values differ by objective."""

    dataset_kinds: ClassVar[tuple[str, ...]]
    learning_rate: float

    def trainer(self, setup: Setup) -> Any:
        """The TRL trainer, ready to train."""
        raise TypeError(f"{type(self).__name__} has no trainer()")


OBJECTIVES: Registry[Objective] = Registry("objective", "workbench.training.objectives")
