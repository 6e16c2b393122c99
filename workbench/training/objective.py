"""Objectives: what the model is trained for. One a file in objectives/."""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import Field

from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.core.registry import Method, Registry
from workbench.data.encoding.batches import Rules
from workbench.data.encoding.cache import EncodedRows
from workbench.models.model_references import Resolved
from workbench.rendering.templates import Template
from workbench.training.activation_memory import Batch, LayerSizes, logits_bytes
from workbench.training.weight_facts import WeightFacts


@dataclass
class Setup:
    """All a trainer needs: the model ready to train, its tokenizer, the encoded rows by split and TRL's arguments.

    models: what `models_needed` named, by role, frozen and ready to answer. batching: the job's, with `bins`, the rows
    of each packed sequence, where it packs. fused_loss: the job's; loss_code: what computes the loss, once the trainer
    is made. margins: of each encoded pair, by split, where the objective `uses_margins`.
    """

    model: Any
    tokenizer: Any
    encoded: dict[str, EncodedRows]
    max_length: int
    arguments: dict[str, Any]
    batching: str = "padding-free"
    fused_loss: str = "auto"
    loss_code: str = ""
    bins: list[list[int]] | None = None
    models: dict[str, Any] = field(default_factory=dict)
    margins: dict[str, list[float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class Objective(Method):
    """Base of every objective. `learning_rate` is a field of each, as its good values differ by objective."""

    dataset_kinds: ClassVar[tuple[str, ...]]
    rows_at_once: ClassVar[int] = 1
    """Sequences that a row of the batch puts through the model."""
    needs_reference: ClassVar[bool] = False
    """Whether a frozen copy of the model answers beside the one that trains."""
    metrics: ClassVar[tuple[str, ...]] = ("loss",)
    """What its evaluations tell, by the names in `best_evaluation.METRICS`."""
    packs: ClassVar[bool] = True
    """Whether a batch may hold any number of rows, so that they can be packed."""
    learning_rate: float = Field(
        gt=0, le=1, title="Learning rate",
        description="Size of the steps at their highest: larger learns faster, too large diverges.",
    )  # fmt: skip

    @property
    def uses_margins(self) -> bool:
        """Whether it learns by how much a pair's chosen answer is better."""
        return False

    def rules(self, kind: str, template: Template, max_length: int) -> Rules:
        """How rows of a kind are encoded for this objective."""
        return Rules(kind, template, max_length)

    def models_needed(self, home: Home, student: Resolved) -> dict[str, Resolved]:
        """The other models that training `student` needs, by the role they have among the result's parents.

        They are loaded into `Setup.models`. Raises `UserError` when one is missing or does not fit.
        """
        return {}

    def check(self, home: Home, student: Resolved, problems: Problems) -> None:
        """Adds what keeps this model from being trained for this; raises `UserError` too."""
        self.models_needed(home, student)

    def facts(self, home: Home, student: Resolved) -> list[list[str]]:
        """More lines for the check before the start, (name, value) each; raises `UserError`."""
        return [[role.capitalize(), needed.name] for role, needed in self.models_needed(home, student).items()]

    def loss_bytes(self, sizes: LayerSizes, batch: Batch, held: WeightFacts) -> int:
        """What output layer and loss take in memory when the backward pass begins."""
        return logits_bytes(sizes, batch, held)

    @abstractmethod
    def trainer(self, setup: Setup) -> Any:
        """The TRL trainer, ready to train."""


OBJECTIVES: Registry[Objective] = Registry("objective", "workbench.training.objectives")
