"""Files of a model put on the shelf: whole or not at all, and no longer the source's to change."""

import os
import shutil
from pathlib import Path
from typing import Any

from workbench.core.home import Home, atomic_dir, safe_name
from workbench.core.lineage import Manifest, Parent, write_manifest
from workbench.core.paths import regular_files
from workbench.models.base_settings import BASE_SETTINGS_FILE
from workbench.models.shelf import model_row

FICLONE = 0x40049409  # linux/fs.h
MODEL_SUFFIXES = (".safetensors", ".json", ".jinja", ".txt", ".model", ".md")
OF_WEIGHTS = (
    "config.json", "adapter_config.json", BASE_SETTINGS_FILE, "model.safetensors.index.json", "README.md",
)  # fmt: skip


def shelve(
    home: Home, name: str, source: Path, *, kind: str, parents: list[Parent], made_by: dict[str, Any],
    info: dict[str, Any] | None = None, link: bool = True,
) -> Manifest:  # fmt: skip
    """Puts the files that belong to a model into a new place on the shelf, whole or not at all.

    link: the source is ours, and nobody writes to it any more: hard links will do. Else each file is copied, by the
    file system's own copy on write where it has that.
    """
    with atomic_dir(home.models / safe_name(name)) as partial:
        for path in regular_files(source, belongs_to_model):
            (_link if link else clone)(path, partial / path.name)
        manifest = Manifest(kind=kind, name=name, parents=parents, made_by=made_by, info=info or {})
        manifest = write_manifest(partial, manifest)
        model_row(partial)
        return manifest


def belongs_to_model(path: Path) -> bool:
    """Whether a file of a model's folder belongs on the shelf."""
    return path.suffix in MODEL_SUFFIXES and path.name != "manifest.yaml"


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def clone(source: Path, target: Path) -> None:
    """Copies a file, sharing its blocks until either is written to where the file system can (btrfs, XFS, APFS)."""
    try:
        import fcntl

        with source.open("rb") as old, target.open("wb") as new:
            fcntl.ioctl(new.fileno(), FICLONE, old.fileno())
    except (ImportError, OSError):  # Windows, or a file system that cannot
        shutil.copyfile(source, target)


def copy_texts(source: Path, target: Path) -> None:
    """Copies tokenizer, chat template and their like: all that belongs on the shelf but what describes the weights."""
    for path in sorted(source.iterdir()):
        if (
            path.is_file()
            and path.suffix in MODEL_SUFFIXES
            and path.suffix != ".safetensors"
            and path.name not in OF_WEIGHTS
        ):
            shutil.copyfile(path, target / path.name)
