"""How datasets lie in a home: one folder each, with canonical rows, what they were read from, and a manifest."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, Field, ValidationError

from workbench.core.errors import UserError, explain, shortened, suggestion
from workbench.core.home import (
    Home,
    atomic_dir,
    checked_entry,
    existing,
    list_all_artifacts,
    list_artifacts,
    safe_join,
)
from workbench.core.lineage import Manifest, Parent, read_manifest, write_manifest
from workbench.core.recycle_bin import put_in_bin
from workbench.core.row_cache import RowCache
from workbench.rows.canonical import Kind, check_row
from workbench.rows.split_rows import ID, SPLIT, Rows
from workbench.rows.table import (
    SCHEMAS,
    Gathering,
    count_rows,
    joined_tables,
    page_of_rows,
    page_table,
    read_table_file,
    rows_of,
    write_table,
)

SPLITS = ("train", "eval")
ROWS = "rows.parquet"


class FileInfo(BaseModel):
    """What a manifest tells of one file that was imported."""

    file: str = ""


class SourceInfo(FileInfo):
    """What a manifest tells of where the rows come from."""

    dataset: str = ""
    files: list[FileInfo] = []


class FormatInfo(BaseModel):
    """What a manifest tells of the format the rows were read in."""

    method: str = ""


class DatasetInfo(BaseModel):
    """What the page and the commands read of a dataset's `manifest.info`; it may hold more."""

    kind: Kind
    rows: dict[str, Annotated[int, Field(ge=0)]] = {}
    rejected: Annotated[int, Field(ge=0)] = 0
    source: SourceInfo | None = None
    format: FormatInfo | None = None


def write_rows(
    home: Home,
    name: str,
    kind: str,
    train_rows: Iterable[dict[str, Any]],
    eval_rows: Iterable[dict[str, Any]] = (),
    *,
    parents: list[Parent] | None = None,
    made_by: dict[str, Any] | None = None,
    info: dict[str, Any] | None = None,
    replace: bool = False,
) -> Manifest:
    """A dataset from canonical rows the engine made. Raises `UserError` naming the first row that is not canonical."""
    target = safe_join(home.datasets, name)
    tables = {"train": _gathered(kind, train_rows, "train"), "eval": _gathered(kind, eval_rows, "eval")}
    if not tables["train"].num_rows:
        raise UserError("There are no rows to train on.", "Make some first.", "train_rows")
    manifest = Manifest(
        kind="dataset",
        name=target.name,
        parents=parents or [],
        made_by=made_by or {},
        info={**(info or {}), "kind": kind, "rows": row_counts(tables), "rejected": 0},
    )
    with atomic_dir(target, replace) as folder:
        splits = [split for split, table in tables.items() for _ in range(table.num_rows)]
        write_splits(folder, Rows.of(kind, joined_tables(kind, list(tables.values())), splits).by_split())
        return write_manifest(folder, manifest)


def list_datasets(home: Home) -> list[Manifest]:
    """The manifest of every dataset by name; a damaged one is listed with the reason in `info['error']`."""
    return _ROWS.rows(list_all_artifacts(home.datasets), _damaged)


def dataset_manifest(home: Home, name: str) -> Manifest:
    """The manifest of one dataset; raises `UserError` when there is none."""
    return read_manifest(dataset_folder(home, name))


def dataset_kind(home: Home, name: str, field: str = "dataset") -> str:
    """'conversation', 'preference', 'unpaired', 'text' or 'prompts'."""
    kind = str(read_manifest(dataset_folder(home, name, field)).info.get("kind"))
    if kind not in SCHEMAS:
        raise UserError(f"The manifest of {name!r} names no kind of dataset.", "Import it again.", field)
    return kind


def count(home: Home, name: str, split: str = "train") -> int:
    """The number of rows of a split; 0 when the dataset has no such split."""
    return count_rows(_split_file(home, name, split))


def rows(home: Home, name: str, split: str = "train", start: int = 0, count: int = 50) -> list[dict[str, Any]]:
    """One page of canonical rows, without reading the others; empty past the end."""
    return list(page_of_rows(_split_file(home, name, split), max(start, 0), count))


def numbered_rows(home: Home, name: str, split: str = "train", start: int = 0, count: int = 50) -> list[dict[str, Any]]:
    """As `rows`, each as {'id', 'row'}: its number in rows.parquet, negative if a step added it."""
    table = page_table(_split_file(home, name, split), max(start, 0), count)
    if table is None:
        return []
    numbers = table.column(ID).to_pylist() if ID in table.column_names else range(start, start + table.num_rows)
    return [{"id": number, "row": row} for number, row in zip(numbers, rows_of(table), strict=True)]


def all_rows(home: Home, name: str, split: str = "train") -> list[dict[str, Any]]:
    """Every row of a split; empty when the dataset has no such split."""
    path = _split_file(home, name, split)
    return list(page_of_rows(path, 0, count_rows(path)))


