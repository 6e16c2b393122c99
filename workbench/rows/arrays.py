"""Canonical rows to Arrow columns and back, without a Python object more than the rows themselves.

https://arrow.apache.org/docs/format/Columnar.html#variable-size-list-layout
"""

import itertools
import json
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from workbench.rows.values import as_json

FIELDS = ("reasoning_content", "tool_calls", "weight", "name", "tool_call_id")
NUMBERS = {"weight"}
EXTRAS = ("tools", "metadata")
AS_JSON = {"tool_calls", *EXTRAS}


def messages_type(fields: Iterable[str]) -> pa.ListType:
    """Lists of {role, content} and these optional fields: text, the weight a number."""
    return pa.list_(pa.struct([(name, _field_type(name)) for name in ("role", "content", *fields)]))


def _field_type(name: str) -> pa.DataType:
    return pa.float64() if name in NUMBERS else pa.string()


def encoded(schema: pa.Schema, rows: list[dict[str, Any]]) -> pa.Table:
    """The rows as a table: the columns of the schema, with the optional columns and fields that a row uses."""
    columns: dict[str, pa.Array] = {}
    for field in schema:
        values = [row[field.name] for row in rows]
        columns[field.name] = _messages(values) if pa.types.is_list(field.type) else pa.array(values, field.type)
    for name in EXTRAS:
        if any(name in row for row in rows):
            columns[name] = _json_texts(row.get(name) for row in rows)
    return pa.table(columns)


def decoded(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of a table as dicts, keys with nothing in them left out."""
    names = [name for name in table.column_names if not name.startswith("_")]
    columns = [_values(name, table.column(name)) for name in names]
    if any(name in EXTRAS for name in names):
        return [_filled(names, values) for values in zip(*columns, strict=True)]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _messages(values: list[list[dict[str, Any]]]) -> pa.ListArray:
    turns = list(itertools.chain.from_iterable(values))
    used = [name for name in FIELDS if any(name in turn for turn in turns)] if any(map(_more, turns)) else []
    parts = [pa.array([turn[name] for turn in turns], pa.string()) for name in ("role", "content")]
    for name in used:
        field_values = (turn.get(name) for turn in turns)
        parts.append(_json_texts(field_values) if name in AS_JSON else pa.array(field_values, _field_type(name)))
    kind = messages_type(used)
    offsets = pa.array([0, *itertools.accumulate(map(len, values))], pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(parts, fields=list(kind.value_type)))


def _more(turn: dict[str, Any]) -> bool:
    return len(turn) > 2


def _json_texts(values: Iterable[Any]) -> pa.Array:
    return pa.array([None if value is None else as_json(value, "a value") for value in values], pa.string())


def _values(name: str, column: pa.ChunkedArray) -> list[Any]:
    """One column as Python values: lists of messages, JSON read, or as they are."""
    if pa.types.is_list(column.type):
        return [item for chunk in column.chunks for item in _lists(chunk)]
    values = column.to_pylist()
    return [None if item is None else json.loads(item) for item in values] if name in AS_JSON else values


def _lists(chunk: pa.ListArray) -> list[list[dict[str, Any]]]:
    turns = chunk.flatten()
    names = [field.name for field in turns.type]
    parts = [_values(name, pa.chunked_array([turns.field(name)])) for name in names]
    make = _filled if len(names) > 2 else _whole
    messages = [make(names, values) for values in zip(*parts, strict=True)]
    offsets = chunk.offsets.to_pylist()
    return [messages[start - offsets[0] : end - offsets[0]] for start, end in itertools.pairwise(offsets)]


def _whole(names: list[str], values: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(names, values, strict=True))


def _filled(names: list[str], values: tuple[Any, ...]) -> dict[str, Any]:
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}
