"""bitsandbytes in 8 bits: LLM.int8()."""

import importlib.util
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.compression import hf
from workbench.compression.quantizer import QUANTIZERS, Quantizer, SizeEstimate, Work
from workbench.core.display import ADVANCED
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.models.model_references import Resolved


@QUANTIZERS.register
class BnbInt8(Quantizer):
    """8 bits a weight with one scale a row, and outlier columns of the activations kept in 16 bits.

    Dettmers et al. 2022, https://arxiv.org/abs/2208.07339. Half the size, hardly any loss; LoRA can be trained on it.
    """

    method: ClassVar[str] = "bnb-int8"
    title: ClassVar[str] = "Bitsandbytes int8"

    threshold: Annotated[float, ADVANCED] = Field(
        6.0, ge=0, le=100, title="Outlier threshold",
        description="Activations larger than this are multiplied in 16 bits: lower is more accurate and slower; 0"
        " keeps none.",
    )  # fmt: skip

    @classmethod
    def unavailable(cls) -> str:
        return unavailable()

    def estimate(self, resolved: Resolved) -> SizeEstimate:
        parts = hf.Parts.of(resolved.base)
        size = parts.bytes(lambda rows, columns: (rows * columns + 4 * rows + 1, 3))
        return SizeEstimate(size, parts.notes())

    def check(self, home: Home, resolved: Resolved, problems: Problems) -> None:
        hf.check_model(resolved, problems)

    def run(self, work: Work) -> dict[str, Any]:
        from transformers import BitsAndBytesConfig

        config = BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=self.threshold)
        return {"type": "int8", **hf.quantize_and_save(work, config)}


def unavailable() -> str:
    """What bitsandbytes lacks here, or ''."""
    spec = importlib.util.find_spec("bitsandbytes")
    return "" if spec else "It needs bitsandbytes: pip install bitsandbytes"