def dataset_table(home: Home, name: str, subset: str = "result") -> pa.Table:
    """The canonical rows of a part as a table: 'result' (train, then eval), 'rows' (as read), 'train' or 'eval'.

    Raises `UserError`.
    """
    folder = dataset_folder(home, name)
    if subset == "rows":
        return bare(read_table_file(folder / ROWS) if (folder / ROWS).is_file() else base_rows(folder))
    splits = SPLITS if subset == "result" else (subset,)
    files = [path for split in splits if (path := _split_file(home, name, split)).is_file()]
    return joined_tables(dataset_kind(home, name), [bare(read_table_file(path)) for path in files])


def bare(table: pa.Table) -> pa.Table:
    """The canonical columns alone, without numbers and splits."""
    return table.drop_columns([name for name in table.column_names if name.startswith("_")])


def delete_dataset(home: Home, name: str) -> None:
    """Puts a dataset into the bin, damaged ones included. Raises `UserError` when there is none of that name."""
    put_in_bin(home, "dataset", existing(home.datasets, name) or dataset_folder(home, name))


def dataset_folder(home: Home, name: str, field: str = "dataset") -> Path:
    """The folder of a dataset that exists; raises `UserError` with the nearest names otherwise."""
    folder = safe_join(home.datasets, name, field)
    if not folder.is_dir():
        names = [path.name for path in list_artifacts(home.datasets)]
        remedy = suggestion(name, names) or "There is none yet: add one in the Data tab, or with `import-data`."
        raise UserError(f"There is no dataset {name!r}.", remedy, field)
    return folder


def base_rows(folder: Path) -> pa.Table:
    """The rows of a dataset no recipe was applied to yet, as they were read, with the column `_split`."""
    tables = []
    for split in SPLITS:
        if (path := folder / f"{split}.parquet").is_file():
            table = read_table_file(path)
            tables.append(table.append_column(SPLIT, pa.repeat(split, table.num_rows)))
    whole = joined_tables(str(read_manifest(folder).info.get("kind")), tables)
    if ID not in whole.column_names:
        return whole
    return whole.take(pc.sort_indices(whole.column(ID))).drop_columns([ID])


def write_splits(folder: Path, tables: dict[str, pa.Table]) -> None:
    """train.parquet, and eval.parquet when it has rows."""
    for split, table in tables.items():
        if split == "train" or table.num_rows:
            write_table(table, folder / f"{split}.parquet")


def row_counts(tables: dict[str, pa.Table]) -> dict[str, int]:
    """Rows by split."""
    return {split: table.num_rows for split, table in tables.items()}


def _gathered(kind: str, canonical: Iterable[dict[str, Any]], split: str) -> pa.Table:
    if kind not in SCHEMAS:
        raise UserError(f"There is no kind of dataset {kind!r}.", f"Known: {', '.join(SCHEMAS)}.", "kind")
    gathering = Gathering(kind)
    for number, row in enumerate(canonical, start=1):
        try:
            gathering.add(check_row(kind, row))
        except UserError as error:
            raise UserError(f"Row {number} of {split}: {error.message}", error.remedy, f"{split}_rows") from None
    return gathering.table()


def checked_row(folder: Path) -> Manifest:
    """What the shelf shows of a dataset's folder, wherever it lies: its manifest, once its rows can be read.

    Raises `UserError` when it is damaged; what is to come onto the shelf is tried with this first.
    """
    manifest = read_manifest(folder)
    if manifest.kind != "dataset":
        raise UserError(f"its manifest says {shortened(repr(manifest.kind), 40)}, not dataset.", "Import it again.")
    try:
        DatasetInfo.model_validate(manifest.info)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise UserError(f"info.{field} of its manifest is wrong: {first['msg']}.", "Import it again.") from None
    if not (folder / "train.parquet").is_file():
        raise UserError("train.parquet is missing.", "Import it again.")
    count_rows(folder / "train.parquet")
    return manifest.model_copy(update={"name": folder.name})


def dataset_row(path: Path) -> Manifest:
    """As `checked_row`, of an entry of the shelf; a damaged one comes with the reason in `info['error']`."""
    try:
        return checked_row(checked_entry(path))
    except Exception as error:
        # Whatever one folder holds, the others must still be listed.
        return _damaged(path, error)


def _damaged(path: Path, error: Exception) -> Manifest:
    reason = explain(error) if path.is_dir() else UserError("this is no folder, as a dataset is.", "Delete it.")
    return Manifest(kind="dataset", name=path.name, info={"error": shortened(str(reason), 500)})


_ROWS = RowCache(dataset_row, lasting=lambda manifest: "error" not in manifest.info)


def _split_file(home: Home, name: str, split: str) -> Path:
    if split not in SPLITS:
        raise UserError(f"There is no split {split!r}.", "Choose train or eval.", "split")
    return dataset_folder(home, name) / f"{split}.parquet"
