"""Adam."""

from typing import Any, ClassVar

from workbench.training.optimizer import OPTIMIZERS
from workbench.training.optimizers.adamw import AdamFamily


@OPTIMIZERS.register
class Adam(AdamFamily):
    """As AdamW, but weight decay goes through the gradients and is scaled as they are.

    Kingma and Ba 2015, https://arxiv.org/abs/1412.6980. Without weight decay it is the same as AdamW.
    """

    method: ClassVar[str] = "adam"
    title: ClassVar[str] = "Adam"

    def make(self, groups: list[dict[str, Any]], learning_rate: float) -> Any:
        import torch

        return torch.optim.Adam(groups, lr=learning_rate, fused=True, **self.averages)
