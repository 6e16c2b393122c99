"""Adafactor."""

import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.display import ADVANCED
from workbench.training.optimizer import NUMBER_BYTES, OPTIMIZERS, Optimizer


@OPTIMIZERS.register
class Adafactor(Optimizer):
    """AdamW without momentum whose squares are kept by row and column: next to no memory.

    Shazeer and Stern 2018, https://arxiv.org/abs/1804.04235, as torch has it: the step is in proportion to the size of
    the weights themselves, and 1e-3 to 1e-2 are usual learning rates.
    """

    method: ClassVar[str] = "adafactor"
    title: ClassVar[str] = "Adafactor"
    state_bytes_per_parameter: ClassVar[float] = 0.02

    beta2_decay: Annotated[float, ADVANCED] = Field(
        -0.8, gt=-1, lt=0, title="Beta 2 decay",
        description="How fast the average of squares slows down over the steps: nearer 0 forgets sooner.",
    )  # fmt: skip
    clip: Annotated[float, ADVANCED] = Field(
        1.0, ge=1, le=100, title="Update clipping",
        description="Updates whose root mean square is above this are scaled down to it.",
    )  # fmt: skip

    def state_bytes(self, shape: Sequence[int], table: bool = False) -> int:
        if len(shape) < 2:
            return math.prod(shape) * NUMBER_BYTES
        return math.prod(shape[:-2]) * (shape[-1] + shape[-2]) * NUMBER_BYTES

    def make(self, groups: list[dict[str, Any]], learning_rate: float) -> Any:
        import torch

        return torch.optim.Adafactor(groups, lr=learning_rate, beta2_decay=self.beta2_decay, d=self.clip)
