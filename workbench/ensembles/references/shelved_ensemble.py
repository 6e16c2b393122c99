"""Ensembles."""

from typing import ClassVar

from workbench.core.home import Home
from workbench.core.lineage import Manifest
from workbench.ensembles.shelf import read_ensemble
from workbench.models.model_references import REFERENCE_KINDS, ModelRef, ReferenceKind, Resolved


@REFERENCE_KINDS.register
class ShelvedEnsemble(ReferenceKind):
    """An ensemble of the shelf, by its name: several models that stay apart and answer together."""

    method: ClassVar[str] = "ensemble"
    title: ClassVar[str] = "Ensemble"
    shelved: ClassVar[str] = "ensemble"
    is_a: ClassVar[str] = "an ensemble: several models that answer together"
    forms: ClassVar[tuple[str, ...]] = ("an ensemble",)

    @classmethod
    def instead(cls, manifest: Manifest) -> dict[str, str]:
        members = ", ".join(parent.name for parent in manifest.parents if parent.role == "member")
        return {"model": f"Its members are: {members}."}

    @classmethod
    def require(cls, home: Home, resolved: Resolved, field: str, reference: ModelRef) -> None:
        read_ensemble(home, resolved.base.name)
