"""Quantization-aware training: all weights learn while they are rounded in every step."""

import importlib.util
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.compression.hf import Parts
from workbench.core.display import Display
from workbench.core.errors import UserError
from workbench.core.hardware import Hardware
from workbench.training.tuner import TUNERS
from workbench.training.tuners.full import Full


@TUNERS.register
class Qat(Full):
    """Trains all weights against rounding: each step computes with weights rounded to few bits, and mends the rest.

    The result is a whole model in its usual type whose weights lose little when they are quantized next, to the same
    bits in groups of the same size: GGUF's Q4_0 rounds to 4 bits in groups of 32. By torchao's fake quantization;
    the straight-through estimator, https://arxiv.org/abs/1308.3432. Memory and learning rates as for all weights.
    """

    method: ClassVar[str] = "qat"
    title: ClassVar[str] = "All weights, quantization-aware"

    bits: int = Field(
        4, ge=2, le=8, title="Bits",
        description="Bits that weights are rounded to while training: fewer is smaller and harder to learn.",
    )  # fmt: skip
    group: Annotated[int, Display(unit="weights")] = Field(
        32, ge=16, le=1024, title="Group size",
        description="Weights that share a scale: smaller groups are more accurate; must divide all widths.",
    )  # fmt: skip

    @classmethod
    def unavailable(cls) -> str:
        return "" if importlib.util.find_spec("torchao") else "It needs torchao: pip install torchao"

    def load(self, base: Path, adapter: Path | None, hardware: Hardware) -> Any:
        import torch
        from torchao.quantization import quantize_
        from torchao.quantization.qat import IntxFakeQuantizeConfig, QATConfig

        model = super().load(base, adapter, hardware)
        head = model.get_output_embeddings()
        rounded = IntxFakeQuantizeConfig(getattr(torch, f"int{self.bits}"), group_size=self.group)
        quantize_(
            model,
            QATConfig(weight_config=rounded, step="prepare"),
            lambda module, name: isinstance(module, torch.nn.Linear) and module is not head,
        )
        return model

    def save(self, model: Any, base: Path, folder: Path) -> dict[str, Any]:
        from torchao.quantization import quantize_
        from torchao.quantization.qat import QATConfig

        quantize_(model, QATConfig(step="convert"), lambda module, name: True)
        trained_for = f"{self.bits} bits in groups of {self.group}"
        return {**super().save(model, base, folder), "trained_for": trained_for}

    def reason_against(self, base: Path, adapter: Path | None) -> UserError | None:
        reason = super().reason_against(base, adapter)
        odd = [] if reason else [width for width in Parts.of(base).widths() if width % self.group]
        if odd:
            return UserError(
                f"Groups of {self.group} do not divide {odd[0]} columns.", "Take a smaller group.", "tuner"
            )
        return reason
