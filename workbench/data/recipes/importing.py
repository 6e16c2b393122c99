"""Makes a dataset from a source, and shows beforehand what would become of it."""

import dataclasses
import itertools
import json
from pathlib import Path

from workbench.core.assets import ASSETS
from workbench.core.errors import UserError
from workbench.core.formats import RECIPE_FORMAT
from workbench.core.home import Home, atomic_dir, safe_join, write_text
from workbench.core.lineage import Manifest, write_manifest
from workbench.core.parallel import Stop, Tell
from workbench.core.spec import dump_yaml
from workbench.data.reading.format import Format
from workbench.data.reading.lines import Rejected
from workbench.data.reading.row_batches import Readable
from workbench.data.reading.selection import EVERYTHING
from workbench.data.recipes.previewing import Preview, previewed
from workbench.data.recipes.recipe import RECIPE, Recipe
from workbench.data.sources.methods.files import Files
from workbench.data.sources.methods.pasted import Pasted
from workbench.data.sources.source import SOURCES, Source, choice_of, source_of_copies
from workbench.data.store.datasets import (
    checked_row,
    dataset_folder,
    dataset_manifest,
    row_counts,
    split_table,
    write_splits,
)
from workbench.rows.split import check_fraction

REJECTED = "rejected.jsonl"
SAMPLES = ASSETS / "samples"
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
    tell: Tell | None = None,
    stop: Stop | None = None,
) -> Manifest:
    """Reads a file (`Path`), several, pasted text (`str`) or a `Source` into the dataset `name`, whole or not at all.

    `format` and `encoding` are for files and pasted text; a `Source` has its own. Rows that cannot be read are kept
    in rejected.jsonl. Raises `UserError` when none can, with the first reasons, `SpecError` for a wrong seed, and
    whatever `stop` raises.
    """
    target = safe_join(home.datasets, name)
    check_fraction(eval_fraction)
    resolved = source_of(source, format, encoding)
    split = {"eval_fraction": eval_fraction, "seed": seed}
    steps = [{"method": "split", **split}] if eval_fraction else []
    Recipe.parse({"name": target.name, "source": resolved.recipe(target), "steps": steps})
    with atomic_dir(target, replace) as folder:
        imported = resolved.gather(home, folder, tell, stop)
        tables = split_table(imported.table, eval_fraction, seed)
        write_splits(folder, tables)
        recipe = {
            "name": target.name,
            "source": source_of_copies(resolved.recipe(target), imported.info),
            "steps": steps,
        }
        write_text(folder / RECIPE, dump_yaml(RECIPE_FORMAT.stamp(recipe)))
        info = {
            "kind": imported.kind,
            "rows": row_counts(tables),
            "rejected": imported.rejected,
            **split,
            **imported.info,
        }
        made_by = {"action": "import", "source": resolved.method, **split, "encoding": encoding}
        made_by |= {name: imported.info[name] for name in ("format", "columns") if name in imported.info}
        manifest = Manifest(kind="dataset", name=target.name, parents=imported.parents, made_by=made_by, info=info)
        written = write_manifest(folder, manifest)
        checked_row(folder)
        return written


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
            import_dataset(home, SAMPLES / file, name, eval_fraction=fraction)
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
