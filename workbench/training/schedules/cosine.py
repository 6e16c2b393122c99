"""The cosine schedule."""

from typing import Any, ClassVar

from pydantic import Field

from workbench.training.schedule import SCHEDULES, RunLength, Schedule


@SCHEDULES.register
class Cosine(Schedule):
    """Falls along half a cosine: slowly at first, fastest in the middle, slowly at the end.

    Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983, without restarts.
    """

    method: ClassVar[str] = "cosine"
    title: ClassVar[str] = "Cosine"

    minimum: float = Field(
        0.0, ge=0, lt=1, title="Final share",
        description="Share of the highest learning rate that it ends at: 0 ends at none.",
    )  # fmt: skip

    def settings(self, run: RunLength) -> tuple[str, dict[str, Any]]:
        return ("cosine_with_min_lr", {"min_lr_rate": self.minimum}) if self.minimum else ("cosine", {})
