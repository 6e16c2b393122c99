"""Reads rows from files or pasted text; each comes with its line number, and what cannot be read is kept aside."""

import codecs
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from workbench.data.canonical import short
from workbench.data.lines import MAX_LINE, Item, ReadRow, Rejected, bounded_lines, reject
from workbench.data.sniffing import json_or_jsonl, pasted
from workbench.data.tabular import read_table
from workbench.errors import UserError

__all__ = ["ReadRow", "Rejected", "form_of", "read_all", "read_source"]

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
ENCODINGS = ("utf-8", "latin-1")
ROW_LISTS = ("data", "rows", "train", "examples", "items", "records", "instances")
ROW_PARTS = ("messages", "conversations", "conversation", "dialogue", "prompt", "completion", "chosen", "rejected")


def read_source(source: Path | str, encoding: str = "utf-8") -> Iterator[Item]:
    """The rows of a file (by its suffix) or of pasted text (by its looks), one after another.

    Raises `UserError` for a source that cannot be read at all: missing, empty, of an unknown type, badly encoded,
    not JSON, a header with two equal names.
    """
    form = form_of(source, encoding)
    items = _parquet(source) if isinstance(source, Path) and form == "parquet" else _text(source, form, encoding)
    found = False
    for item in items:
        found = True
        yield item
    if not found:
        raise UserError(f"{_name(source)} holds no rows.", "Choose a source with data in it.", "source")


def read_all(source: Path | str, encoding: str = "utf-8") -> tuple[list[ReadRow], list[Rejected]]:
    """Everything at once: the rows, and what was rejected."""
    items = list(read_source(source, encoding))
    return [item for item in items if isinstance(item, ReadRow)], [item for item in items if isinstance(item, Rejected)]


def form_of(source: Path | str, encoding: str = "utf-8") -> str:
    """'json', 'jsonl', 'csv', 'tsv', 'parquet' or 'txt'; raises `UserError`."""
    if encoding not in ENCODINGS:
        raise UserError(f"{encoding!r} is not offered.", f"Choose one of: {', '.join(ENCODINGS)}.", "encoding")
    if isinstance(source, str):
        return pasted(source)
    form = SUFFIXES.get(source.suffix.lower(), "")
    if not source.is_file():
        raise UserError(f"There is no file {source}.", "Check the path.", "source")
    if not form:
        known = ", ".join(SUFFIXES)
        raise UserError(f"{source.name} is of an unknown type.", f"Types that can be read: {known}.", "source")
    if source.stat().st_size == 0:
        raise UserError(f"{source.name} is empty.", "Choose a file with data in it.", "source")
    if form in ("json", "jsonl"):
        with _opened(source, encoding) as stream:
            return json_or_jsonl(_guarded(source, encoding, lambda: stream.read(65_536)), form)
    return form


def _text(source: Path | str, form: str, encoding: str) -> Iterator[Item]:
    readers: dict[str, Callable[[TextIO], Iterator[Item]]] = {
        "json": _json,
        "jsonl": _jsonl,
        "txt": _paragraphs,
        "csv": lambda stream: read_table(stream, ","),
        "tsv": lambda stream: read_table(stream, "\t"),
    }
    with _opened(source, encoding) as stream:
        items = readers[form](stream)
        while (item := _guarded(source, encoding, lambda: next(items, None))) is not None:
            yield item


def _opened(source: Path | str, encoding: str) -> TextIO:
    """The source as text; a byte order mark decides over `encoding`."""
    if isinstance(source, str):
        return io.StringIO(source.removeprefix("\ufeff"), newline="")
    return source.open(encoding=_by_mark(source, encoding), newline="")


def _by_mark(path: Path, encoding: str) -> str:
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig" if head.startswith(codecs.BOM_UTF8) else encoding


def _guarded(source: Path | str, encoding: str, step: Callable[[], Any]) -> Any:
    """The result of a step; a decoding error becomes a `UserError` that names the byte."""
    try:
        return step()
    except UnicodeDecodeError as error:
        at = _bad_byte(source, _by_mark(source, encoding)) if isinstance(source, Path) else error.start
        raise UserError(
            f"{_name(source)} is not {error.encoding.upper().removesuffix('-SIG')}: byte {at:,} cannot be decoded.",
            "Save it as UTF-8, or choose the encoding latin-1.",
            "encoding",
        ) from None


def _bad_byte(path: Path, encoding: str) -> int:
    """The position of the first byte that does not decode, counted from 0."""
    decoder, read = codecs.getincrementaldecoder(encoding.removesuffix("-sig"))(), 0
    with path.open("rb") as file:
        while True:
            chunk = file.read(1 << 20)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                return read - pending + error.start
            if not chunk:
                return read
            read += len(chunk)


def _jsonl(stream: TextIO) -> Iterator[Item]:
    for number, line, whole in bounded_lines(stream):
        if not line.strip():
            continue
        yield _json_line(number, line) if whole else reject(number, "the line is longer than 64 MB.", line)


def _json_line(number: int, line: str) -> Item:
    if "\0" in line:
        return reject(number, "the line holds NUL bytes; the file may be damaged or binary.", line)
    try:
        return _row(number, json.loads(line))
    except json.JSONDecodeError as error:
        return reject(number, f"not valid JSON: {error.msg} (column {error.colno}).", line)
    except (ValueError, RecursionError) as error:
        return reject(number, f"not usable JSON: {str(error)[:100]}.", line)


def _row(number: int, data: Any) -> Item:
    if isinstance(data, dict):
        return ReadRow(number, data)
    return reject(number, f"{short(data)} is not an object with columns.", data)


def _json(stream: TextIO) -> Iterator[Item]:
    text = stream.read(MAX_JSON + 1)
    if len(text) > MAX_JSON:
        raise UserError("A JSON file is read whole, and this one is over 1 GB.", "Save it as JSONL.", "source")
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise UserError(f"Not valid JSON at {where}: {error.msg}.", "Repair it there.", "source") from None
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"The JSON cannot be used: {str(error)[:100]}.", "Check its nesting and numbers.", "source"
        ) from None
    yield from (_row(index, item) for index, item in enumerate(_list_in(data), start=1))


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
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(1000):
                for data in batch.to_pylist():
                    number += 1
                    yield ReadRow(number, data)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(
            f"{path.name} is not a readable Parquet file: {str(error).splitlines()[0][:200]}.",
            "Save it again.",
            "source",
        ) from None


def _name(source: Path | str) -> str:
    return source.name if isinstance(source, Path) else "The pasted text"
