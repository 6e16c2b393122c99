"""The warm-up, stable, decay schedule."""

import math
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workbench.core.display import Display
from workbench.training.schedule import SCHEDULES, RunLength, Schedule


@SCHEDULES.register
class Wsd(Schedule):
    """Stays at the highest learning rate for most of the run and falls in its last part: warm-up, stable, decay.

    Hu et al. 2024, https://arxiv.org/abs/2404.06395. Its stable part does not depend on how long the run is.
    """

    method: ClassVar[str] = "wsd"
    title: ClassVar[str] = "WSD (warm-up, stable, decay)"

    decay: Annotated[float, Display(unit="share")] = Field(
        0.2, gt=0, le=1, title="Decay",
        description="Share of the steps in which it falls, at the end: 0.1 to 0.2 are usual.",
    )  # fmt: skip
    shape: Annotated[
        Literal["1-sqrt", "linear", "cosine"],
        Display(labels={"1-sqrt": "1 − square root", "linear": "linear", "cosine": "cosine"}),
    ] = Field(
        "1-sqrt", title="Decay shape", description="How it falls: 1 − square root falls fastest at first."
    )  # fmt: skip
    minimum: float = Field(
        0.0, ge=0, lt=1, title="Final share",
        description="Share of the highest learning rate that it ends at, and that the warm-up starts at.",
    )  # fmt: skip

    def settings(self, run: RunLength) -> tuple[str, dict[str, Any]]:
        decay_steps = min(max(1, math.floor(round(self.decay * run.steps, 6))), run.steps - run.warmup_steps)
        settings = {"num_decay_steps": decay_steps, "decay_type": self.shape, "min_lr_ratio": self.minimum}
        return "warmup_stable_decay", settings
