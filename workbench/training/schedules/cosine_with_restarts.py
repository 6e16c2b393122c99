"""The cosine schedule with restarts."""

from typing import Any, ClassVar

from pydantic import Field

from workbench.training.schedule import SCHEDULES, RunLength, Schedule


@SCHEDULES.register
class CosineWithRestarts(Schedule):
    """Falls along half a cosine several times, each time from the highest learning rate again.

    Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983 (SGDR). The end of each cycle is a good checkpoint.
    """

    method: ClassVar[str] = "cosine-with-restarts"
    title: ClassVar[str] = "Cosine with restarts"

    cycles: int = Field(
        2, ge=1, le=1000, title="Cycles", description="How often it falls, over the whole run; 1 has no restart."
    )

    def settings(self, run: RunLength) -> tuple[str, dict[str, Any]]:
        return "cosine_with_restarts", {"num_cycles": self.cycles}
