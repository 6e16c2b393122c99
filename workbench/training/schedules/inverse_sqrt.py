"""The inverse square root schedule."""

import math
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.display import Display
from workbench.training.schedule import SCHEDULES, RunLength, Schedule

USUAL_SHARE = 0.1  # of the steps


@SCHEDULES.register
class InverseSqrt(Schedule):
    """Falls as one over the square root of the steps, whatever the length of the run; it never reaches 0.

    Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, section 5.3; Zhai et al. 2022,
    https://arxiv.org/abs/2106.04560.
    """

    method: ClassVar[str] = "inverse-sqrt"
    title: ClassVar[str] = "Inverse square root"

    timescale: Annotated[int, Display(unit="steps")] = Field(
        0, ge=0, le=1_000_000, title="Time scale",
        description="How slowly it falls: after three times as many steps it is halved. 0 takes those of the warm-up, "
        "or a tenth of the run where there is none.",
    )  # fmt: skip

    def settings(self, run: RunLength) -> tuple[str, dict[str, Any]]:
        usual = run.warmup_steps or math.ceil(USUAL_SHARE * run.steps)
        return "inverse_sqrt", {"timescale": self.timescale or usual}
