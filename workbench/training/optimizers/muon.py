"""Muon."""

import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.display import ADVANCED
from workbench.training.optimizer import NUMBER_BYTES, OPTIMIZERS, Decay, Optimizer, TrainedWeight, grouped


@OPTIMIZERS.register
class Muon(Optimizer):
    """Makes the step of each matrix orthogonal, so that all its directions learn alike; AdamW for all else.

    Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/, with steps scaled to the size of AdamW's as in
    Moonlight, https://arxiv.org/abs/2502.16982, so that AdamW's learning rates fit. Embeddings, output head, norms and
    biases are trained by AdamW. Matrices take half of AdamW's memory.
    """

    method: ClassVar[str] = "muon"
    title: ClassVar[str] = "Muon"
    state_bytes_per_parameter: ClassVar[float] = NUMBER_BYTES

    momentum: float = Field(
        0.95, ge=0, lt=1, title="Momentum",
        description="Share of the last step that is taken again: larger is smoother and later to turn.",
    )  # fmt: skip
    nesterov: bool = Field(
        True, title="Nesterov momentum", description="Look ahead along the momentum before each step."
    )
    iterations: Annotated[int, ADVANCED] = Field(
        5, ge=1, le=20, title="Newton-Schulz iterations",
        description="How often each step is made more nearly orthogonal: more is more exact and slower.",
    )  # fmt: skip

    def state_bytes(self, shape: Sequence[int], table: bool = False) -> int:
        return math.prod(shape) * NUMBER_BYTES * (1 if len(shape) == 2 and not table else 2)

    def build(self, weights: Sequence[TrainedWeight], learning_rate: float, decay: Decay) -> Any:
        matrices = [weight for weight in weights if weight.parameter.ndim == 2 and not weight.table]
        others = [weight for weight in weights if weight.parameter.ndim != 2 or weight.table]
        groups = [{**group, "use_muon": True} for group in grouped(matrices, decay)]
        groups += [{**group, "use_muon": False, "betas": (0.9, 0.999), "eps": 1e-8} for group in grouped(others, decay)]
        return self.make([{**group, "lr": learning_rate} for group in groups], learning_rate)

    def make(self, groups: list[dict[str, Any]], learning_rate: float) -> Any:
        from pytorch_optimizer import Muon

        settings: dict[str, Any] = {"momentum": self.momentum, "nesterov": self.nesterov, "ns_steps": self.iterations}
        return Muon(groups, lr=learning_rate, use_adjusted_lr=True, **settings)
