"""bitsandbytes in 4 bits: NormalFloat and FP4."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workbench.compression import hf
from workbench.compression.quantizer import QUANTIZERS, Quantizer, SizeEstimate, Work
from workbench.compression.quantizers import bnb_int8
from workbench.core.display import ADVANCED
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.models.model_references import Resolved

BLOCK_WEIGHTS, NESTED_SCALES = 64, 256  # weights that share a scale; scales that share a scale of their own
BOOK_BYTES, NESTED_BOOK_BYTES, STATE_BYTES = (
    16 * 4,
    256 * 4,
    180,
)  # bytes of the two tables of values, and of a description in JSON


@QUANTIZERS.register
class Bnb4Bit(Quantizer):
    """4 bits a weight in blocks of 64: NormalFloat, whose steps follow a normal distribution, or FP4.

    Dettmers et al. 2023, https://arxiv.org/abs/2305.14314. What QLoRA trains on: an adapter trained on this copy has
    seen its rounding. nf4 loses less than fp4.
    """

    method: ClassVar[str] = "bnb-4bit"
    title: ClassVar[str] = "Bitsandbytes 4-bit"

    type: Literal["nf4", "fp4"] = Field(
        "nf4", title="Data type",
        description="The sixteen values a weight can take: nf4 follows a normal distribution and loses less than "
        "fp4.",
    )  # fmt: skip
    double_quantization: bool = Field(
        True, title="Double quantization", description="Quantize the scales too, which saves another 0.4 bits a weight."
    )
    compute: Annotated[Literal["bfloat16", "float16", "float32"], ADVANCED] = Field(
        "bfloat16", title="Compute type",
        description="The type weights are unpacked to for multiplying: float32 is the most exact and the slowest.",
    )  # fmt: skip

    @classmethod
    def unavailable(cls) -> str:
        return bnb_int8.unavailable()

    def suffix(self) -> str:
        return self.type + ("" if self.double_quantization else "-single")

    def estimate(self, resolved: Resolved) -> SizeEstimate:
        parts = hf.Parts.of(resolved.base)
        return SizeEstimate(parts.bytes(self._packed), parts.notes())

    def _packed(self, rows: int, columns: int) -> tuple[float, int]:
        """(bytes, tensors) that a matrix of so many rows and columns takes."""
        blocks = -(-rows * columns // BLOCK_WEIGHTS)
        scales = (
            blocks + 4 * -(-blocks // NESTED_SCALES) + NESTED_BOOK_BYTES if self.double_quantization else 4 * blocks
        )
        return rows * columns / 2 + scales + BOOK_BYTES + STATE_BYTES, 6 if self.double_quantization else 4

    def check(self, home: Home, resolved: Resolved, problems: Problems) -> None:
        hf.check_model(resolved, problems)

    def run(self, work: Work) -> dict[str, Any]:
        from transformers import BitsAndBytesConfig

        config = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type=self.type,
            bnb_4bit_use_double_quant=self.double_quantization,
            bnb_4bit_compute_dtype=self.compute,
        )
        return {"type": self.type, **hf.quantize_and_save(work, config)}
