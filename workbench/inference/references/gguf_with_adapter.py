"""Adapters over GGUF files."""

from typing import ClassVar

from workbench.core.home import Home
from workbench.core.lineage import Manifest
from workbench.inference.gguf_lora import check_pair
from workbench.models.model_references import REFERENCE_KINDS, ModelRef, ReferenceKind, Resolved


@REFERENCE_KINDS.register
class GgufWithAdapter(ReferenceKind):
    """A LoRA adapter over a GGUF file that was made from its base, as GGUF+ADAPTER: both answer as one."""

    method: ClassVar[str] = "gguf-adapter"
    title: ClassVar[str] = "GGUF file with an adapter"
    shelved: ClassVar[str] = "gguf"
    plus: ClassVar[bool] = True
    is_a: ClassVar[str] = "an adapter over a GGUF file: made to answer, not to be trained, merged or quantized again"
    forms: ClassVar[tuple[str, ...]] = ("GGUF+ADAPTER",)

    @classmethod
    def instead(cls, manifest: Manifest) -> dict[str, str]:
        return {"adapter": "Name the adapter alone, or over a whole model.", "gguf": "Name the file alone."}

    @classmethod
    def require(cls, home: Home, resolved: Resolved, field: str, reference: ModelRef) -> None:
        check_pair(home, resolved, field)
