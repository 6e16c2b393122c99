"""The dataset card (README.md) of a dataset: what it is, how it was made, what every step did, how to load it.

Front matter: https://huggingface.co/docs/hub/datasets-cards
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.core.cards import render_card
from workbench.core.home import Home
from workbench.core.lineage import Manifest
from workbench.core.tasks import Task
from workbench.data.recipes.pipeline import step_summaries
from workbench.data.recipes.recipe import RECIPE, Recipe
from workbench.data.store.datasets import dataset_folder, dataset_manifest

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
LARGER = "1M<n<10M"
TAGS = {"conversation": ["sft"], "preference": ["dpo", "preference"], "unpaired": ["kto"], "text": [], "prompts": []}
STEP_COUNTS = ("given", "left", "removed", "changed", "flagged", "added")
JSON_TEXT = ("tools", "metadata", "tool_calls")
LONGEST_CHARACTERS, MOST_ENTRIES = 500, 20


def dataset_card(
    home: Home,
    name: str,
    repo: str = "",
    license: str = "",
    files: dict[str, str] | None = None,
    uses: Sequence[str] = (),
) -> str:
    """README.md of a dataset of the shelf; `files` are its data files by split, beside the card.

    `uses` are the optional fields its rows have. Raises `UserError` when there is no such dataset.
    """
    manifest = dataset_manifest(home, name)
    rows = {split: int(count) for split, count in (manifest.info.get("rows") or {}).items()}
    files = files or {split: f"data/{split}.parquet" for split, count in rows.items() if count}
    statistics = _statistics(home, name)
    return render_card(
        "dataset", front=_front(manifest, license, rows, files), manifest=manifest, rows=rows, repo=repo, files=files,
        encoded=[field for field in JSON_TEXT if field in uses],
        step_columns=["", "Step", *map(str.capitalize, STEP_COUNTS), "Notes"], steps=_steps(step_summaries(home, name)),
        recipe=_recipe(home, name), statistics=statistics, lengths=_lengths(statistics),
        duplicates=[(kind, count) for kind, count in statistics.get("duplicates", {}).items() if count is not None],
        parents=[(parent.role, parent.name, parent.kind, parent.digest[:12]) for parent in manifest.parents],
        about=_about(manifest),
    )  # fmt: skip


def size_category(rows: int) -> str:
    """The hub's name for a number of rows."""
    return next((name for limit, name in SIZES if rows < limit), LARGER)


def _front(manifest: Manifest, license: str, rows: dict[str, int], files: dict[str, str]) -> dict[str, Any]:
    kind = str(manifest.info.get("kind"))
    front: dict[str, Any] = {"pretty_name": manifest.name}
    if license_id := license or manifest.info.get("license"):
        front["license"] = license_id
    front["task_categories"] = ["text-generation"]
    front["size_categories"] = [size_category(sum(rows.values()))]
    front["tags"] = [*TAGS.get(kind, []), "llm-workbench"]
    data = [{"split": split, "path": path} for split, path in files.items()]
    front["configs"] = [{"config_name": "default", "data_files": data}]
    return front


def _steps(steps: list[dict[str, Any]]) -> list[list[Any]]:
    return [
        [number, step["title"], *(step[name] for name in STEP_COUNTS), " ".join(step.get("notes") or [])]
        for number, step in enumerate(steps, start=1)
    ]


def _recipe(home: Home, name: str) -> dict[str, Any]:
    folder = dataset_folder(home, name)
    return shareable(Recipe.at(folder).to_dict()) if (folder / RECIPE).is_file() else {}


def shareable(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe without folders of this machine and without rows: names of files stay, long texts and lists go."""
    source = dict(recipe.get("source") or {})
    if isinstance(source.get("paths"), list):
        source["paths"] = [Path(path).name for path in source["paths"]]
    return {**recipe, "source": _shortened(source), "steps": [_shortened(step) for step in recipe.get("steps") or []]}


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= LONGEST_CHARACTERS else f"({len(value):,} characters, left out here)"
    if isinstance(value, dict | list) and len(value) > MOST_ENTRIES:
        return f"({len(value):,} entries, left out here)"
    if isinstance(value, dict):
        return {key: _no_row(key, item) for key, item in value.items()}
    return [_shortened(item) for item in value] if isinstance(value, list) else value


def _no_row(key: str, value: Any) -> Any:
    """Rows edited by hand are the data itself: the recipe only says how many there are."""
    if key in ("changed", "added") and isinstance(value, dict | list):
        return f"({len(value):,} rows, left out here)"
    return _shortened(value)


def _statistics(home: Home, name: str) -> dict[str, Any]:
    """Lengths by split and duplicates; {} unless they were counted before."""
    from workbench.data.statistics import dataset_statistics

    try:
        return dataset_statistics.statistics(home, name, task=Task(check_stop=_not_now))
    except _NotCounted:
        return {}


def _lengths(statistics: dict[str, Any]) -> list[list[Any]]:
    rows = []
    for split, data in statistics.get("splits", {}).items():
        lengths = data["lengths"]
        mean, points = lengths["mean"], lengths["percentiles"]
        rows.append(
            [split, "" if mean is None else f"{mean:.1f}", points.get("50", ""), points.get("95", ""), lengths["max"]]
        )
    return rows


class _NotCounted(Exception):
    """The figures would have to be counted first."""


def _not_now() -> None:
    raise _NotCounted


def _about(manifest: Manifest) -> dict[str, Any]:
    recorded = manifest.info.get("source")
    source = {key: value for key, value in recorded.items() if key != "path"} if isinstance(recorded, dict) else {}
    about = {
        "source": _shortened(source),
        "rejected_rows": manifest.info.get("rejected"),
        "created": manifest.created,
        "digest": manifest.digest,
    }
    return {key: value for key, value in about.items() if value}
