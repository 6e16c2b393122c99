"""Canonical rows as Parquet with typed columns: written in groups of 1,000 rows, read a page at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import UserError

GROUP = 1000
MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
SCHEMAS: dict[str, pa.Schema] = {
    "conversation": pa.schema([("messages", MESSAGES)]),
    "preference": pa.schema([("prompt", MESSAGES), ("chosen", MESSAGES), ("rejected", MESSAGES)]),
    "text": pa.schema([("text", pa.string())]),
    "prompts": pa.schema([("prompt", MESSAGES)]),
}


class Gathering:
    """Collects canonical rows of one kind compactly, batch by batch, until the table is asked for."""

    def __init__(self, kind: str):
        self.schema = SCHEMAS[kind]
        self._batches: list[pa.RecordBatch] = []
        self._open: list[dict[str, Any]] = []

    def add(self, row: dict[str, Any]) -> None:
        self._open.append(row)
        if len(self._open) == GROUP:
            self._close()

    def table(self) -> pa.Table:
        self._close()
        return pa.Table.from_batches(self._batches, self.schema)

    def _close(self) -> None:
        if self._open:
            self._batches.append(pa.RecordBatch.from_pylist(self._open, self.schema))
            self._open = []


def write_table(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, row_group_size=GROUP, compression="zstd")


def read_table_file(path: Path) -> pa.Table:
    """The whole table; raises `UserError` when the file is damaged."""
    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(path, error) from None


def count_rows(path: Path) -> int:
    """The number of rows, from the file's footer; 0 when there is no such file."""
    if not path.is_file():
        return 0
    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(path, error) from None


def page(path: Path, start: int, count: int) -> Iterator[dict[str, Any]]:
    """Rows `start` to `start + count`, reading only the row groups they lie in."""
    if not path.is_file() or count <= 0:
        return
    try:
        with pq.ParquetFile(path) as file:
            passed = 0
            for group in range(file.num_row_groups):
                size = file.metadata.row_group(group).num_rows
                first, last = max(start - passed, 0), min(start + count - passed, size)
                if first < last:
                    yield from file.read_row_group(group).slice(first, last - first).to_pylist()
                passed += size
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> UserError:
    reason = (str(error).splitlines() or ["unreadable"])[0][:200]
    return UserError(f"{path.parent.name}/{path.name} is damaged: {reason}.", "Import the dataset again.", "dataset")
