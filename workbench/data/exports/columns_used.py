"""The columns of a dataset's files, and which of the optional ones its rows use."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.core.errors import UserError
from workbench.rows.arrays import EXTRAS, FIELDS
from workbench.rows.table import union


def joined_schema(paths: list[Path]) -> pa.Schema:
    """The canonical columns of all these files together. Raises `UserError` when one is damaged."""
    try:
        schemas = [pq.read_schema(path) for path in paths]
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or ["unreadable"])[0][:200]
        raise UserError(f"The rows are damaged: {reason}.", "Import the dataset again.", "dataset") from None
    bare = [pa.schema([column for column in schema if not column.name.startswith("_")]) for schema in schemas]
    return union(bare)


def uses_of(schema: pa.Schema) -> frozenset[str]:
    """Which of tools, metadata and the optional fields of messages there are."""
    used = {name for name in EXTRAS if name in schema.names}
    turns = [column.type.value_type for column in schema if pa.types.is_list(column.type)]
    return frozenset(used | {name for name in FIELDS if any(kind.get_field_index(name) >= 0 for kind in turns)})
