"""RAdam."""

from typing import Any, ClassVar

from workbench.training.optimizer import OPTIMIZERS
from workbench.training.optimizers.adamw import AdamFamily


@OPTIMIZERS.register
class RAdam(AdamFamily):
    """AdamW that takes plain momentum steps until its averages can be trusted, in place of a warm-up.

    Rectified Adam, Liu et al. 2020, https://arxiv.org/abs/1908.03265. Its first five or so steps do not divide by the
    averages, so that they are small where gradients are.
    """

    method: ClassVar[str] = "radam"
    title: ClassVar[str] = "RAdam"

    def make(self, groups: list[dict[str, Any]], learning_rate: float) -> Any:
        import torch

        return torch.optim.RAdam(groups, lr=learning_rate, decoupled_weight_decay=True, **self.averages)
