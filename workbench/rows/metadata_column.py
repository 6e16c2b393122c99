"""Changing one key of the metadata of many rows, as a column of JSON text."""

import json

import pyarrow as pa

from workbench.rows.values import as_json

METADATA = "metadata"


def with_source(kind: str, table: pa.Table, name: str) -> pa.Table:
    """The table with metadata.source = name in every row; other keys stay, and so does a source that is there."""
    table = table.drop_columns([column for column in table.column_names if column.startswith("_")])
    alone = as_json({"source": name}, "metadata")
    if METADATA not in table.column_names:
        return table.append_column(METADATA, pa.repeat(alone, table.num_rows))
    old = table.column(METADATA).to_pylist()
    new = [alone if text is None else as_json({"source": name, **json.loads(text)}, "metadata") for text in old]
    return table.set_column(table.column_names.index(METADATA), METADATA, pa.array(new, pa.string()))
