"""An import: the recipe of a source and a split step, and beforehand what would become of the source."""

import dataclasses
import itertools
import json
from pathlib import Path

from workbench.core.assets import ASSETS
from workbench.core.errors import UserError
from workbench.core.home import Home, safe_join
from workbench.core.lineage import Manifest
from workbench.data.reading.format import Format
from workbench.data.reading.lines import Rejected
from workbench.data.reading.row_batches import Readable
from workbench.data.reading.selection import EVERYTHING
from workbench.data.recipes.pipeline import prepare
from workbench.data.recipes.previewing import Preview, previewed
from workbench.data.recipes.recipe import Recipe
from workbench.data.recipes.step import StepWork
from workbench.data.recipes.steps.split import Split
from workbench.data.sources.methods.files import Files
from workbench.data.sources.methods.pasted import Pasted
from workbench.data.sources.source import SOURCES, Source, choice_of
from workbench.data.store.datasets import dataset_folder, dataset_manifest
from workbench.data.store.locks import locked

REJECTED = "rejected.jsonl"
SAMPLES_FOLDER = ASSETS / "samples"
FIELD_GUIDE = (("field-guide", "field_guide.jsonl", 0.1), ("field-guide-prompts", "prompts.jsonl", 0.0))
SourceLike = Path | str | list[Path] | Source


def import_dataset(
    home: Home,
    source: SourceLike,
    name: str,
    *,
    format: Format | None = None,
    eval_fraction: float = 0.1,
    seed: int = 0,
    encoding: str = "utf-8",
    replace: bool = False,
) -> Manifest:
    """Reads a file (`Path`), several, pasted text (`str`) or a `Source` into the dataset `name`, whole or not at all.

    `format` and `encoding` are for files and pasted text; a `Source` has its own. Rows that cannot be read are kept
    in rejected.jsonl. Raises `UserError` when none can, with the first reasons, and `SpecError` for a wrong setting.
    """
    recipe = import_recipe(
        safe_join(home.datasets, name).name, source_of(source, format, encoding), eval_fraction, seed
    )
    return import_by_recipe(home, recipe, StepWork(home), replace)


def import_recipe(name: str, source: Source, eval_fraction: float, seed: int) -> Recipe:
    """The recipe of an import: its source, and a split step unless nothing is held back. Raises `SpecError`."""
    steps = [{"method": Split.method, "eval_fraction": eval_fraction, "seed": seed}] if eval_fraction else []
    return Recipe.parse({"name": name, "source": source, "steps": steps})


def import_by_recipe(home: Home, recipe: Recipe, work: StepWork, replace: bool = False, job: str = "") -> Manifest:
    """Makes a dataset from a recipe whose source is read now, whatever was read before.

    Raises `UserError` when there is one of that name and it is not to be replaced.
    """
    with locked(home, recipe.name):
        if (home.datasets / recipe.name).exists() and not replace:
            remedy = "Choose another name, or delete that one first."
            raise UserError(f"{recipe.name!r} exists already.", remedy, "name")
        return prepare(home, recipe, work, past=[], read_anew=True, job=job)


def source_of(source: SourceLike, format: Format | None = None, encoding: str = "utf-8") -> Source:
    """The source that a path, several paths or pasted text stand for."""
    if isinstance(source, Source):
        return source
    if isinstance(source, str):
        return SOURCES.parse({"method": "pasted", "text": source, "format": format})
    paths = [str(path.expanduser().absolute()) for path in ([source] if isinstance(source, Path) else source)]
    return SOURCES.parse({"method": "files", "paths": paths, "format": format, "encoding": encoding})


def preview_source(source: SourceLike, format: Format | None = None, encoding: str = "utf-8") -> Preview:
    """Reads as `import_dataset` would (the first 20,000 rows at most) and writes nothing.

    Several files are looked at one after another, all in the format of the first. Raises `UserError` for a source
    that is not read here (the hub).
    """
    resolved = source_of(source, format, encoding)
    if not isinstance(resolved, Files | Pasted):
        raise UserError(f"{resolved.title} has no preview.", "Import it: what does not fit is kept aside.", "source")
    readable: list[Readable] = [*resolved.files()] if isinstance(resolved, Files) else [resolved.text]
    selection = resolved.selection() if isinstance(resolved, Files) else EVERYTHING
    preview = previewed(readable, choice_of(resolved.format, resolved.columns), resolved.reading(), selection)
    return (
        dataclasses.replace(preview, remarks=[*resolved.notes, *preview.remarks])
        if isinstance(resolved, Files)
        else preview
    )


def import_sample(home: Home) -> Manifest:
    """Imports the samples `field-guide` and `field-guide-prompts` unless they are there; the first one's manifest."""
    for name, file, fraction in FIELD_GUIDE:
        if not safe_join(home.datasets, name).exists():
            import_dataset(home, SAMPLES_FOLDER / file, name, eval_fraction=fraction)
    return dataset_manifest(home, FIELD_GUIDE[0][0])


def rejected(home: Home, name: str, start: int = 0, count: int = 50) -> list[Rejected]:
    """A page of the rows that could not be read; empty when there are none. Raises `UserError` when damaged."""
    path = rejected_file(home, name)
    if path is None:
        return []
    try:
        with path.open(encoding="utf-8") as file:
            return [Rejected(**json.loads(line)) for line in itertools.islice(file, start, start + count)]
    except (OSError, ValueError, TypeError):
        raise UserError(f"{REJECTED} of {name} is damaged.", "Import the dataset again.", "dataset") from None


def rejected_file(home: Home, name: str) -> Path | None:
    """The file with every rejected row, for download; None when all could be read."""
    path = dataset_folder(home, name) / REJECTED
    return path if path.is_file() else None
