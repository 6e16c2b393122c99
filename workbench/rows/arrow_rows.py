"""Rows of Arrow data as Python objects, without the nulls that Arrow filled in.

In Arrow every struct of a column has the same fields: where one row's tool call has the argument `city` and another's
`expression`, each row is given both, one of them null. No file says that such a null was meant, so inside the objects
of a column they are taken out again, or `"expression": null` would be learned as an argument. Objects written as JSON
text keep theirs. https://arrow.apache.org/docs/format/Columnar.html#struct-layout
"""

from typing import Any

import pyarrow as pa


def python_rows(data: pa.RecordBatch | pa.Table) -> list[dict[str, Any]]:
    """The rows as dicts. Columns, and the keys of messages, that are null stay; what is null further down goes."""
    rows: list[dict[str, Any]] = data.to_pylist()
    nested = [field.name for field in data.schema if _levels(field.type) > 1]
    for row in rows:
        for name in nested:
            row[name] = _first_level(row[name])
    return rows


def _first_level(value: Any) -> Any:
    """A column's value: its own keys as they are, without nulls below."""
    if isinstance(value, list):
        return [_first_level(item) for item in value]
    return {key: _without_nulls(item) for key, item in value.items()} if isinstance(value, dict) else value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value


def _levels(kind: pa.DataType) -> int:
    """How deep structs lie in one another."""
    if pa.types.is_struct(kind):
        return 1 + max((_levels(field.type) for field in kind), default=0)
    return _levels(kind.value_type) if pa.types.is_nested(kind) and hasattr(kind, "value_type") else 0
