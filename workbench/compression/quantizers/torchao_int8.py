"""torchao in 8 bits, weights only."""

import importlib.util
from typing import Any, ClassVar

from workbench.compression import hf
from workbench.compression.quantizer import QUANTIZERS, Quantizer, SizeEstimate, Work
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.models.model_references import Resolved


@QUANTIZERS.register
class TorchaoInt8(Quantizer):
    """8 bits a weight with one scale a row, activations untouched: half the size, the smallest loss.

    PyTorch's own quantization, https://github.com/pytorch/ao. LoRA can be trained on it.
    """

    method: ClassVar[str] = "torchao-int8"
    title: ClassVar[str] = "Torchao int8"

    @classmethod
    def unavailable(cls) -> str:
        return unavailable()

    def estimate(self, resolved: Resolved) -> SizeEstimate:
        parts = hf.Parts.of(resolved.base)
        # each tensor's type stands in the file's metadata too, about 300 bytes for a packed one
        size = parts.bytes(lambda rows, columns: (rows * columns + 4 * rows + 300, 2))
        return SizeEstimate(size + 100 * len(parts.headers), parts.notes())

    def check(self, home: Home, resolved: Resolved, problems: Problems) -> None:
        hf.check_model(resolved, problems)

    def run(self, work: Work) -> dict[str, Any]:
        from torchao.quantization import Int8WeightOnlyConfig
        from transformers import TorchAoConfig

        return {"type": "int8", **hf.quantize_and_save(work, TorchAoConfig(quant_type=Int8WeightOnlyConfig()))}


def unavailable() -> str:
    """What torchao lacks here, or ''."""
    return "" if importlib.util.find_spec("torchao") else "It needs torchao: pip install torchao"
