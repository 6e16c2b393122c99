"""The models of a home: folders of safetensors, whole models and adapters, listed without importing torch."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.core.errors import Problems, UserError, explain, shortened
from workbench.core.home import Home, checked_entry, existing, list_all_artifacts, safe_join
from workbench.core.limits import bounded_integer, bounded_object, text_up_to
from workbench.core.lineage import Manifest, read_manifest
from workbench.core.recycle_bin import put_in_bin
from workbench.core.row_cache import RowCache
from workbench.models import tensors
from workbench.models.model_kinds import ModelKind, kind_from
from workbench.models.model_names import model_folder

KINDS = ("model", "adapter", "ensemble", "gguf")
SHOWN_CHARACTERS = 100  # characters of a name that files of a model hold


@dataclass(frozen=True)
class ModelInfo:
    """One row of the shelf. Sizes in bytes; `base` is the shelf name of an adapter's base model."""

    name: str
    kind: str
    folder: Path
    base: str = ""
    architecture: str = ""
    dtype: str = ""
    parameters: int = 0
    size: int = 0
    made_by: str = ""
    created: str = ""
    parents: list[str] = field(default_factory=list)
    error: str = ""
    family: ModelKind | None = None
    scaling: str = ""  # of its rotary positions, where a training or an adapter in it has scaled them

    @property
    def generates(self) -> bool:
        """Whether it answers prompts: what is no model of its own does, through the models it stands on."""
        return self.family is None or self.family.generates

    @property
    def described(self) -> str:
        """What it is in a few words: 'adapter of smollm2', 'causal, mixture of experts', 'encoder: no chat, …'."""
        if self.is_adapter:
            return f"adapter of {self.base}"
        if self.family is None:
            return self.kind
        return self.family.label if self.generates else f"{self.family.label}: no chat, no training"

    @property
    def is_adapter(self) -> bool:
        return self.kind == "adapter"

    @property
    def is_ensemble(self) -> bool:
        return self.kind == "ensemble"

    @property
    def has_weights(self) -> bool:
        """Whether it can be trained, merged or quantized."""
        return not self.error and self.kind in ("model", "adapter")


def check_free(home: Home, name: str, problems: Problems, field_name: str = "output") -> None:
    """Adds a problem unless the shelf can take something new under this name."""
    try:
        if safe_join(home.models, name, field_name).exists():
            problems.add(field_name, f"{name!r} is on the shelf already.", "Choose another name.")
    except UserError as error:
        problems.collect(field_name, error)


def model_info(home: Home, name: str) -> ModelInfo:
    """Everything the list shows about one model; raises `UserError` if it is not there or damaged."""
    return model_row(model_folder(home, name))


def model_row(folder: Path) -> ModelInfo:
    """As `model_info`, of a folder wherever it lies: what is to come onto the shelf is tried with this first."""
    manifest = read_manifest(folder)
    if manifest.kind not in KINDS:
        raise UserError(
            f"its manifest says {shortened(repr(manifest.kind), 40)}, no kind of model.", "Import it again."
        )
    if manifest.kind == "ensemble":
        return _ensemble_info(folder, manifest)
    if manifest.kind == "gguf":
        return _gguf_info(folder, manifest)
    base = manifest.parent("base")
    weights = tensors.summary(folder)
    config = read_config(folder / ("adapter_config.json" if manifest.kind == "adapter" else "config.json"))
    info = manifest.info
    # packed tensors do not tell their own number
    declared_parameters = bounded_integer(info.get("parameters")) if "type" in info else None
    return ModelInfo(
        name=folder.name,
        kind=manifest.kind,
        folder=folder,
        base=base.name if base else "",
        architecture=architecture_of(config, manifest.kind),
        dtype=weights.dtype if declared_parameters is None else text_up_to(info["type"], SHOWN_CHARACTERS),
        parameters=weights.parameters if declared_parameters is None else declared_parameters,
        size=weights.size,
        made_by=_method(manifest),
        created=text_up_to(manifest.created, SHOWN_CHARACTERS),
        parents=[parent.name for parent in manifest.parents],
        family=kind_from(config) if manifest.kind == "model" else None,
        scaling=text_up_to(info.get("rope_scaling"), SHOWN_CHARACTERS),
    )


