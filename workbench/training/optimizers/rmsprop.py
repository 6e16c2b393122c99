"""RMSprop."""

import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.display import ADVANCED
from workbench.training.optimizer import NUMBER_BYTES, OPTIMIZERS, Optimizer


@OPTIMIZERS.register
class RmsProp(Optimizer):
    """Scales each weight's step by an average of its squared gradients alone; half of AdamW's memory.

    Tieleman and Hinton 2012, https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf. Learning rates
    as AdamW's. Weight decay goes through the gradients.
    """

    method: ClassVar[str] = "rmsprop"
    title: ClassVar[str] = "RMSprop"
    state_bytes_per_parameter: ClassVar[float] = NUMBER_BYTES

    alpha: float = Field(
        0.99, ge=0, lt=1, title="Smoothing (α)",
        description="Share that the average of squared gradients keeps at each step: larger is smoother.",
    )  # fmt: skip
    momentum: float = Field(
        0.0, ge=0, lt=1, title="Momentum",
        description="Share of the last step that is taken again: larger is faster along steady slopes.",
    )  # fmt: skip
    eps: Annotated[float, ADVANCED] = Field(
        1e-8, gt=0, le=0.1, title="Epsilon (ε)",
        description="Added to the divisor: larger makes steps of small gradients smaller.",
    )  # fmt: skip

    def state_bytes(self, shape: Sequence[int], table: bool = False) -> int:
        return math.prod(shape) * NUMBER_BYTES * (2 if self.momentum else 1)

    def make(self, groups: list[dict[str, Any]], learning_rate: float) -> Any:
        import torch

        settings: dict[str, Any] = {"alpha": self.alpha, "momentum": self.momentum, "eps": self.eps}
        return torch.optim.RMSprop(groups, lr=learning_rate, **settings)
