"""The models of a home: folders of safetensors, whole models and adapters, listed without importing torch."""

import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.errors import Problems, UserError, explain, shortened
from workbench.home import Home, all_entries, entries, existing, inside, remove_entry, safe_name, writing
from workbench.limits import bounded_object, text, whole
from workbench.lineage import Manifest, Parent, parent_of, read_manifest, write_manifest
from workbench.models import tensors
from workbench.models.adapters import adapter_kind
from workbench.models.inspection import inspect
from workbench.models.model_kinds import ModelKind, kind_from, kind_of
from workbench.paths import regular_files
from workbench.registry import suggestion
from workbench.rowcache import RowCache

FICLONE = 0x40049409  # linux/fs.h
KINDS = ("model", "adapter", "ensemble", "gguf")
TEXT_BYTES = 64 * 1024**2  # of a file beside the weights: the largest tokenizers have half of it
SHOWN = 100  # characters of a name that files of a model hold
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
KEPT = (".safetensors", ".json", ".jinja", ".txt", ".model", ".md")
OF_WEIGHTS = ("config.json", "adapter_config.json", "model.safetensors.index.json", "README.md")


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


def model_folder(home: Home, name: str, field_name: str = "model") -> Path:
    """The folder of a model on the shelf; raises `UserError` with the nearest names."""
    folder = inside(home.models, name, field_name)
    if not folder.is_dir():
        known = [path.name for path in entries(home.models)]
        remedy = suggestion(name, known) if known else "Get the starter model first (Models tab, or `import-model`)."
        raise UserError(f"There is no model {name!r}.", remedy, field_name)
    return folder


def check_free(home: Home, name: str, problems: Problems, field_name: str = "output") -> None:
    """Adds a problem unless the shelf can take something new under this name."""
    try:
        if inside(home.models, name, field_name).exists():
            problems.add(field_name, f"{name!r} is on the shelf already.", "Choose another name.")
    except UserError as error:
        problems.collect(field_name, error)


def model_info(home: Home, name: str) -> ModelInfo:
    """Everything the list shows about one model; raises `UserError` if it is not there or damaged."""
    return row_of(model_folder(home, name))


def row_of(folder: Path) -> ModelInfo:
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
    config = _read_json(folder / ("adapter_config.json" if manifest.kind == "adapter" else "config.json"))
    said = manifest.info
    told = whole(said.get("parameters")) if "type" in said else None  # packed tensors do not tell their own number
    return ModelInfo(
        name=folder.name,
        kind=manifest.kind,
        folder=folder,
        base=base.name if base else "",
        architecture=_architecture(config, manifest.kind),
        dtype=weights.dtype if told is None else text(said["type"], SHOWN),
        parameters=weights.parameters if told is None else told,
        size=weights.size,
        made_by=_method(manifest),
        created=text(manifest.created, SHOWN),
        parents=[parent.name for parent in manifest.parents],
        family=kind_from(config) if manifest.kind == "model" else None,
    )


def _ensemble_info(folder: Path, manifest: Manifest) -> ModelInfo:
    members = [parent.name for parent in manifest.parents if parent.role == "member"]
    return ModelInfo(
        folder.name, "ensemble", folder, architecture=f"ensemble of {len(members)}",
        created=text(manifest.created, SHOWN), made_by=_method(manifest), parents=members,
    )  # fmt: skip


def _gguf_info(folder: Path, manifest: Manifest) -> ModelInfo:
    """What a GGUF says of itself was written into its manifest when it was made or imported."""
    info = manifest.info
    return ModelInfo(
        folder.name, "gguf", folder, architecture=text(info.get("architecture"), SHOWN),
        dtype=text(info.get("type"), SHOWN), parameters=whole(info.get("parameters")) or 0,
        size=gguf_in(folder).stat().st_size, created=text(manifest.created, SHOWN), made_by=_method(manifest),
        parents=[parent.name for parent in manifest.parents],
    )  # fmt: skip


def _method(manifest: Manifest) -> str:
    return text(manifest.made_by.get("method"), SHOWN)


def gguf_in(folder: Path) -> Path:
    """The one GGUF file of a folder; raises `UserError` when it is missing."""
    path = folder / "model.gguf"
    if not path.is_file():
        raise UserError(f"{folder.name} has no model.gguf.", "Make or import it again.")
    return path


def gguf_file(home: Home, name: str, field_name: str = "model") -> Path:
    """The file of a GGUF model on the shelf; raises `UserError` for models of other kinds."""
    folder = model_folder(home, name, field_name)
    if read_manifest(folder).kind != "gguf":
        raise UserError(f"{name!r} is no GGUF model.", "Quantize it to GGUF first.", field_name)
    return gguf_in(folder)


