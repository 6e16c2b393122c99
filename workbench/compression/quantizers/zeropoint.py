"""Zero point: asymmetric whole numbers, the whole range of the weights on the whole scale."""

from typing import TYPE_CHECKING, ClassVar

from workbench.compression.quantizer import QUANTIZERS
from workbench.compression.rounding import Rounding

if TYPE_CHECKING:
    import torch


@QUANTIZERS.register
class ZeroPoint(Rounding):
    """To learn from: spreads the range from smallest to largest weight over all steps, with zero on one of them.

    scale = (max − min) / 255, zero = −128 − round(min / scale), q = round(w / scale) + zero, w ≈ scale · (q − zero).
    It uses steps that absmax leaves empty when the weights lean to one side. https://arxiv.org/abs/1712.05877
    """

    method: ClassVar[str] = "zeropoint"
    title: ClassVar[str] = "Zero-point rounding"

    @property
    def limits(self) -> tuple[int, int]:
        half = 2 ** (self.bits - 1)
        return -half, half - 1

    def grid(self, weight: "torch.Tensor") -> tuple["torch.Tensor", "torch.Tensor"]:
        low, high = (edge.clone() for edge in self.extremes(weight))
        low, high = low.clamp(max=0), high.clamp(min=0)  # zero itself must lie on the grid
        scale = (high - low) / (2**self.bits - 1)
        scale[scale == 0] = 1
        return scale, self.limits[0] - (low / scale).round()
