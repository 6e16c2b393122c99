"""AdamW."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.display import ADVANCED
from workbench.training.optimizer import OPTIMIZERS, Optimizer


class AdamFamily(Optimizer):
    """Base of the optimizers with the two averages of Adam."""

    beta1: Annotated[float, ADVANCED] = Field(
        0.9, ge=0, lt=1, title="Beta 1 (β₁)",
        description="Share that the average of gradients keeps at each step: larger is smoother and later to turn.",
    )  # fmt: skip
    beta2: Annotated[float, ADVANCED] = Field(
        0.999, ge=0, lt=1, title="Beta 2 (β₂)",
        description="Share that the average of squared gradients keeps at each step: 0.95 to 0.999 are usual.",
    )  # fmt: skip
    eps: Annotated[float, ADVANCED] = Field(
        1e-8, gt=0, le=0.1, title="Epsilon (ε)",
        description="Added to the divisor: larger makes steps of small gradients smaller.",
    )  # fmt: skip

    @property
    def averages(self) -> dict[str, Any]:
        """The settings as torch names them."""
        return {"betas": (self.beta1, self.beta2), "eps": self.eps}


@OPTIMIZERS.register
class AdamW(AdamFamily):
    """Scales each weight's step by averages of its gradients; the usual choice.

    Adam with weight decay apart from the gradients: Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101.
    It holds two float32 numbers beside each weight.
    """

    method: ClassVar[str] = "adamw"
    title: ClassVar[str] = "AdamW"

    def make(self, groups: list[dict[str, Any]], learning_rate: float) -> Any:
        import torch

        return torch.optim.AdamW(groups, lr=learning_rate, fused=True, **self.averages)
