"""torchao in 4 bits, weights only: for NVIDIA GPUs."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workbench.compression import hf
from workbench.compression.quantizer import QUANTIZERS, Quantizer, SizeEstimate, Work
from workbench.compression.quantizers import torchao_int8
from workbench.core.display import Display
from workbench.core.errors import Problems, UserError
from workbench.core.hardware import hardware_from_os
from workbench.core.home import Home
from workbench.models.model_references import Resolved

COLUMNS, ROWS = 1024, 8  # matrices are filled up to multiples of these
NEEDS = "It needs an NVIDIA GPU of compute capability 8.0 or newer (Ampere): its kernels run nowhere else."


@QUANTIZERS.register
class TorchaoInt4(Quantizer):
    """4 bits a weight in groups, laid out for the tensor cores of NVIDIA GPUs, where it answers fastest.

    PyTorch's tinygemm kernel, https://github.com/pytorch/ao. The copy answers on such a GPU only.
    """

    method: ClassVar[str] = "torchao-int4"
    title: ClassVar[str] = "Torchao int4"

    group: Annotated[Literal["32", "64", "128", "256"], Display(unit="weights")] = Field(
        "128", title="Group size",
        description="Weights that share a scale and a zero point: smaller groups are more accurate and take more "
        "space.",
    )  # fmt: skip

    @classmethod
    def unavailable(cls) -> str:
        return torchao_int8.unavailable() or ("" if hardware_from_os().device == "cuda" else NEEDS)

    def estimate(self, resolved: Resolved) -> SizeEstimate:
        parts = hf.Parts.of(resolved.base)
        size = parts.bytes(self._packed) + 100 * len(parts.headers)
        return SizeEstimate(size, [*parts.notes(), "It answers on NVIDIA GPUs from Ampere on, nowhere else."])

    def _packed(self, rows: int, columns: int) -> tuple[float, int]:
        """(bytes, tensors) of a matrix; one whose width the group does not divide stays in 16 bits."""
        if columns % int(self.group):
            return 2 * rows * columns, 1
        weights = -(-columns // COLUMNS) * COLUMNS * -(-rows // ROWS) * ROWS
        return weights / 2 + 4 * weights / int(self.group) + 300, 2

    def check(self, home: Home, resolved: Resolved, problems: Problems) -> None:
        parts = hf.check_model(resolved, problems)
        odd = [width for width in parts.widths() if width % int(self.group)] if parts else []
        if odd:
            problems.add(
                "quantizers", f"Groups of {self.group} do not divide {odd[0]} columns.", "Take a smaller group."
            )

    def run(self, work: Work) -> dict[str, Any]:
        import torch
        from torchao.quantization import Int4WeightOnlyConfig
        from torchao.quantization.quantize_.workflows import Int4PackingFormat
        from transformers import TorchAoConfig

        if torch.cuda.get_device_capability() < (8, 0):
            raise UserError(f"{self.title} cannot run on this GPU.", NEEDS, "quantizers")
        config = Int4WeightOnlyConfig(
            group_size=int(self.group), int4_packing_format=Int4PackingFormat.TILE_PACKED_TO_4D
        )
        return {"type": "int4", **hf.quantize_and_save(work, TorchAoConfig(quant_type=config))}