def _ensemble_info(folder: Path, manifest: Manifest) -> ModelInfo:
    members, bases = (
        [parent.name for parent in manifest.parents if parent.role == role] for role in ("member", "member-base")
    )
    return ModelInfo(
        folder.name, "ensemble", folder, architecture=f"ensemble of {len(members)}",
        created=text_up_to(manifest.created, SHOWN_CHARACTERS), made_by=_method(manifest), parents=[*members, *bases],
    )  # fmt: skip


def _gguf_info(folder: Path, manifest: Manifest) -> ModelInfo:
    """What a GGUF says of itself was written into its manifest when it was made or imported."""
    info = manifest.info
    return ModelInfo(
        folder.name, "gguf", folder, architecture=text_up_to(info.get("architecture"), SHOWN_CHARACTERS),
        dtype=text_up_to(info.get("type"), SHOWN_CHARACTERS), parameters=bounded_integer(info.get("parameters")) or 0,
        size=gguf_in(folder).stat().st_size, created=text_up_to(manifest.created, SHOWN_CHARACTERS),
        made_by=_method(manifest), parents=[parent.name for parent in manifest.parents],
    )  # fmt: skip


def _method(manifest: Manifest) -> str:
    return text_up_to(manifest.made_by.get("method"), SHOWN_CHARACTERS)


def gguf_in(folder: Path) -> Path:
    """The one GGUF file of a folder; raises `UserError` when it is missing."""
    path = folder / "model.gguf"
    if not path.is_file():
        raise UserError(f"{folder.name} has no model.gguf.", "Make or import it again.")
    return path


def architecture_of(config: dict[str, Any], kind: str) -> str:
    """The name of the class, or type and rank of an adapter; '?' where the config does not tell.

    Raises `UserError` for classes that are no list of names, as every library of models takes them for.
    """
    if kind == "adapter":
        rank = bounded_integer(config.get("r"))
        return f"{text_up_to(config.get('peft_type'), SHOWN_CHARACTERS) or 'adapter'} r={'?' if rank is None else rank}"
    named = config.get("architectures") or []
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise UserError("architectures of config.json is no list of names.", "Get a fresh copy of that file.", "path")
    return shortened(named[0], SHOWN_CHARACTERS) if named else "?"


def list_models(home: Home) -> list[ModelInfo]:
    """The shelf, oldest first; what is damaged appears with its error. What did not change is not read again."""
    return sorted(_ROWS.rows(list_all_artifacts(home.models), _damaged), key=lambda info: info.created)


def _row(path: Path) -> ModelInfo:
    try:
        return model_row(checked_entry(path))
    except Exception as error:
        # Whatever one folder holds, the others must still be listed.
        return _damaged(path, error)


def _damaged(path: Path, error: Exception) -> ModelInfo:
    reason = explain(error) if path.is_dir() else UserError("this is no folder, as a model is.", "Delete it.")
    return ModelInfo(path.name, "damaged", path, error=shortened(str(reason), 500))


_ROWS = RowCache(_row, lasting=lambda info: not info.error)


def read_config(path: Path) -> dict[str, Any]:
    """The settings in a model's JSON file, {} where it is not there; raises `UserError` when it cannot be read."""
    return bounded_object(path) if os.path.lexists(path) else {}


def delete_model(home: Home, name: str) -> None:
    """Puts a model into the bin, damaged ones included.

    Raises `UserError` while adapters or ensembles on the shelf need it.
    """
    folder = existing(home.models, name) or model_folder(home, name)
    users = model_users(list_models(home)).get(name, ModelUsers())
    if users.adapters:
        raise UserError(
            f"{name!r} is the base of {', '.join(users.adapters)}.", "Delete those adapters first.", "model"
        )
    if users.ensembles:
        raise UserError(
            f"{name!r} is a member of {', '.join(users.ensembles)}.", "Delete those ensembles first.", "model"
        )
    put_in_bin(home, "model", folder)


@dataclass
class ModelUsers:
    """What on the shelf cannot be without a model: adapters on it, and ensembles it is a member of."""

    adapters: list[str] = field(default_factory=list)
    ensembles: list[str] = field(default_factory=list)


def model_users(infos: Iterable[ModelInfo]) -> dict[str, ModelUsers]:
    """By name, who needs a model; a damaged model is needed by nobody, who cannot have it anyway."""
    infos = list(infos)
    users = {info.name: ModelUsers() for info in infos if not info.error}
    for info in infos:
        if info.base in users:
            users[info.base].adapters.append(info.name)
        for parent in dict.fromkeys(info.parents) if info.is_ensemble else ():
            if parent in users:
                users[parent].ensembles.append(info.name)
    return users
