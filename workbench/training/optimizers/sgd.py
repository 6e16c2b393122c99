"""Stochastic gradient descent."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from workbench.core.errors import NestedSpecError, Problem
from workbench.training.optimizer import NUMBER_BYTES, OPTIMIZERS, Optimizer


@OPTIMIZERS.register
class Sgd(Optimizer):
    """Steps along the gradient, with momentum: least memory, but needs a much higher learning rate.

    Sutskever et al. 2013, https://proceedings.mlr.press/v28/sutskever13.html. Steps are as large as the gradients are,
    so that learning rates of 0.01 to 1 are usual, where AdamW takes 1e-4. Weight decay goes through the gradients.
    """

    method: ClassVar[str] = "sgd"
    title: ClassVar[str] = "SGD"
    state_bytes_per_parameter: ClassVar[float] = NUMBER_BYTES

    momentum: float = Field(
        0.9, ge=0, lt=1, title="Momentum",
        description="Share of the last step that is taken again: larger is faster along steady slopes; 0 takes no "
        "memory.",
    )  # fmt: skip
    nesterov: bool = Field(
        False, title="Nesterov momentum", description="Look ahead along the momentum before each step."
    )

    @model_validator(mode="after")
    def _check_nesterov(self) -> Self:
        if self.nesterov and not self.momentum:
            remedy = "Set momentum above 0, or turn Nesterov momentum off."
            raise NestedSpecError([Problem(("nesterov",), "Nesterov momentum needs momentum.", remedy)])
        return self

    def state_bytes(self, shape: Sequence[int], table: bool = False) -> int:
        return math.prod(shape) * NUMBER_BYTES if self.momentum else 0

    def make(self, groups: list[dict[str, Any]], learning_rate: float) -> Any:
        import torch

        return torch.optim.SGD(groups, lr=learning_rate, momentum=self.momentum, nesterov=self.nesterov)
