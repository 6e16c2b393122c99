"""LAMB."""

from typing import Any, ClassVar

from workbench.training.optimizer import OPTIMIZERS
from workbench.training.optimizers.adamw import AdamFamily


@OPTIMIZERS.register
class Lamb(AdamFamily):
    """AdamW whose step for each matrix is in proportion to the matrix's own size: made for very large batches.

    You et al. 2020, https://arxiv.org/abs/1904.00962. Learning rates of 1e-3 to 1e-2 are usual.
    """

    method: ClassVar[str] = "lamb"
    title: ClassVar[str] = "LAMB"

    def make(self, groups: list[dict[str, Any]], learning_rate: float) -> Any:
        from pytorch_optimizer import Lamb

        return Lamb(groups, lr=learning_rate, **self.averages)
