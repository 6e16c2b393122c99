"""Whole models."""

from typing import ClassVar

from workbench.core.home import Home
from workbench.models.model_kinds import kind_of
from workbench.models.model_references import REFERENCE_KINDS, ModelRef, ReferenceKind, Resolved


@REFERENCE_KINDS.register
class ShelvedModel(ReferenceKind):
    """A whole model of the shelf, by its name, its hub id or the folder it was imported from."""

    method: ClassVar[str] = "model"
    title: ClassVar[str] = "Whole model"
    shelved: ClassVar[str] = "model"
    is_a: ClassVar[str] = "a whole model"
    forms: ClassVar[tuple[str, ...]] = ("a whole model",)

    @classmethod
    def require(cls, home: Home, resolved: Resolved, field: str, reference: ModelRef) -> None:
        if reference.text:
            kind_of(resolved.base).require_text(resolved.name, field)
