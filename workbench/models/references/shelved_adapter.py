"""Adapters, over their own base or over one that is named before them."""

from typing import ClassVar

from workbench.core.home import Home
from workbench.core.lineage import Manifest
from workbench.models.adapter_judge import require_sound
from workbench.models.model_kinds import kind_of
from workbench.models.model_references import REFERENCE_KINDS, ModelRef, ReferenceKind, Resolved


@REFERENCE_KINDS.register
class ShelvedAdapter(ReferenceKind):
    """An adapter of the shelf over its base: by its own name, or as BASE+ADAPTER over another base of that shape."""

    method: ClassVar[str] = "adapter"
    title: ClassVar[str] = "Adapter"
    shelved: ClassVar[str] = "adapter"
    is_a: ClassVar[str] = "an adapter"
    forms: ClassVar[tuple[str, ...]] = ("an adapter", "BASE+ADAPTER")

    @classmethod
    def fits(cls, shelved: str, plus: bool) -> bool:
        return super().fits(shelved, plus) or (shelved, plus) == ("model", True)

    @classmethod
    def instead(cls, manifest: Manifest) -> dict[str, str]:
        base = manifest.parent("base")
        of = f"its base, {base.name!r}," if base else "its base"
        return {"model": f"Folded into {of} it is a whole model (fold-adapter)."}

    @classmethod
    def require(cls, home: Home, resolved: Resolved, field: str, reference: ModelRef) -> None:
        if reference.text:
            kind_of(resolved.base).require_text(resolved.name, field)
        if reference.sound:
            require_sound(home, resolved.adapter, resolved.base, field, reference.idle)
