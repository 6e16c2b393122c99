"""Objectives: what the model is trained for. One a file in objectives/."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from workbench.core.registry import Method, Registry
from workbench.data.encoding.batches import Rules
from workbench.data.encoding.cache import EncodedRows
from workbench.rendering.templates import Template


@dataclass
class Setup:
    """All a trainer needs: the model ready to train, its tokenizer, the encoded rows by split and TRL's arguments."""

    model: Any
    tokenizer: Any
    encoded: dict[str, EncodedRows]
    max_length: int
    arguments: dict[str, Any]
    notes: list[str] = field(default_factory=list)


class Objective(Method):
    """Base of every objective. `learning_rate` is a field of each, as its good values differ by objective."""

    dataset_kinds: ClassVar[tuple[str, ...]]
    learning_rate: float

    def rules(self, kind: str, template: Template, max_length: int) -> Rules:
        """How rows of a kind are encoded for this objective."""
        return Rules(kind, template, max_length)

    def trainer(self, setup: Setup) -> Any:
        """The TRL trainer, ready to train."""
        raise TypeError(f"{type(self).__name__} has no trainer()")


OBJECTIVES: Registry[Objective] = Registry("objective", "workbench.training.objectives")
