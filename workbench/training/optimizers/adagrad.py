"""Adagrad."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.display import ADVANCED
from workbench.training.optimizer import NUMBER_BYTES, OPTIMIZERS, Optimizer


@OPTIMIZERS.register
class Adagrad(Optimizer):
    """Scales each weight's step by all its squared gradients so far: steps only get smaller.

    Duchi et al. 2011, https://jmlr.org/papers/v12/duchi11a.html. Learning rates about ten times AdamW's. Weight decay
    goes through the gradients.
    """

    method: ClassVar[str] = "adagrad"
    title: ClassVar[str] = "Adagrad"
    state_bytes_per_parameter: ClassVar[float] = NUMBER_BYTES

    lr_decay: Annotated[float, ADVANCED] = Field(
        0.0, ge=0, le=1, title="Learning rate decay",
        description="At step n the learning rate is divided by 1 + (n − 1) times this, beside what the schedule does.",
    )  # fmt: skip
    initial: Annotated[float, ADVANCED] = Field(
        0.0, ge=0, le=10, title="Initial sum of squares",
        description="What the sum of squared gradients starts at: larger makes the first steps smaller.",
    )  # fmt: skip
    eps: Annotated[float, ADVANCED] = Field(
        1e-10, gt=0, le=0.1, title="Epsilon (ε)",
        description="Added to the divisor: larger makes steps of small gradients smaller.",
    )  # fmt: skip

    def make(self, groups: list[dict[str, Any]], learning_rate: float) -> Any:
        import torch

        settings: dict[str, Any] = {
            "lr_decay": self.lr_decay,
            "initial_accumulator_value": self.initial,
            "eps": self.eps,
        }
        return torch.optim.Adagrad(groups, lr=learning_rate, **settings)
