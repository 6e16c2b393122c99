"""Lion."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.display import ADVANCED
from workbench.training.optimizer import NUMBER_BYTES, OPTIMIZERS, Optimizer


@OPTIMIZERS.register
class Lion(Optimizer):
    """Steps of one size for every weight, by the sign of its momentum: half of AdamW's memory.

    Chen et al. 2023, https://arxiv.org/abs/2302.06675. Take a third to a tenth of AdamW's learning rate, and as many
    times its weight decay.
    """

    method: ClassVar[str] = "lion"
    title: ClassVar[str] = "Lion"
    state_bytes_per_parameter: ClassVar[float] = NUMBER_BYTES

    beta1: Annotated[float, ADVANCED] = Field(
        0.9, ge=0, lt=1, title="Beta 1 (β₁)",
        description="Share of the average in the step's direction; the rest is the gradient's.",
    )  # fmt: skip
    beta2: Annotated[float, ADVANCED] = Field(
        0.99, ge=0, lt=1, title="Beta 2 (β₂)",
        description="Share that the average of gradients keeps at each step: larger is smoother and later to turn.",
    )  # fmt: skip

    def make(self, groups: list[dict[str, Any]], learning_rate: float) -> Any:
        from pytorch_optimizer import Lion

        return Lion(groups, lr=learning_rate, betas=(self.beta1, self.beta2))
