"""Configurations of other programs that are given where rows are wanted: what each is, and where it would go."""

import re
from collections.abc import Iterator
from typing import Any

from workbench.core.errors import SpecError, UserError
from workbench.core.spec import load_yaml

TRAINING = "Training starts from a dataset and a model of the shelf: import those, and set the rest in Train."
MERGE = "a merge recipe of mergekit"
MULTI = "a list of merge recipes for mergekit-multi"
NEXT_DOCUMENT = re.compile(r"^---(?=\s|$)", re.MULTILINE)
LATER = "Training configurations of other programs are not taken over yet."
# (keys that tell it, what it is, what to do), the most telling first
KNOWN: tuple[tuple[frozenset[str], str, str], ...] = (
    (frozenset(("genome",)), "a search of mergekit-evolve", "Search a merge in Merge, or with a merge-search job."),
    (frozenset(("experts",)), "a recipe of mergekit-moe", "Give it to a job of the kind assemble-moe."),
    (frozenset(("merge_method",)), MERGE, "Give it to `merge FILE`, or load it in Merge."),
    (frozenset(("slices",)), MERGE, "Give it to `merge FILE`, or load it in Merge."),
    (
        frozenset(("model_name_or_path", "stage")),
        "a training configuration of LLaMA-Factory",
        f"{LATER} {TRAINING} Its datasets are listed in dataset_info.json, which can be imported.",
    ),
    (
        frozenset(("model_name_or_path", "finetuning_type")),
        "a training configuration of LLaMA-Factory",
        f"{LATER} {TRAINING} Its datasets are listed in dataset_info.json, which can be imported.",
    ),
    (
        frozenset(("adapter_name_or_path", "export_dir")),
        "a configuration of LLaMA-Factory that exports a model",
        "Fold the adapter into its base with a job of the kind fold.",
    ),
    (
        frozenset(("model_name_or_path", "export_dir")),
        "a configuration of LLaMA-Factory that exports a model",
        "Fold an adapter into its base with a job of the kind fold.",
    ),
    (
        frozenset(("model_name_or_path", "template")),
        "a configuration of LLaMA-Factory",
        f"{LATER} {TRAINING}",
    ),
    (
        frozenset(("model_name_or_path", "dataset_name")),
        "a training configuration of TRL",
        f"{LATER} {TRAINING} Its dataset_name can be imported from the hub.",
    ),
    (
        frozenset(("peft_type", "base_model_name_or_path")),
        "the configuration of an adapter",
        "Import the folder it lies in as a model, in Models or with `import-model`.",
    ),
    (
        frozenset(("model_type", "architectures")),
        "the configuration of a model",
        "Import the folder it lies in as a model, in Models or with `import-model`.",
    ),
    (
        frozenset(("base_model",)),
        "a training configuration of axolotl",
        f"{LATER} {TRAINING} What it lists under datasets can be imported once each entry has a path.",
    ),
)


def configuration_of(data: Any) -> tuple[str, str]:
    """(what it is, what to do with it) of a configuration read from YAML or JSON; two empty texts for anything else."""
    keys = {str(key) for key in data} if isinstance(data, dict) else set()
    return next(((kind, remedy) for signs, kind, remedy in KNOWN if signs <= keys), ("", ""))


def single_object_of(data: dict[str, Any]) -> tuple[str, str]:
    """As `configuration_of` for an object read as the only row of a dataset; lists of datasets are told too."""
    listed = [
        document
        for document in data.values()
        if isinstance(document, dict) and {"file_name", "hf_hub_url"} & document.keys()
    ]
    if listed and len(listed) == len(data):
        return "a list of LLaMA-Factory's datasets", "Call the file dataset_info.json, and its entries can be chosen."
    return configuration_of(data)


def refuse_configuration(data: Any, name: str, wanted: str = "dataset") -> None:
    """Raises `UserError` when the data is a configuration of another program, where a dataset or a model is wanted."""
    kind, remedy = configuration_of(data)
    if kind and kind != wanted:
        raise UserError(f"{name} is {kind}, not {_article(wanted)}.", remedy, "source")


def refuse_recipes(text: str, name: str, wanted: str = "dataset") -> None:
    """Raises `UserError` when the text has several YAML documents, of which some are merge recipes.

    https://github.com/arcee-ai/mergekit/blob/main/mergekit/scripts/multimerge.py
    """
    if any(configuration_of(document)[0] == MERGE for document in _documents(text)):
        remedy = "Give each of its recipes alone to `merge FILE`, or load it in Merge, those that others name first."
        raise UserError(f"{name} is {MULTI}, not {_article(wanted)}.", remedy, "source")


def _documents(text: str) -> Iterator[Any]:
    """The documents of a YAML file that has several, those that can be read."""
    parts = [document for document in NEXT_DOCUMENT.split(text) if document.strip()]
    for document in parts if len(parts) > 1 else []:
        try:
            yield load_yaml(document, aliases=True)
        except SpecError:
            continue


def _article(wanted: str) -> str:
    return wanted if wanted.startswith("a ") else f"a {wanted}"