def _architecture(config: dict[str, Any], kind: str) -> str:
    """The name of the class, or type and rank of an adapter; '?' where the config does not tell.

    Raises `UserError` for classes that are no list of names, as every library of models takes them for.
    """
    if kind == "adapter":
        rank = whole(config.get("r"))
        return f"{text(config.get('peft_type'), SHOWN) or 'adapter'} r={'?' if rank is None else rank}"
    named = config.get("architectures") or []
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise UserError("architectures of config.json is no list of names.", "Get a fresh copy of that file.", "path")
    return shortened(named[0], SHOWN) if named else "?"


def list_models(home: Home) -> list[ModelInfo]:
    """The shelf, oldest first; what is damaged appears with its error. What did not change is not read again."""
    return sorted(_ROWS.rows(all_entries(home.models), _damaged), key=lambda info: info.created)


def _row(path: Path) -> ModelInfo:
    try:
        return row_of(inside(path.parent, path.name))
    except Exception as error:
        # Whatever one folder holds, the others must still be listed.
        return _damaged(path, error)


def _damaged(path: Path, error: Exception) -> ModelInfo:
    reason = explain(error) if path.is_dir() else UserError("this is no folder, as a model is.", "Delete it.")
    return ModelInfo(path.name, "damaged", path, error=shortened(str(reason), 500))


_ROWS = RowCache(_row, lasting=lambda info: not info.error)


@dataclass(frozen=True)
class Resolved:
    """Which folders make up a model: the base's, and the adapter's if it is one."""

    name: str
    base: Path
    adapter: Path | None

    @property
    def home_of_template(self) -> Path:
        """The folder whose tokenizer and chat template belong to this model."""
        return self.adapter if self.adapter and (self.adapter / "tokenizer.json").is_file() else self.base


def resolve(home: Home, name: str, field_name: str = "model") -> Resolved:
    """The folders behind a name; raises `UserError` when an adapter's base is missing."""
    folder = model_folder(home, name, field_name)
    manifest = read_manifest(folder)
    if manifest.kind == "ensemble":
        raise UserError(
            f"{name!r} is an ensemble: several models that answer together.",
            "It can answer in Compare and Label; for anything else choose one of its members.",
            field_name,
        )
    if manifest.kind == "gguf":
        raise UserError(
            f"{name!r} is a GGUF file: made to answer, not to be trained, merged or quantized again.",
            "It can answer in Compare and Label; for anything else choose the model it was made from.",
            field_name,
        )
    if manifest.kind != "adapter":
        return Resolved(name, folder, None)
    base = manifest.parent("base")
    if base is None or not (home.models / base.name).is_dir():
        missing = base.name if base else "?"
        raise UserError(
            f"{name!r} is an adapter of {missing!r}, which is not on the shelf.",
            "Import that base model under that name.",
            field_name,
        )
    return Resolved(name, model_folder(home, base.name, field_name), folder)


def answerable(home: Home, name: str, field_name: str = "model") -> None:
    """Raises `UserError` unless this name can answer prompts: a model, an adapter whose base is there, an ensemble."""
    manifest = read_manifest(model_folder(home, name, field_name))
    for member in [parent.name for parent in manifest.parents if parent.role == "member"]:
        resolve(home, member, field_name)
    if manifest.kind == "gguf":
        gguf_in(home.models / name)
    elif manifest.kind != "ensemble":
        kind_of(resolve(home, name, field_name).base).require_text(name, field_name)


HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def import_folder(home: Home, source: str | Path, name: str, base: str = "", hub_id: str = "") -> Manifest:
    """Puts a copy of a local model or adapter folder on the shelf, which later writes to the source do not change.

    Raises `SpecError` with every problem: no config, pickled weights, remote code, missing shards or tensors, a
    tokenizer that does not fit, an adapter that its file or its base does not bear out. With `hub_id` (owner/name)
    recipes that name that model of the hub mean this copy.
    """
    if hub_id and not HUB_ID.fullmatch(hub_id):
        raise UserError(f"{hub_id!r} is no hub id.", "It reads owner/name.", "hub id")
    source = Path(source).expanduser().resolve()
    name = safe_name(name)
    check_folder(home, source, base)
    is_adapter = (source / "adapter_config.json").is_file()
    made_by = {"method": "import-folder", "source": str(source)} | ({"repo": hub_id} if hub_id else {})
    parents = [parent_of(model_folder(home, base, "base"), "base")] if is_adapter else []
    return shelve(
        home, name, source, kind="adapter" if is_adapter else "model", parents=parents,
        made_by=made_by, info=told(source), link=False,
    )  # fmt: skip


def told(source: Path) -> dict[str, Any]:
    """What the manifest of an imported model says of its kind, and of what will not work with it."""
    if (source / "adapter_config.json").is_file():
        return {}
    kind = kind_of(source)
    return {"kind": kind.label} | ({"limits": kind.limits} if kind.limits else {})


