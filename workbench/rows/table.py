"""Canonical rows as Arrow tables with typed columns, and as Parquet: in groups of 1,000 rows, read a page at a time.

Messages are lists of {role, content}; `tools`, `metadata` and `tool_calls` are JSON text. Those columns, and the
fields of a message beside role and content, are there only in tables where some row uses them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from workbench.core.errors import UserError
from workbench.rows.arrays import FIELDS, decoded, encoded, messages_type

GROUP_ROWS = 1000
MESSAGES = messages_type(())
SCHEMAS: dict[str, pa.Schema] = {
    "conversation": pa.schema([("messages", MESSAGES)]),
    "preference": pa.schema([("prompt", MESSAGES), ("chosen", MESSAGES), ("rejected", MESSAGES)]),
    "unpaired": pa.schema([("prompt", MESSAGES), ("completion", MESSAGES), ("label", pa.bool_())]),
    "text": pa.schema([("text", pa.string())]),
    "prompts": pa.schema([("prompt", MESSAGES)]),
}


class Gathering:
    """Collects canonical rows of one kind compactly, batch by batch, until the table is asked for."""

    def __init__(self, kind: str):
        self.kind = kind
        self._tables: list[pa.Table] = []
        self._open: list[dict[str, Any]] = []

    def add(self, row: dict[str, Any]) -> None:
        self._open.append(row)
        if len(self._open) == GROUP_ROWS:
            self._close()

    def add_table(self, table: pa.Table) -> None:
        """Rows that are a table already, in its place among the others."""
        self._close()
        self._tables.append(table)

    def table(self) -> pa.Table:
        self._close()
        return joined_tables(self.kind, self._tables)

    def _close(self) -> None:
        if self._open:
            self._tables.append(table_of(self.kind, self._open))
            self._open = []


def table_of(kind: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Canonical rows (checked before) as a table of its own kind's columns, and of no others than they use."""
    return encoded(SCHEMAS[kind], rows)


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """Exactly the canonical rows a table was made from; columns whose name begins with _ are left out."""
    return decoded(table)


def joined_tables(kind: str, tables: list[pa.Table]) -> pa.Table:
    """Tables of one kind below one another; what only some of them use is empty in the others."""
    tables = [table for table in tables if table.num_rows] or [SCHEMAS[kind].empty_table()]
    if all(table.schema.equals(tables[0].schema) for table in tables):
        return pa.concat_tables(tables)
    schema = union([table.schema for table in tables])
    return pa.concat_tables([fitted(table, schema) for table in tables])


def union(schemas: list[pa.Schema]) -> pa.Schema:
    """The columns of all, messages with the fields of all; in the order of the first that has them."""
    types: dict[str, pa.DataType] = {}
    for schema in schemas:
        for field in schema:
            old = types.get(field.name, field.type)
            used = {old, field.type}
            fields = [name for name in FIELDS if any(_has(kind, name) for kind in used)]
            types[field.name] = messages_type(tuple(fields)) if _is_messages(field.type) else field.type
    return pa.schema(list(types.items()))


def fitted(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with the columns and message fields of a wider schema, empty where it has none."""
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            columns.append(pa.nulls(table.num_rows, field.type))
        elif table.column(field.name).type.equals(field.type):
            columns.append(table.column(field.name))
        else:
            columns.append(_widened(table.column(field.name), field.type))
    return pa.table(columns, schema=schema)


def write_table(table: pa.Table, path: Path) -> None:
    """Snappy takes a third of the time of zstd, and twice the space; texts hardly repeat, so no dictionaries."""
    pq.write_table(table, path, row_group_size=GROUP_ROWS, compression="snappy", use_dictionary=False)


def read_table_file(path: Path) -> pa.Table:
    """The whole table; raises `UserError` when the file is damaged."""
    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged_parquet(path, error) from None


def file_metadata(path: Path) -> dict[str, str]:
    """What was written into the file beside its rows; raises `UserError` when the file is damaged."""
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged_parquet(path, error) from None
    return {name.decode(): value.decode("utf-8", "replace") for name, value in metadata.items()}


def count_rows(path: Path) -> int:
    """The number of rows, from the file's footer; 0 when there is no such file."""
    if not path.is_file():
        return 0
    try:
        with pa.OSFile(str(path)) as file:  # by its name pyarrow looks for the file system first
            return int(pq.read_metadata(file).num_rows)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged_parquet(path, error) from None


def page_of_rows(path: Path, start: int, count: int) -> Iterator[dict[str, Any]]:
    """Rows `start` to `start + count`, reading only the row groups they lie in."""
    for table in _groups(path, start, count):
        yield from rows_of(table)


def page_table(path: Path, start: int, count: int) -> pa.Table | None:
    """As `page_of_rows`, as a table with all its columns; None when there are no such rows."""
    groups = list(_groups(path, start, count))
    return pa.concat_tables(groups) if groups else None


def _groups(path: Path, start: int, count: int) -> Iterator[pa.Table]:
    if not path.is_file() or count <= 0:
        return
    try:
        with pq.ParquetFile(path) as file:
            passed = 0
            for group in range(file.num_row_groups):
                size = file.metadata.row_group(group).num_rows
                first, last = max(start - passed, 0), min(start + count - passed, size)
                if first < last:
                    yield file.read_row_group(group).slice(first, last - first)
                passed += size
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged_parquet(path, error) from None


def _is_messages(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) and pa.types.is_struct(kind.value_type))


def _has(kind: pa.DataType, name: str) -> bool:
    return _is_messages(kind) and kind.value_type.get_field_index(name) >= 0


def _widened(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """A column of messages with more fields, all empty."""
    return pa.chunked_array([_wider(chunk, kind) for chunk in column.chunks], type=kind)


def _wider(lists: pa.ListArray, kind: pa.ListType) -> pa.ListArray:
    turns = lists.flatten()
    parts = [
        turns.field(field.name) if _has(lists.type, field.name) else pa.nulls(len(turns), field.type)
        for field in kind.value_type
    ]
    starts = pc.subtract(lists.offsets, lists.offsets[0])
    return pa.ListArray.from_arrays(starts, pa.StructArray.from_arrays(parts, fields=list(kind.value_type)), type=kind)


def damaged_parquet(path: Path, error: Exception) -> UserError:
    """The error for a Parquet file that cannot be read."""
    reason = (str(error).splitlines() or ["unreadable"])[0][:200]
    return UserError(f"{path.parent.name}/{path.name} is damaged: {reason}.", "Import the dataset again.", "dataset")
