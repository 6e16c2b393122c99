"""The polynomial schedule."""

from typing import Any, ClassVar

from pydantic import Field

from workbench.training.schedule import SCHEDULES, RunLength, Schedule


@SCHEDULES.register
class Polynomial(Schedule):
    """Falls as a power of the steps that are left: above 1 it falls faster at first, below 1 at the end."""

    method: ClassVar[str] = "polynomial"
    title: ClassVar[str] = "Polynomial"

    power: float = Field(
        2.0, gt=0, le=10, title="Power", description="1 is a straight line; larger falls faster at first."
    )
    minimum: float = Field(
        0.0, ge=0, lt=1, title="Final share",
        description="Share of the highest learning rate that it ends at: 0 ends at none.",
    )  # fmt: skip

    def settings(self, run: RunLength) -> tuple[str, dict[str, Any]]:
        return "polynomial", {"power": self.power, "lr_end": self.minimum * run.learning_rate}
