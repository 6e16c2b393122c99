"""manifest.yaml beside every artifact: what it is, what it was made from, and how."""

import datetime
import hashlib
import importlib.metadata
from pathlib import Path
from typing import Any

from pydantic import Field

from workbench.core.errors import UserError
from workbench.core.formats import MANIFEST_FORMAT, NOTES_FORMAT, NewerVersion
from workbench.core.home import write_text
from workbench.core.limits import bounded_text
from workbench.core.spec import Spec, dump_yaml, load_yaml

MANIFEST = MANIFEST_FORMAT.file_name


class Parent(Spec):
    """One artifact this one was made from."""

    kind: str
    name: str
    digest: str = ""
    role: str = ""


class Manifest(Spec):
    """What an artifact is. `digest` covers the names and contents of its files."""

    kind: str
    name: str
    created: str = ""
    digest: str = ""
    parents: list[Parent] = Field(default_factory=list)
    made_by: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    info: dict[str, Any] = Field(default_factory=dict)

    def parent(self, role: str) -> Parent | None:
        return next((parent for parent in self.parents if parent.role == role), None)


def now() -> str:
    """The time in UTC, as manifests write it: ISO 8601 to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """The packages that decide a result, without importing them."""
    names = ("torch", "transformers", "peft", "trl", "bitsandbytes", "datasets")
    return {name: importlib.metadata.version(name) for name in names}


def digest_of(folder: Path) -> str:
    """SHA-256 over the sorted relative names and contents of a folder's files, manifest and people's notes left out."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in (MANIFEST, NOTES_FORMAT.file_name):
            total.update(path.relative_to(folder).as_posix().encode() + b"\0")
            with path.open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def verify(folder: Path) -> None:
    """Raises `UserError` when an artifact's files are no longer those its manifest was written for."""
    expected = read_manifest(folder).digest
    changed = digest_of(folder) if expected else ""
    if changed != expected:
        raise UserError(
            f"{folder.name} has changed since it was put on the shelf (SHA-256 {changed[:12]}, not {expected[:12]}).",
            "Get or make it again; what was changed by hand belongs on the shelf under a name of its own.",
            "models",
        )


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Completes the manifest with time, digest and versions, and writes it into the folder."""
    complete = manifest.model_copy(
        update={
            "created": manifest.created or now(),
            "digest": digest_of(folder),
            "versions": manifest.versions or versions(),
        }
    )
    write_text(folder / MANIFEST, dump_yaml(MANIFEST_FORMAT.stamp(complete.to_dict())))
    return complete


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an artifact; raises `UserError` when it is missing or damaged, or a newer version wrote it."""
    path = folder / MANIFEST
    if not path.is_file():
        raise UserError(f"{folder.name} has no {MANIFEST}.", "Import it again.")
    try:
        return Manifest.parse(MANIFEST_FORMAT.upgrade(load_yaml(bounded_text(path)), folder.name))
    except NewerVersion:
        raise
    except UserError as error:
        raise UserError(f"The manifest of {folder.name} is damaged: {error}", "Import it again.") from None


def parent_of(folder: Path, role: str) -> Parent:
    """The entry that points at another artifact."""
    manifest = read_manifest(folder)
    return Parent(kind=manifest.kind, name=manifest.name, digest=manifest.digest, role=role)
