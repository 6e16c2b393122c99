"""Learning rate schedules: how the learning rate goes on after the warm-up. One a file in schedules/."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from workbench.core.registry import Method, Registry


@dataclass(frozen=True)
class RunLength:
    """The optimizer steps of a run, those of the warm-up, and the highest learning rate."""

    steps: int
    warmup_steps: int
    learning_rate: float


class Schedule(Method):
    """Base of every schedule. The warm-up is a setting of the training and the same for all of them."""

    @abstractmethod
    def settings(self, run: RunLength) -> tuple[str, dict[str, Any]]:
        """The name that `transformers.get_scheduler` has for it, and the settings that are its own there."""


SCHEDULES: Registry[Schedule] = Registry("schedule", "workbench.training.schedules")

FORMER_NAMES = {"constant_with_warmup": "constant"}
"""Names that older jobs have for schedules."""


def current_name(value: Any) -> Any:
    """What a job says of its schedule, by the name that it has now."""
    return FORMER_NAMES.get(value, value) if isinstance(value, str) else value
