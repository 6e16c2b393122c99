"""GGUF files."""

from typing import ClassVar

from workbench.core.home import Home
from workbench.core.lineage import Manifest
from workbench.models.model_references import REFERENCE_KINDS, ModelRef, ReferenceKind, Resolved
from workbench.models.shelf import gguf_in


@REFERENCE_KINDS.register
class ShelvedGguf(ReferenceKind):
    """A GGUF file of the shelf, by its name: it answers through llama.cpp and is not changed any more."""

    method: ClassVar[str] = "gguf"
    title: ClassVar[str] = "GGUF file"
    shelved: ClassVar[str] = "gguf"
    is_a: ClassVar[str] = "a GGUF file: made to answer, not to be trained, merged or quantized again"
    forms: ClassVar[tuple[str, ...]] = ("a GGUF file",)

    @classmethod
    def instead(cls, manifest: Manifest) -> dict[str, str]:
        source = manifest.parent("quantized")
        return {"model": f"It was made from {source.name!r}."} if source else {}

    @classmethod
    def require(cls, home: Home, resolved: Resolved, field: str, reference: ModelRef) -> None:
        gguf_in(resolved.base)
