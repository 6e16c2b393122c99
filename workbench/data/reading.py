"""Reads rows from files or pasted text; each comes with its line number, and what cannot be read is kept aside."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from workbench.data.arrow_rows import python_rows
from workbench.data.bounds import MOST_JSON_VALUES, too_many_values
from workbench.data.compressed import ARCHIVES, PACKED, Seen
from workbench.data.jsonlines import Chunk, chunks, read_chunk, row_of
from workbench.data.lines import MAX_LINE, Item, ReadRow, Rejected, bounded_lines, reject
from workbench.data.opening import blocks, check_encoding, decoding, name_of, open_text, undecodable
from workbench.data.sniffing import json_or_jsonl, pasted
from workbench.data.tabular import read_table
from workbench.data.values import short
from workbench.errors import UserError

__all__ = ["ReadRow", "Rejected", "form_of", "read_all", "read_chunks", "read_source"]

MAX_JSON = 1024 * 1024 * 1024
SUFFIXES = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".txt": "txt",
}
ROW_LISTS = ("data", "rows", "train", "examples", "items", "records", "instances")
ROW_PARTS = ("messages", "conversations", "conversation", "dialogue", "prompt", "completion", "chosen", "rejected")


def read_source(source: Path | str, encoding: str = "utf-8", seen: Seen | None = None) -> Iterator[Item]:
    """The rows of a file (by its suffix) or of pasted text (by its looks), one after another.

    Raises `UserError` for a source that cannot be read at all: missing, empty, of an unknown type, badly encoded,
    not JSON, a header with two equal names, a decompression bomb.
    """
    form = form_of(source, encoding)
    found = False
    for item in _items(source, form, encoding, seen):
        found = True
        yield item
    if not found:
        raise no_rows(source)


def read_all(source: Path | str, encoding: str = "utf-8") -> tuple[list[ReadRow], list[Rejected]]:
    """Everything at once: the rows, and what was rejected."""
    items = list(read_source(source, encoding))
    return [item for item in items if isinstance(item, ReadRow)], [item for item in items if isinstance(item, Rejected)]


def read_chunks(source: Path | str, encoding: str = "utf-8", seen: Seen | None = None) -> Iterator[Chunk]:
    """The lines of a source of JSON lines, many at a time; `read_chunk` makes rows of them."""
    return chunks(blocks(source, encoding, seen))


def form_of(source: Path | str, encoding: str = "utf-8") -> str:
    """'json', 'jsonl', 'csv', 'tsv', 'parquet' or 'txt'; raises `UserError`."""
    check_encoding(encoding)
    if isinstance(source, str):
        return pasted(source)
    if not source.is_file():
        raise UserError(f"There is no file {source}.", "Check the path.", "source")
    form = suffix_form(source)
    if not form:
        raise _unknown(source)
    if source.stat().st_size == 0:
        raise UserError(f"{source.name} is empty.", "Choose a file with data in it.", "source")
    if form in ("json", "jsonl"):
        with open_text(source, encoding) as stream, decoding(source, encoding):
            return json_or_jsonl(stream.read(65_536), form)
    return form


def suffix_form(path: Path) -> str:
    """What a file is by the end of its name, .gz and .zst taken off; '' if it is nothing that can be read."""
    if path.suffix.lower() not in PACKED:
        return SUFFIXES.get(path.suffix.lower(), "")
    form = SUFFIXES.get(Path(path.stem).suffix.lower(), "")
    return "" if form == "parquet" else form


def no_rows(source: Path | str) -> UserError:
    return UserError(f"{name_of(source)} holds no rows.", "Choose a source with data in it.", "source")


def _unknown(source: Path) -> UserError:
    if source.suffix.lower() in ARCHIVES:
        return UserError(f"{source.name} is an archive.", "Unpack it, and choose the files in it.", "source")
    known = ", ".join(SUFFIXES)
    return UserError(
        f"{source.name} is of an unknown type.",
        f"Types that can be read: {known}; all but Parquet also packed, as .gz or .zst.",
        "source",
    )


def _items(source: Path | str, form: str, encoding: str, seen: Seen | None) -> Iterator[Item]:
    if isinstance(source, Path) and form == "parquet":
        yield from _parquet(source)
    elif form == "jsonl":
        for chunk in read_chunks(source, encoding, seen):
            try:
                yield from read_chunk(chunk)
            except UnicodeDecodeError as error:
                raise undecodable(source, error, chunk.position + error.start) from None
    else:
        with open_text(source, encoding, seen) as stream, decoding(source, encoding):
            yield from READERS[form](stream)


def _json(stream: TextIO) -> Iterator[Item]:
    text = stream.read(MAX_JSON + 1)
    if len(text) > MAX_JSON:
        raise UserError("A JSON file is read whole, and this one is over 1 GB.", "Save it as JSONL.", "source")
    if too_many_values(text, MOST_JSON_VALUES):
        raise UserError(
            f"A JSON file is read whole, and this one holds more than {MOST_JSON_VALUES:,} values.",
            "Save it as JSONL.",
            "source",
        )
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise UserError(f"Not valid JSON at {where}: {error.msg}.", "Repair it there.", "source") from None
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"The JSON cannot be used: {str(error)[:100]}.", "Check its nesting and numbers.", "source"
        ) from None
    yield from (row_of(index, item) for index, item in enumerate(_list_in(data), start=1))


def _list_in(data: Any) -> list[Any]:
    """The list of rows: the array itself, the one list of an object, or the object as the only row."""
    if isinstance(data, list):
        return data
    if not isinstance(data, dict):
        raise UserError(f"The JSON is {short(data)}, not a list of rows.", "Wrap the rows in [ ].", "source")
    for name in ROW_LISTS:
        if isinstance(data.get(name), list):
            return list(data[name])
    lists = {name: value for name, value in data.items() if isinstance(value, list) and name not in ROW_PARTS}
    only = next(iter(lists.values()), None)
    if len(lists) == 1 and only and all(isinstance(item, dict) for item in only):
        return only
    if len(lists) > 1:
        names = ", ".join(map(repr, lists))
        raise UserError(
            f"The JSON object has several lists: {names}.", "Save the rows as one list of objects.", "source"
        )
    return [data]


def _paragraphs(stream: TextIO) -> Iterator[Item]:
    """Paragraphs separated by blank lines, each a row of its own with the column `text`."""
    held: list[str] = []
    size = start = 0
    for number, line, whole in bounded_lines(stream):
        if line.strip():
            start = start if held else number
            held.append(line)
            size += len(line)
            if not whole or size > MAX_LINE:
                raise UserError(f"The paragraph at line {start} is longer than 64 MB.", "Break it up.", "source")
        elif held:
            yield _paragraph(start, held)
            held, size = [], 0
    if held:
        yield _paragraph(start, held)


def _paragraph(start: int, lines: list[str]) -> Item:
    text = "\n".join(line.rstrip("\r\n") for line in lines).strip()
    if "\0" in text:
        return reject(start, "the paragraph holds NUL bytes; the file may be damaged or binary.", text)
    return ReadRow(start, {"text": text})


def _parquet(path: Path) -> Iterator[Item]:
    import pyarrow as pa

    from workbench.data.parquet_batches import bounded_batches

    number = 0
    try:
        for batch in bounded_batches(path):
            for data in python_rows(batch):
                number += 1
                yield ReadRow(number, data)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(
            f"{path.name} is not a readable Parquet file: {str(error).splitlines()[0][:200]}.",
            "Save it again.",
            "source",
        ) from None


READERS: dict[str, Callable[[TextIO], Iterator[Item]]] = {
    "json": _json,
    "txt": _paragraphs,
    "csv": lambda stream: read_table(stream, ","),
    "tsv": lambda stream: read_table(stream, "\t"),
}
