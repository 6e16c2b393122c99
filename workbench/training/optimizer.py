"""Optimizers: how gradients become changes of the weights. One a file in optimizers/."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from workbench.core.registry import Method, Registry

NUMBER_BYTES = 4  # of a float32


@dataclass(frozen=True)
class TrainedWeight:
    """A weight that is trained: its parameter, and whether it is pulled towards zero (norms and biases are not).

    table: whether it holds a row for each token, as embeddings and output heads do.
    """

    parameter: Any
    decays: bool = True
    table: bool = False


@dataclass(frozen=True)
class Decay:
    """How far the weights that decay are pulled towards zero at each step: in proportion to them, or all alike."""

    weight_decay: float = 0.0
    l1: float = 0.0

    def of_group(self, decays: bool) -> dict[str, float]:
        """The settings of a group of parameters; of an optimizer without `l1`, `shrinking` carries it out."""
        return {"weight_decay": self.weight_decay if decays else 0.0, "l1": self.l1 if decays else 0.0}


class Optimizer(Method):
    """Base of every optimizer. Its own settings are fields; learning rate and decay are those of the training."""

    state_bytes_per_parameter: ClassVar[float] = 2 * NUMBER_BYTES
    """Bytes that it holds beside a float32 weight, per parameter of a large matrix, with its usual settings."""

    def state_bytes(self, shape: Sequence[int], table: bool = False) -> int:
        """Bytes that it holds beside a weight of this shape, as long as it trains and in every checkpoint.

        table: whether the weight has a row for each token, as `TrainedWeight` says it.
        """
        return math.ceil(math.prod(shape) * self.state_bytes_per_parameter)

    def build(self, weights: Sequence[TrainedWeight], learning_rate: float, decay: Decay) -> Any:
        """torch's optimizer over these weights; those that decay and those that do not are groups of their own."""
        return self.make(grouped(weights, decay), learning_rate)

    @abstractmethod
    def make(self, groups: list[dict[str, Any]], learning_rate: float) -> Any:
        """The optimizer over groups of parameters, each with its `weight_decay`; imports torch."""


def grouped(weights: Sequence[TrainedWeight], decay: Decay) -> list[dict[str, Any]]:
    """The groups of parameters, those that decay first; both, even if one is empty, as checkpoints have them."""
    return [
        {"params": [weight.parameter for weight in weights if weight.decays is decays], **decay.of_group(decays)}
        for decays in (True, False)
    ]


OPTIMIZERS: Registry[Optimizer] = Registry("optimizer", "workbench.training.optimizers")
