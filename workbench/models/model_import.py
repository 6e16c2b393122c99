"""A model or adapter from a folder onto the shelf, once everything about it has been checked. Imports no torch."""

from pathlib import Path
from typing import Any

from workbench.core.errors import Problems, UserError
from workbench.core.home import Home, safe_name
from workbench.core.lineage import Manifest, parent_of
from workbench.core.paths import regular_files
from workbench.models import tensors
from workbench.models.adapter_judge import remember_sound
from workbench.models.adapters import adapter_kind
from workbench.models.base_settings import base_settings, scaling_info
from workbench.models.inspection import EFFECT, inspect
from workbench.models.model_kinds import kind_of
from workbench.models.model_names import HUB_ID
from workbench.models.model_references import ModelRef
from workbench.models.shelf import architecture_of, read_config
from workbench.models.shelving import belongs_to_model, shelve

TEXT_BYTES = 64 * 1024**2  # of a file beside the weights: the largest tokenizers have half of it
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
BASE = ModelRef("model")
"""What an adapter is imported for."""


def import_folder(home: Home, source: str | Path, name: str, base: str = "", hub_id: str = "") -> Manifest:
    """Puts a copy of a local model or adapter folder on the shelf, which later writes to the source do not change.

    Raises `SpecError` with every problem: no config, pickled weights, remote code, missing shards or tensors, a
    tokenizer that does not fit, an adapter that its file or its base does not bear out. With `hub_id` (owner/name)
    recipes that name that model of the hub mean this copy.
    """
    if hub_id and not HUB_ID.fullmatch(hub_id):
        raise UserError(f"{hub_id!r} is no hub id.", "It reads owner/name.", "hub_id")
    source = Path(source).expanduser().resolve()
    name = safe_name(name)
    check_folder(home, source, base)
    is_adapter = (source / "adapter_config.json").is_file()
    made_by = {"method": "import-folder", "source": str(source)} | ({"repo": hub_id} if hub_id else {})
    trained_on = BASE.find(home, base, "base").base if is_adapter else None
    parents = [parent_of(trained_on, "base")] if trained_on else []
    manifest = shelve(
        home, name, source, kind="adapter" if is_adapter else "model", parents=parents,
        made_by=made_by, info=kind_info(source), link=False,
    )  # fmt: skip
    if trained_on:
        remember_sound(home, home.models / name, trained_on)
    return manifest


def kind_info(source: Path) -> dict[str, Any]:
    """What the manifest of an imported model says of its kind, and of what will not work with it."""
    if (source / "adapter_config.json").is_file():
        return scaling_info(base_settings(source))
    kind = kind_of(source)
    return {"kind": kind.label} | ({"limits": kind.limits} if kind.limits else {})


def check_folder(home: Home, source: Path, base: str = "") -> None:
    """Everything wrong with a model folder, at once."""
    problems = Problems()
    if not source.is_dir():
        raise UserError(f"{source} is not a folder.", "Give the folder that holds config.json.", "path")
    regular_files(source, belongs_to_model)
    names = {path.name for path in source.iterdir()}
    adapter = "adapter_config.json" in names
    if not adapter and "config.json" not in names:
        problems.add("path", "the folder has no config.json.", "Choose the folder transformers saved the model in.")
    if not any(name.endswith(".safetensors") for name in names):
        pickled = sorted(name for name in names if name.endswith(PICKLED))
        contents = f"only pickled weights ({pickled[0]})" if pickled else "no weights"
        problems.add(
            "path", f"there are {contents}.", "Save it as safetensors (save_pretrained does); pickles can run code."
        )
    config = _config(source, "adapter_config.json" if adapter else "config.json", problems)
    try:
        architecture_of(config, "adapter" if adapter else "model")
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
    texts = [path for path in source.iterdir() if belongs_to_model(path) and path.suffix != ".safetensors"]
    large = [path.name for path in texts if path.stat().st_size > TEXT_BYTES]
    if large:
        problems.add("path", f"{large[0]} is larger than {TEXT_BYTES / 1024**2:g} MB.", "Get a fresh copy of it.")
    problems.check()
    for damage in tensors.check_shards(source):
        problems.add("path", damage.message, damage.remedy)
    trained_on = _base_of(home, base, problems) if adapter else None
    problems.check()
    if adapter:
        adapter_kind(source).require_usable(source.name, "path")
    for problem in inspect(source, trained_on):
        if problem.path == EFFECT:
            problems.add("path", problem.message, problem.remedy)
        else:
            problems.found.append(problem)
    problems.check()


def _base_of(home: Home, base: str, problems: Problems) -> Path | None:
    """The folder of an adapter's base; a problem is added if it cannot be that."""
    if not base:
        problems.add("base", "an adapter needs its base model.", "Name the model on the shelf it was trained on.")
        return None
    try:
        return BASE.resolve(home, base, "base").base
    except UserError as error:
        problems.collect("base", error)
        return None


def _config(source: Path, name: str, problems: Problems) -> dict[str, Any]:
    try:
        return read_config(source / name)
    except UserError as error:
        problems.collect("path", error)
        return {}
