"""Datasets as other trainers list them: LLaMA-Factory's dataset_info.json, and the datasets in axolotl's YAML."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.core.errors import UserError
from workbench.core.foreign_configuration import configuration_of, refuse_configuration, refuse_recipes
from workbench.core.home import slug
from workbench.core.spec import load_yaml
from workbench.data.reading.readers import suffix_form
from workbench.data.sources.entry import Entry
from workbench.data.sources.entry_axolotl import axolotl_source
from workbench.data.sources.entry_llama_factory import factory_source
from workbench.data.sources.source import SOURCES, Source

DESCRIPTION = "dataset_info.json"
ALL = "all"
TRAINING_NOTE = (
    "{name} is a training configuration of axolotl: its datasets are read, and the rest of it is not taken over."
)
AXOLOTL_LISTS = ("datasets", "test_datasets", "pretraining_dataset")


@dataclass(frozen=True)
class _Listed:
    """An entry, and of axolotl's the `rl` that its configuration trains with; `note` is what to tell of the list."""

    entry: Entry
    is_axolotl: bool
    rl: Any = None
    note: str = ""


def list_beside(path: Path) -> Path | None:
    """The file that lists the datasets of what was named: itself, or the dataset_info.json of a folder."""
    listed = path / DESCRIPTION if path.is_dir() else path
    return listed if listed.is_file() and is_list_of_datasets(listed) else None


def is_list_of_datasets(path: Path) -> bool:
    """Whether a file, by its name, may list datasets."""
    return path.name == DESCRIPTION or path.suffix.lower() in (".yaml", ".yml")


def entries(text: str, name: str = "The file") -> list[str]:
    """The names of the datasets a file lists; axolotl's, which have none, go by their path.

    `name` is what the file is called. Raises `UserError` when it lists none, for a training configuration with what
    it is.
    """
    return list(_listed(text, name))


def name_of_entry(entry: str) -> str:
    """What the dataset of an entry is called: its name, or that of its file without the type, as names are written."""
    path, _, suffix = Path(entry).name.partition(" ")
    return slug(f"{path.split('.')[0]} {suffix}" if suffix_form(Path(path)) else Path(entry).name)


def entries_chosen(text: str, wanted: list[str], name: str = "The file") -> list[str]:
    """The entries meant: those wanted, all for ['all'], and where none is named the only one.

    Raises `UserError` for names that are not there, and for several of which none is named.
    """
    there = entries(text, name)
    if wanted == [ALL] and ALL not in there:
        return there
    if missing := [entry for entry in wanted if entry not in there]:
        raise UserError(f"There is no entry {missing[0]!r}.", f"There are: {', '.join(there)}.", "entry")
    if not wanted and len(there) > 1:
        raise UserError(
            f"{name} lists {len(there)} datasets: {', '.join(there)}.",
            f"Choose with --entry: one or several of these names, or {ALL}.",
            "entry",
        )
    return list(dict.fromkeys(wanted or there))


def source_of_entry(text: str, name: str, folder: Path, listed_in: str = "The file") -> Source:
    """The source one entry means: files in `folder` (where dataset_info.json lies), or a dataset of the hub.

    `listed_in` is what the file with the text is called.

    Raises `UserError` naming every key that cannot be honoured here, for files that are missing or outside the
    folder, and for values of a wrong type.
    """
    listed_entries = _listed(text, listed_in)
    if name not in listed_entries:
        raise UserError(f"There is no entry {name!r}.", f"There are: {', '.join(listed_entries) or 'none'}.", "entry")
    listed = listed_entries[name]
    try:
        if not listed.is_axolotl:
            return factory_source(listed.entry, folder)
        source = axolotl_source(listed.entry, folder, listed.rl)
    except (TypeError, AttributeError):
        raise UserError(
            f"The entry {name!r} is not written as it should be.", "Compare it with the documentation.", "entry"
        ) from None
    data = source.to_dict()
    return SOURCES.parse({**data, "notes": [listed.note, *data["notes"]]}) if listed.note else source


def _listed(text: str, name: str) -> dict[str, _Listed]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        refuse_recipes(text, name)
        data = load_yaml(text, aliases=True)
    if isinstance(data, dict) and any(_are_paths(data.get(key)) for key in AXOLOTL_LISTS):
        listed = [entry for key in AXOLOTL_LISTS for entry in _pathed(data.get(key), key)]
        is_training = bool(configuration_of(data)[0])
        return _of_axolotl(listed, data.get("rl"), TRAINING_NOTE.format(name=name) if is_training else "")
    if _are_paths(data):
        return _of_axolotl(data)
    if isinstance(data, dict):
        refuse_configuration(data, name)
    if isinstance(data, dict) and data and all(isinstance(entry, dict) for entry in data.values()):
        return {str(title): _Listed(entry, "path" in entry) for title, entry in data.items()}
    raise UserError(
        f"{name} is neither a dataset_info.json nor a list of axolotl datasets.",
        "Give an object of entries by name, or YAML with a list under datasets:.",
        "entry",
    )


def _are_paths(value: Any) -> bool:
    return (
        bool(value) and isinstance(value, list) and all(isinstance(entry, dict) and "path" in entry for entry in value)
    )


def _pathed(value: Any, key: str) -> list[Entry]:
    """The entries of one of axolotl's lists; the texts of a pretraining_dataset are learned whole."""
    if not _are_paths(value):
        return []
    usual = {"type": "pretrain"} if key == "pretraining_dataset" else {}
    return [{**usual, **entry} for entry in value]


def _of_axolotl(listed: list[Entry], rl: Any = None, note: str = "") -> dict[str, _Listed]:
    return {_title(entry, listed): _Listed(entry, True, rl, note) for entry in listed}


def _title(entry: Entry, others: list[Entry]) -> str:
    """An axolotl entry's path, and where two have the same one, what tells them apart."""
    path = str(entry["path"])
    alike = [other for other in others if str(other["path"]) == path]
    if len(alike) == 1:
        return path
    label = f"{entry.get('name') or ''}{entry.get('split') or ''}"
    twice = sum(f"{other.get('name') or ''}{other.get('split') or ''}" == label for other in alike) > 1
    return f"{path} {next(n for n, other in enumerate(others, 1) if other is entry) if twice or not label else label}"