def shelve(
    home: Home, name: str, source: Path, *, kind: str, parents: list[Parent], made_by: dict[str, Any],
    info: dict[str, Any] | None = None, link: bool = True,
) -> Manifest:  # fmt: skip
    """Puts the files that belong to a model into a new place on the shelf, whole or not at all.

    link: the source is ours, and nobody writes to it any more: hard links will do. Else each file is copied, by the
    file system's own copy on write where it has that.
    """
    with writing(home.models / safe_name(name)) as partial:
        for path in regular_files(source, _is_kept):
            (_link if link else clone)(path, partial / path.name)
        manifest = Manifest(kind=kind, name=name, parents=parents, made_by=made_by, info=info or {})
        manifest = write_manifest(partial, manifest)
        row_of(partial)
        return manifest


def _is_kept(path: Path) -> bool:
    """Whether a file of a model's folder belongs on the shelf."""
    return path.suffix in KEPT and path.name != "manifest.yaml"


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
        if path.is_file() and path.suffix in KEPT and path.suffix != ".safetensors" and path.name not in OF_WEIGHTS:
            shutil.copyfile(path, target / path.name)


def check_folder(home: Home, source: Path, base: str = "") -> None:
    """Everything wrong with a model folder, at once."""
    problems = Problems()
    if not source.is_dir():
        raise UserError(f"{source} is not a folder.", "Give the folder that holds config.json.", "path")
    regular_files(source, _is_kept)
    names = {path.name for path in source.iterdir()}
    adapter = "adapter_config.json" in names
    if not adapter and "config.json" not in names:
        problems.add("path", "the folder has no config.json.", "Choose the folder transformers saved the model in.")
    if not any(name.endswith(".safetensors") for name in names):
        pickled = sorted(name for name in names if name.endswith(PICKLED))
        found = f"only pickled weights ({pickled[0]})" if pickled else "no weights"
        problems.add(
            "path", f"there are {found}.", "Save it as safetensors (save_pretrained does); pickles can run code."
        )
    config = _config(source, "adapter_config.json" if adapter else "config.json", problems)
    try:
        _architecture(config, "adapter" if adapter else "model")
    except UserError as error:
        problems.collect("path", error)
    if "auto_map" in config:
        problems.add(
            "path", "the model brings its own Python code (auto_map).", "Only architectures in transformers run."
        )
    if not adapter and "tokenizer.json" not in names:
        problems.add(
            "path", "there is no tokenizer.json.", "Save the tokenizer with transformers into the same folder."
        )
    texts = [path for path in source.iterdir() if _is_kept(path) and path.suffix != ".safetensors"]
    large = [path.name for path in texts if path.stat().st_size > TEXT_BYTES]
    if large:
        problems.add("path", f"{large[0]} is larger than {TEXT_BYTES / 1024**2:g} MB.", "Get a fresh copy of it.")
    problems.check()
    for problem in tensors.check_shards(source):
        problems.add("path", problem, "Copy the missing files, or download the model again.")
    trained_on = _base_of(home, base, problems) if adapter else None
    problems.check()
    if adapter:
        adapter_kind(source).require_usable(source.name, "path")
    problems.found += inspect(source, trained_on)
    problems.check()


def _base_of(home: Home, base: str, problems: Problems) -> Path | None:
    """The folder of an adapter's base; a problem is added if it cannot be that."""
    if not base:
        problems.add("base", "an adapter needs its base model.", "Name the model on the shelf it was trained on.")
        return None
    try:
        found = resolve(home, base, "base")
        if found.adapter:
            problems.add("base", f"{base!r} is an adapter itself.", f"Name the model {found.base.name!r} under it.")
        kind_of(found.base).require_text(base, "base")
    except UserError as error:
        problems.collect("base", error)
        return None
    return found.base


def _config(source: Path, name: str, problems: Problems) -> dict[str, Any]:
    try:
        return _read_json(source / name)
    except UserError as error:
        problems.collect("path", error)
        return {}


def _read_json(path: Path) -> dict[str, Any]:
    return bounded_object(path) if os.path.lexists(path) else {}


def delete_model(home: Home, name: str) -> None:
    """Removes a model, damaged ones included; raises `UserError` while adapters or ensembles on the shelf need it."""
    folder = existing(home.models, name) or model_folder(home, name)
    infos = list_models(home)
    damaged = any(info.name == name and info.error for info in infos)  # what needs it cannot have it anyway
    users = [] if damaged else [info.name for info in infos if info.base == name]
    if users:
        raise UserError(f"{name!r} is the base of {', '.join(users)}.", "Delete those adapters first.", "model")
    ensembles = [] if damaged else [info.name for info in infos if info.is_ensemble and name in info.parents]
    if ensembles:
        raise UserError(f"{name!r} is a member of {', '.join(ensembles)}.", "Delete those ensembles first.", "model")
    remove_entry(folder)


def human_size(size: float) -> str:
    """1536 → '1.5 kB' in decimal units, as disks are sold."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if size >= 10 or unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def human_count(count: float) -> str:
    """134515008 → '135M'."""
    for unit in ("", "k", "M", "B"):
        if count < 1000:
            return f"{count:.3g}{unit}"
        count /= 1000
    return f"{count:.3g}T"
