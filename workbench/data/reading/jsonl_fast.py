"""JSON lines that are plainly canonical, read a chunk at a time without a Python object a row.

Arrow's reader parses the chunk, and its columns are checked as arrays. Wherever Arrow is laxer than Python's json
(https://docs.python.org/3/library/json.html), or a row needs a second look, the whole chunk is given back, to be read
line by line: what comes out is the same either way.
"""

import io
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.core.limits import MOST_LEVELS
from workbench.data.reading import lines
from workbench.rows.bounds import MOST_COLUMNS
from workbench.rows.turn_extras import MEDIA, READ, UNREADABLE

SPECIAL_KEYS = (*sorted(READ), *MEDIA, *UNREADABLE)  # keys of a turn that need more than a quick look


@dataclass(frozen=True)
class PlainLayout:
    """The columns a format reads straight: a column of messages (or of text, where `roles` is empty).

    `empty` are columns that must be missing or null, because a row that has them needs more than this.
    """

    column: str
    role: str = ""
    content: str = ""
    roles: dict[str, str] = field(default_factory=dict)
    empty: tuple[str, ...] = ()


@dataclass(frozen=True)
class FastTable:
    """A chunk that could be read: its canonical columns, and the other columns that some row fills, as they are.

    `empty` are the other columns, and keys of messages as paths, that are null in every row.
    """

    table: pa.Table
    others: dict[str, pa.ChunkedArray]
    empty: list[str]


def read_fast(data: bytes, layout: PlainLayout) -> FastTable | None:
    """The canonical table of a chunk of JSON lines, one row a line; None when any row is not plainly canonical.

    Other columns are passed on when they hold only texts, whole numbers, or true and false.
    """
    rows = _count_rows(data)
    table = _parsed(data, layout) if rows else None
    if table is None or table.num_rows != rows:
        return None
    if any(table.column(name).null_count < rows for name in layout.empty):
        return None
    others = {name: table.column(name) for name in table.column_names if name not in (layout.column, *layout.empty)}
    empty = [name for name, column in others.items() if column.null_count == rows]
    others = {name: column for name, column in others.items() if name not in empty}
    if not all(_is_simple(column.type) for column in others.values()):
        return None
    column = table.column(layout.column).combine_chunks()
    if column.null_count:
        return None
    if not layout.roles:
        return None if _blank(column) else FastTable(pa.table({"text": column}), others, empty)
    keys = [key.name for key in column.type.value_type if key.name not in (layout.role, layout.content, *SPECIAL_KEYS)]
    empty += [f"{layout.column}.{key}" for key in keys]
    messages = _messages(column, layout)
    return None if messages is None else FastTable(pa.table({"messages": messages}), others, empty)


def _is_simple(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_int64(kind) or pa.types.is_boolean(kind))


def _count_rows(data: bytes) -> int:
    """How many lines there are if each begins with { and ends with }, in valid UTF-8 without control characters; or 0.

    A line break between } and { cannot lie within an object, so as many objects as lines are one a line.
    """
    if len(data) > lines.MAX_LINE_BYTES or not data.startswith(b"{") or not data.endswith(b"}\n"):
        return 0
    letters = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(letters < 32)
    if not ((letters[ends] == 10).all() and (letters[ends - 1] == 125).all() and (letters[ends[:-1] + 1] == 123).all()):
        return 0
    if (np.diff(ends, prepend=-1) > MOST_COLUMNS).any() and _wide(data):
        return 0
    try:
        offsets = pa.py_buffer(np.array([0, len(data)], np.int32))
        pa.StringArray.from_buffers(1, offsets, pa.py_buffer(data)).validate(full=True)
    except pa.ArrowInvalid:
        return 0
    return len(ends)


def _wide(data: bytes) -> bool:
    """Whether a line may have more columns than a row may, or more values."""
    return data.count(b",") > MOST_COLUMNS and any(line.count(b",") > MOST_COLUMNS for line in data.split(b"\n"))


def _parsed(data: bytes, layout: PlainLayout) -> pa.Table | None:
    """The columns of the chunk; None when one is of another type or there twice, or the JSON is not valid.

    The types of other columns are found out only where there are such.
    """
    try:
        return _arrow(data, layout, "error")
    except pa.ArrowInvalid:
        if _deep(np.frombuffer(data, np.uint8)):
            return None
    try:
        return _arrow(data, layout, "infer")
    except pa.ArrowInvalid:
        return None


def _deep(letters: np.ndarray) -> bool:
    """Whether a line may be nested deeper than a row may be."""
    opened = np.flatnonzero((letters | 32) == 123)[:: MOST_LEVELS // 2]  # [ and {
    ends = np.flatnonzero(letters == 10)
    rows = np.searchsorted(ends, opened)
    return bool((rows[:-1] == rows[1:]).any())


def _arrow(data: bytes, layout: PlainLayout, others: str) -> pa.Table:
    """What Arrow's reader makes of it; raises `ArrowInvalid`."""
    from pyarrow import json as arrow_json

    kind: pa.DataType = pa.string()
    if layout.roles:
        texts = [(name, pa.string()) for name in (layout.role, layout.content)]
        kind = pa.list_(pa.struct([*texts, *[(name, pa.null()) for name in SPECIAL_KEYS]]))
    schema = pa.schema([(layout.column, kind), *[(name, pa.null()) for name in layout.empty]])
    return arrow_json.read_json(
        io.BytesIO(data),
        read_options=arrow_json.ReadOptions(block_size=len(data) + 1, use_threads=False),
        parse_options=arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior=others),
    )


def _messages(column: pa.ListArray, layout: PlainLayout) -> pa.ListArray | None:
    """The canonical messages, or None when a turn has no text or no known role, or stands where it may not."""
    turns = column.flatten()
    if any(turns.field(index).null_count < len(turns) for index in range(2, turns.type.num_fields)):
        return None
    role, content = turns.field(layout.role), turns.field(layout.content)
    starts = column.offsets.to_numpy()[:-1]
    lengths = np.diff(column.offsets.to_numpy())
    if turns.null_count or role.null_count or content.null_count or not lengths.all() or _blank(content):
        return None
    kinds = role.dictionary_encode()
    names = [layout.roles.get(name.strip().lower()) for name in kinds.dictionary.to_pylist()]
    if None in names:
        return None
    places = kinds.indices.to_numpy()
    if not _well_placed(names, places, starts):
        return None
    roles = pc.take(pa.array(names, pa.string()), kinds.indices)
    fields = [pa.field("role", pa.string()), pa.field("content", pa.string())]
    return pa.ListArray.from_arrays(column.offsets, pa.StructArray.from_arrays([roles, content], fields=fields))


def _well_placed(names: list[str | None], places: np.ndarray, starts: np.ndarray) -> bool:
    """Whether every row has an assistant turn, and system turns only at its beginning."""
    is_system = np.isin(places, [index for index, name in enumerate(names) if name == "system"])
    is_system[starts] = False
    is_answer = np.isin(places, [index for index, name in enumerate(names) if name == "assistant"])
    return not is_system.any() and bool(np.logical_or.reduceat(is_answer, starts).all())


def _blank(texts: pa.StringArray) -> bool:
    """Whether a text is empty or nothing but white space, as Python sees it."""
    _, offsets, data = texts.buffers()
    marks = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    if not (np.diff(marks) > 0).all():
        return True
    first = np.frombuffer(data, np.uint8)[marks[:-1]]
    doubtful = np.flatnonzero((first <= 32) | (first >= 127))
    return any(not text.strip() for text in texts.take(pa.array(doubtful)).to_pylist())
