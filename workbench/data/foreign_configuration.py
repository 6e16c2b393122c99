"""Configurations of other programs that are given where rows are wanted: what each is, and where it would go."""

from typing import Any

from workbench.errors import UserError

TRAINING = "Training starts from a dataset and a model of the shelf: import those, and set the rest in Train."
LATER = "Training configurations of other programs are not taken over yet."
# (keys that tell it, what it is, what to do), the most telling first
KNOWN: tuple[tuple[frozenset[str], str, str], ...] = (
    (frozenset(("genome",)), "a search of mergekit-evolve", "Search a merge in Merge, or with a merge-search job."),
    (frozenset(("experts",)), "a recipe of mergekit-moe", "Give it to a job of the kind assemble-moe."),
    (frozenset(("merge_method",)), "a merge recipe of mergekit", "Give it to `merge FILE`, or load it in Merge."),
    (frozenset(("slices",)), "a merge recipe of mergekit", "Give it to `merge FILE`, or load it in Merge."),
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
        frozenset(("base_model",)),
        "a training configuration of axolotl",
        f"{LATER} {TRAINING} What it lists under datasets can be imported once each entry has a path.",
    ),
)


def configuration_of(data: Any) -> tuple[str, str]:
    """(what it is, what to do with it) of a configuration read from YAML or JSON; two empty texts for anything else."""
    keys = {str(key) for key in data} if isinstance(data, dict) else set()
    return next(((what, remedy) for signs, what, remedy in KNOWN if signs <= keys), ("", ""))


def refuse_configuration(data: Any, name: str, wanted: str = "dataset") -> None:
    """Raises `UserError` when the data is a configuration of another program, where a dataset or a model is wanted."""
    what, remedy = configuration_of(data)
    if what:
        raise UserError(f"{name} is {what}, not a {wanted}.", remedy, "source")
