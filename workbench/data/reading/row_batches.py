"""The rows of a source in pieces, each with the columns and keys it fills: read straight, or one by one."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.core.errors import UserError
from workbench.core.parallel import parallel_map
from workbench.core.tasks import Task
from workbench.data.reading.column_account import KeyCounts
from workbench.data.reading.compressed import OnRead
from workbench.data.reading.format import METADATA, Format, Row
from workbench.data.reading.json_lines import Chunk, read_chunk
from workbench.data.reading.jsonl_fast import FastTable, read_fast
from workbench.data.reading.lines import Item, ReadRow, Rejected, Remark, reject
from workbench.data.reading.opening import undecodable
from workbench.data.reading.readers import ReadingOptions, form_of, read_chunks, read_source
from workbench.data.reading.source_plan import regroups
from workbench.rows.table import table_of
from workbench.rows.turn_extras import PLACEHOLDER_STARTS, placeholder_of
from workbench.rows.values import as_json

Readable = Path | str
BATCH_ROWS = 1000


@dataclass(frozen=True)
class RowBatch:
    """Some rows of a source, in their order, with the columns and keys they fill.

    `raw` are those of the rows as they are read, where several belong together.
    """

    table: pa.Table
    rejected: list[Rejected]
    keys: KeyCounts
    remarks: Counter[str]
    about: list[str] = field(default_factory=list)
    raw: KeyCounts | None = None


def batch_of(items: Iterable[Item], form: Format, raw: KeyCounts | None = None) -> RowBatch:
    """Items read one by one."""
    good: list[Row] = []
    bad: list[Rejected] = []
    keys, remarks, about = KeyCounts(), Counter[str](), []
    turn_columns, json_too = list(form.turn_keys()), form.reads_json_turns
    for item in items:
        if isinstance(item, Remark):
            about.append(item.text)
            continue
        if isinstance(item, ReadRow):
            keys.see(item.data, item.line, turn_columns, json_too)
        row = converted(form, item)
        if isinstance(row, Rejected):
            bad.append(row)
        else:
            good.append(row)
            remarks.update(form.remarks(item.data) if isinstance(item, ReadRow) else ())
            if mark := placeholder_of(row):
                remarks[f"Rows with {mark} but without what it stands for, learned as the text {mark}"] += 1
    return RowBatch(table_of(form.kind, good), bad, keys, remarks, about, raw)


def batches_of(items: Iterator[Item], form: Format) -> Iterator[tuple[int, RowBatch]]:
    """(how many items, their part), a thousand at a time."""
    raw = KeyCounts() if regroups(form) else None
    rows = form.gather_items(items if raw is None else _noted(items, raw))
    while together := list(itertools.islice(rows, BATCH_ROWS)):
        yield len(together), batch_of(together, form, raw)


def _noted(items: Iterator[Item], keys: KeyCounts) -> Iterator[Item]:
    for item in items:
        if isinstance(item, ReadRow):
            keys.see(item.data, item.line)
        yield item


def source_batches(
    source: Readable, form: Format, known_columns: set[str], options: ReadingOptions, on_read: OnRead, task: Task
) -> Iterator[RowBatch]:
    """The rows of one source in pieces, in their order."""
    if form_of(source, options) == "jsonl" and not regroups(form):
        chunks = read_chunks(source, options, on_read)
        yield from parallel_map(lambda chunk: _of_chunk(chunk, form, known_columns, source), chunks, task=task)
        return
    yield from stoppable(batches_of(read_source(source, options, on_read), form), task)


def stoppable(batches: Iterable[tuple[int, RowBatch]], task: Task) -> Iterator[RowBatch]:
    """The batches one after another, until `task` is stopped."""
    for _, batch in batches:
        yield batch
        task.check_stop()


def _of_chunk(chunk: Chunk, form: Format, known_columns: set[str], source: Readable) -> RowBatch:
    layout = form.layout()
    is_plain = not any(start.encode() in chunk.data for start in PLACEHOLDER_STARTS)
    fast_table = read_fast(chunk.data, layout) if layout and chunk.whole and is_plain else None
    batch = fast_batch(fast_table, form, known_columns, chunk.line) if fast_table else None
    if batch is not None:
        return batch
    try:
        return batch_of(read_chunk(chunk), form)
    except UnicodeDecodeError as error:
        raise undecodable(source, error, chunk.position + error.start) from None


def fast_batch(fast_table: FastTable, form: Format, known_columns: set[str], line: int) -> RowBatch | None:
    """The rows of a chunk read straight, their other columns as metadata; None when one of these needs a closer look.

    Columns that no row before has filled do: the format may have to be detected again.
    """
    uses = {name: form.fate(name).use for name in fast_table.others}
    if METADATA in uses or not all(name in known_columns and use in ("kept", "left out") for name, use in uses.items()):
        return None
    table, keys, rows = fast_table.table, KeyCounts(), fast_table.table.num_rows
    layout = form.layout()
    if layout is not None:
        for path in (layout.column, *(f"{layout.column}.{key}" for key in (layout.role, layout.content) if key)):
            keys.count(path, rows, line)
    keys.rows.update(dict.fromkeys(fast_table.empty, 0))
    for name, column in fast_table.others.items():
        keys.count(name, rows - column.null_count, line)
    metadata = {name: fast_table.others[name].to_pylist() for name, use in uses.items() if use == "kept"}
    if metadata:
        table = table.append_column(METADATA, _metadata(metadata))
    return RowBatch(table, [], keys, Counter())


def _metadata(columns: dict[str, list[Any]]) -> pa.Array:
    """Columns of plain values as JSON text, one object a row; null where a row fills none."""
    names = list(columns)
    texts = []
    for values in zip(*columns.values(), strict=True):
        filled = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        texts.append(as_json(filled, METADATA) if filled else None)
    return pa.array(texts, pa.string())


def converted(form: Format, item: ReadRow | Rejected) -> Row | Rejected:
    """The canonical row, or why there is none."""
    if isinstance(item, Rejected):
        return item
    try:
        return form.convert(item.data)
    except UserError as error:
        return reject(item.line, str(error), item.data)
