"""The dataset card (README.md) of a dataset: what it is, how it was made, what every step did, how to load it.

Front matter: https://huggingface.co/docs/hub/datasets-cards
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.core.home import Home
from workbench.core.lineage import Manifest
from workbench.core.markdown import fenced, text
from workbench.core.spec import dump_yaml
from workbench.data.recipes.pipeline import report
from workbench.data.recipes.recipe import RECIPE, Recipe
from workbench.data.store.datasets import dataset_folder, dataset_manifest

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
LARGER = "1M<n<10M"
TAGS = {"conversation": ["sft"], "preference": ["dpo", "preference"], "unpaired": ["kto"], "text": [], "prompts": []}
ABOUT = {
    "conversation": "Conversations to fine-tune a language model on: lists of messages with role and content.",
    "preference": "Preference pairs: a prompt, the answer chosen, and the one rejected, each a list of messages.",
    "unpaired": "Unpaired preferences: a prompt, a completion, and whether it is wanted (label).",
    "text": "Texts to continue training a language model on.",
    "prompts": "Prompts without answers: lists of messages that end with the user's.",
}
JSON_TEXT = ("tools", "metadata", "tool_calls")
LONGEST, MOST = 500, 20


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
    files = files or {split: f"data/{split}.parquet" for split, rows in _rows(manifest).items() if rows}
    parts = [
        f"---\n{dump_yaml(_front(manifest, license, files))}---",
        f"# {text(name)}",
        ABOUT.get(str(manifest.info.get("kind")), "A dataset."),
        _table(["Split", "Rows"], list(_rows(manifest).items())),
        *_section("How to load it", _loading(name, repo, files, uses)),
        *_section("What each step did", _steps(report(home, name))),
        *_section("Recipe", _recipe(home, name)),
        *_section("Figures", _figures(home, name)),
        *_section("Where it comes from", _sources(manifest)),
    ]
    return "\n\n".join(parts) + "\n"


def size_category(rows: int) -> str:
    """The hub's name for a number of rows."""
    return next((name for limit, name in SIZES if rows < limit), LARGER)


def _rows(manifest: Manifest) -> dict[str, int]:
    return {split: int(rows) for split, rows in (manifest.info.get("rows") or {}).items()}


def _section(title: str, body: str) -> list[str]:
    return [f"## {title}", body] if body else []


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *[[_cell(cell) for cell in row] for row in rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else text(value)


def _front(manifest: Manifest, license: str, files: dict[str, str]) -> dict[str, Any]:
    kind = str(manifest.info.get("kind"))
    front: dict[str, Any] = {"pretty_name": manifest.name}
    if license_id := license or manifest.info.get("license"):
        front["license"] = license_id
    front["task_categories"] = ["text-generation"]
    front["size_categories"] = [size_category(sum(_rows(manifest).values()))]
    front["tags"] = [*TAGS.get(kind, []), "llm-workbench"]
    data = [{"split": split, "path": path} for split, path in files.items()]
    front["configs"] = [{"config_name": "default", "data_files": data}]
    return front


def _loading(name: str, repo: str, files: dict[str, str], uses: Sequence[str]) -> str:
    if repo:
        code = f'from datasets import load_dataset\n\ndata = load_dataset("{repo}")'
    else:
        named = ", ".join(f'"{split}": "{path}"' for split, path in files.items())
        code = f'from datasets import load_dataset\n\ndata = load_dataset("parquet", data_files={{{named}}})'
    encoded = [f"`{field}`" for field in JSON_TEXT if field in uses]
    words = [f"JSON text, to be read with `json.loads`: {', '.join(encoded)}."] if encoded else []
    return "\n\n".join([fenced(code, "python"), *words])


def _steps(steps: list[dict[str, Any]]) -> str:
    names = ("given", "left", "removed", "changed", "flagged", "added")
    rows = [
        [number, step["title"], *(step[name] for name in names), " ".join(step.get("notes") or [])]
        for number, step in enumerate(steps, start=1)
    ]
    return _table(["", "Step", *(name.capitalize() for name in names), "Notes"], rows) if rows else ""


def _recipe(home: Home, name: str) -> str:
    folder = dataset_folder(home, name)
    if not (folder / RECIPE).is_file():
        return ""
    return fenced(dump_yaml(shareable(Recipe.at(folder).to_dict())), "yaml")


def shareable(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe without folders of this machine and without rows: names of files stay, long texts and lists go."""
    source = dict(recipe.get("source") or {})
    if isinstance(source.get("paths"), list):
        source["paths"] = [Path(path).name for path in source["paths"]]
    return {**recipe, "source": _shortened(source), "steps": [_shortened(step) for step in recipe.get("steps") or []]}


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= LONGEST else f"({len(value):,} characters, left out here)"
    if isinstance(value, dict | list) and len(value) > MOST:
        return f"({len(value):,} entries, left out here)"
    if isinstance(value, dict):
        return {key: _no_row(key, item) for key, item in value.items()}
    return [_shortened(item) for item in value] if isinstance(value, list) else value


def _no_row(key: str, value: Any) -> Any:
    """Rows edited by hand are the data itself: the recipe only says how many there are."""
    if key in ("changed", "added") and isinstance(value, dict | list):
        return f"({len(value):,} rows, left out here)"
    return _shortened(value)


def _figures(home: Home, name: str) -> str:
    """Lengths by split and duplicates, if they were counted before."""
    from workbench.data.statistics import dataset_statistics

    try:
        statistics = dataset_statistics.statistics(home, name, stop=_not_now)
    except _NotCounted:
        return ""
    rows = []
    for split, data in statistics["splits"].items():
        points = data["lengths"]["percentiles"]
        middle, most = points.get("50", ""), points.get("95", "")
        mean = data["lengths"]["mean"]
        rows.append([split, f"{mean:.1f}" if mean is not None else "", middle, most, data["lengths"]["max"]])
    columns = ["Split", f"Mean {statistics['unit']}", "Median", "95 %", "Longest"]
    twice = statistics["duplicates"]
    words = ", ".join(f"{label}: {_cell(count)}" for label, count in twice.items() if isinstance(count, int))
    return "\n\n".join([_table(columns, rows), f"Duplicates: {words}.", *(text(note) for note in statistics["notes"])])


class _NotCounted(Exception):
    """The figures would have to be counted first."""


def _not_now() -> None:
    raise _NotCounted


def _sources(manifest: Manifest) -> str:
    recorded = manifest.info.get("source")
    source = {key: value for key, value in recorded.items() if key != "path"} if isinstance(recorded, dict) else {}
    parts = []
    if manifest.parents:
        rows = [[parent.role, parent.name, parent.kind, parent.digest[:12]] for parent in manifest.parents]
        parts.append(_table(["Role", "Name", "Kind", "Digest"], rows))
    about = {
        "source": _shortened(source),
        "rejected_rows": manifest.info.get("rejected"),
        "created": manifest.created,
        "digest": manifest.digest,
    }
    return "\n\n".join([*parts, fenced(dump_yaml({key: value for key, value in about.items() if value}), "yaml")])
