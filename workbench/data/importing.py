"""Makes a dataset from a file or pasted text, and shows beforehand what would become of it."""

import itertools
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.data.format import Detection, Format, columns_of, detect
from workbench.data.lines import Item, ReadRow, Rejected, reject
from workbench.data.reading import form_of, read_source
from workbench.data.split import check_fraction, row_digest
from workbench.data.store import dataset_manifest, row_counts, split_table, write_splits
from workbench.data.table import Gathering
from workbench.errors import UserError
from workbench.home import NAME, Home, inside, slug, writing
from workbench.lineage import Manifest, write_manifest

SAMPLE = 50
SHOWN = 20
PREVIEW = 20_000
COPY_LIMIT = 200 * 1024 * 1024
ASSETS = Path(__file__).parents[2] / "assets" / "samples"
SAMPLES = (("field-guide", "field_guide.jsonl", 0.1), ("field-guide-prompts", "prompts.jsonl", 0.0))


@dataclass(frozen=True)
class Preview:
    """What an import would give. `raw` are the first rows as they are, `rows` the same made canonical.

    `good` and `bad` count the rows looked at: all of them when `complete`, else the first 20,000.
    """

    format: Format | None
    reason: str
    candidates: list[Format]
    columns: list[str]
    raw: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    good: int
    bad: int
    rejected: list[Rejected]
    complete: bool


@dataclass(frozen=True)
class _Gathered:
    table: pa.Table
    digests: list[bytes]
    rejected: int


def import_dataset(
    home: Home,
    source: Path | str,
    name: str,
    *,
    format: Format | None = None,
    eval_fraction: float = 0.1,
    seed: int = 0,
    encoding: str = "utf-8",
    replace: bool = False,
) -> Manifest:
    """Reads a file (`Path`) or pasted text (`str`) into the dataset `name`, whole or not at all.

    Rows that cannot be read are kept in rejected.jsonl. Raises `UserError` when none can, with the first reasons.
    """
    target = inside(home.datasets, name)
    check_fraction(eval_fraction)
    with writing(target, replace) as folder:
        form, items = _with_format(source, format, encoding)
        gathered = _gather(items, form, folder / "rejected.jsonl")
        tables = split_table(gathered.table, eval_fraction, seed, gathered.digests)
        write_splits(folder, tables)
        how = {"format": form.to_dict(), "eval_fraction": eval_fraction, "seed": seed}
        what = {"kind": form.kind, "rows": row_counts(tables), "rejected": gathered.rejected}
        info = {**what, **how, "source": _keep_source(folder, source, encoding)}
        made_by = {"action": "import", **how, "encoding": encoding}
        return write_manifest(folder, Manifest(kind="dataset", name=target.name, made_by=made_by, info=info))


def preview_source(source: Path | str, format: Format | None = None, encoding: str = "utf-8") -> Preview:
    """Reads as `import_dataset` would (the first 20,000 rows at most) and writes nothing."""
    items = read_source(source, encoding)
    head = list(itertools.islice(items, PREVIEW))
    complete = next(items, None) is None
    read = [item.data for item in head if isinstance(item, ReadRow)]
    found = detect(read[:SAMPLE])
    form = format or found.format
    made = [_convert(form, item) for item in head] if form else [i for i in head if isinstance(i, Rejected)]
    good = [row for row in made if not isinstance(row, Rejected)]
    bad = [row for row in made if isinstance(row, Rejected)]
    reason = "The format was chosen by hand." if format else found.reason
    columns = columns_of(read[:SAMPLE])
    shown = bad[:SHOWN]
    return Preview(
        form, reason, found.candidates, columns, read[:SHOWN], good[:SHOWN], len(good), len(bad), shown, complete
    )


def import_sample(home: Home) -> Manifest:
    """Imports the samples `field-guide` and `field-guide-prompts` unless they are there; the first one's manifest."""
    for name, file, fraction in SAMPLES:
        if not inside(home.datasets, name).exists():
            import_dataset(home, ASSETS / file, name, eval_fraction=fraction)
    return dataset_manifest(home, SAMPLES[0][0])


def _with_format(source: Path | str, format: Format | None, encoding: str) -> tuple[Format, Iterator[Item]]:
    """The format given or detected from the first rows, and all rows."""
    items = read_source(source, encoding)
    if format:
        return format, items
    head = _first_rows(items)
    found: Detection = detect(item.data for item in head if isinstance(item, ReadRow))
    if found.format:
        return found.format, itertools.chain(head, items)
    reasons = [item.reason for item in head if isinstance(item, Rejected)][:3]
    raise UserError(f"{found.reason} {' '.join(reasons)}".strip(), "Choose the format and its columns.", "format")


def _first_rows(items: Iterator[Item]) -> list[Item]:
    head: list[Item] = []
    readable = 0
    for item in items:
        head.append(item)
        readable += isinstance(item, ReadRow)
        if readable == SAMPLE:
            break
    return head


def _gather(items: Iterator[Item], form: Format, rejects: Path) -> _Gathered:
    gathering = Gathering(form.kind)
    digests: list[bytes] = []
    reasons: list[str] = []
    bad = 0
    with rejects.open("w", encoding="utf-8") as file:
        for row in (_convert(form, item) for item in items):
            if isinstance(row, Rejected):
                bad += 1
                file.write(json.dumps(asdict(row)) + "\n")
                reasons += [f"line {row.line}: {row.reason}"] if bad <= 3 else []
            else:
                gathering.add(row)
                digests.append(row_digest(row))
    if not bad:
        rejects.unlink()
    if not digests:
        raise _nothing_readable(bad, form, reasons)
    return _Gathered(gathering.table(), digests, bad)


def _nothing_readable(bad: int, form: Format, reasons: list[str]) -> UserError:
    first = "\n".join(reasons)
    return UserError(
        f"None of the {bad} rows can be read as {form.title}. The first reasons:\n{first}",
        "Choose another format or other columns.",
        "format",
    )


def _convert(form: Format, item: Item) -> dict[str, Any] | Rejected:
    if isinstance(item, Rejected):
        return item
    try:
        return form.convert(item.data)
    except UserError as error:
        return reject(item.line, str(error), item.data)


def _keep_source(folder: Path, source: Path | str, encoding: str) -> dict[str, Any]:
    """Copies the original, unchanged, into source/; one over 200 MB is only noted."""
    kept = folder / "source"
    kept.mkdir()
    if isinstance(source, str):
        file = kept / f"pasted.{form_of(source, encoding)}"
        file.write_text(source, encoding="utf-8", newline="")
        return {"file": file.name, "pasted": True, "bytes": file.stat().st_size, "copied": True}
    size = source.stat().st_size
    name = source.name if NAME.fullmatch(source.name) else slug(source.name)
    if size <= COPY_LIMIT:
        shutil.copyfile(source, kept / name)
    return {"file": name, "pasted": False, "bytes": size, "copied": size <= COPY_LIMIT}
