"""Absmax: symmetric whole numbers, the largest weight at the end of the scale."""

from typing import TYPE_CHECKING, ClassVar

from workbench.compression.quantizer import QUANTIZERS
from workbench.compression.rounding import Rounding

if TYPE_CHECKING:
    import torch


@QUANTIZERS.register
class Absmax(Rounding):
    """To learn from: divides by the largest absolute weight and rounds, zero in the middle.

    scale = max|w| / 127, q = round(w / scale), w ≈ scale · q. One large weight makes the steps of all others coarse,
    less so with a scale a row. https://arxiv.org/abs/2208.07339, section 2.
    """

    method: ClassVar[str] = "absmax"
    title: ClassVar[str] = "Absmax rounding"

    @property
    def limits(self) -> tuple[int, int]:
        most = 2 ** (self.bits - 1) - 1
        return -most, most

    def grid(self, weight: "torch.Tensor") -> tuple["torch.Tensor", "torch.Tensor"]:
        low, high = self.extremes(weight)
        scale = high.maximum(-low) / self.limits[1]
        scale[scale == 0] = 1  # a row of zeros
        return scale, scale.new_zeros(scale.shape)
