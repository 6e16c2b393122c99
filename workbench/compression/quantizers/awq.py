"""AWQ: 4 bits a weight, columns that see large activations scaled up before rounding."""

from typing import ClassVar

from workbench.compression.calibrated import Calibrated
from workbench.compression.quantizer import QUANTIZERS
from workbench.core.hardware import hardware_from_os


@QUANTIZERS.register
class Awq(Calibrated):
    """4 bits a weight; columns that see large activations are scaled up first, so that rounding hurts them less.

    Lin et al. 2023, https://arxiv.org/abs/2306.00978, by llm-compressor in an environment of its own. Without a
    calibration dataset the built-in sample conversations are used. vLLM runs the result packed.
    """

    method: ClassVar[str] = "awq"
    title: ClassVar[str] = "AWQ"
    zeros: ClassVar[bool] = True

    @classmethod
    def unavailable(cls) -> str:
        if hardware_from_os().device != "cuda":
            return "It needs a CUDA GPU: llm-compressor's search for the scales runs on no CPU."
        return super().unavailable()
