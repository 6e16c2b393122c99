"""Reads rows from files or pasted text; each comes with its line number, and what cannot be read is kept aside."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from workbench.core.errors import UserError
from workbench.data.reading.compressed import ARCHIVES, PACKED, OnRead
from workbench.data.reading.documents import Documents, read_documents
from workbench.data.reading.json_documents import rows_of_json
from workbench.data.reading.json_lines import Chunk, chunks, read_chunk
from workbench.data.reading.lines import Item, ReadRow, Rejected, Remark
from workbench.data.reading.opening import check_encoding, decoding, open_text, source_blocks, source_name, undecodable
from workbench.data.reading.sniffing import json_or_jsonl, pasted, text_or_table
from workbench.data.reading.tabular import HeaderChoice, read_table
from workbench.rows.arrow_rows import python_rows
from workbench.rows.bounds import MOST_JSON_VALUES, too_many_values

__all__ = ["USUAL", "ReadRow", "ReadingOptions", "Rejected", "form_of", "read_all", "read_chunks", "read_source"]

MAX_JSON_BYTES = 1024 * 1024 * 1024
SUFFIXES = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".txt": "txt",
    ".md": "md",
    ".markdown": "md",
}


@dataclass(frozen=True)
class ReadingOptions:
    """How text files are read: their encoding, whether a table has a header, and what a document of plain text is."""

    encoding: str = "utf-8"
    header: HeaderChoice = "auto"
    documents: Documents = "auto"


USUAL = ReadingOptions()


def read_source(source: Path | str, options: ReadingOptions = USUAL, on_read: OnRead | None = None) -> Iterator[Item]:
    """The rows of a file (by its suffix) or of pasted text (by its looks), one after another.

    Raises `UserError` for a source that cannot be read at all: missing, empty, of an unknown type, badly encoded,
    not JSON, a header with two equal names, a decompression bomb.
    """
    form = form_of(source, options)
    has_rows = False
    for item in _items(source, form, options, on_read):
        has_rows = has_rows or not isinstance(item, Remark)
        yield item
    if not has_rows:
        raise no_rows(source)


def read_all(source: Path | str, options: ReadingOptions = USUAL) -> tuple[list[ReadRow], list[Rejected]]:
    """Everything at once: the rows, and what was rejected."""
    items = list(read_source(source, options))
    return [item for item in items if isinstance(item, ReadRow)], [item for item in items if isinstance(item, Rejected)]


def read_chunks(source: Path | str, options: ReadingOptions = USUAL, on_read: OnRead | None = None) -> Iterator[Chunk]:
    """The lines of a source of JSON lines, many at a time; `read_chunk` makes rows of them."""
    return chunks(source_blocks(source, options.encoding, on_read))


def form_of(source: Path | str, options: ReadingOptions = USUAL) -> str:
    """'json', 'jsonl', 'csv', 'tsv', 'cards', 'parquet', 'txt' or 'md'; raises `UserError`."""
    encoding = options.encoding
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
    if form in ("json", "jsonl", "txt"):
        with open_text(source, encoding) as stream, decoding(source, encoding):
            head = stream.read(65_536)
        if form == "txt":
            return text_or_table(head) if options.documents == "auto" else "txt"
        return json_or_jsonl(head, form)
    return form


def suffix_form(path: Path) -> str:
    """What a file is by the end of its name, .gz and .zst taken off; '' if it is nothing that can be read."""
    if path.suffix.lower() not in PACKED:
        return SUFFIXES.get(path.suffix.lower(), "")
    form = SUFFIXES.get(Path(path.stem).suffix.lower(), "")
    return "" if form == "parquet" else form


def no_rows(source: Path | str) -> UserError:
    return UserError(f"{source_name(source)} holds no rows.", "Choose a source with data in it.", "source")


def _unknown(source: Path) -> UserError:
    if source.suffix.lower() in ARCHIVES:
        return UserError(f"{source.name} is an archive.", "Unpack it, and choose the files in it.", "source")
    suffixes = ", ".join(SUFFIXES)
    return UserError(
        f"{source.name} is of an unknown type.",
        f"Types that can be read: {suffixes}; all but Parquet also packed, as .gz or .zst.",
        "source",
    )


def _items(source: Path | str, form: str, options: ReadingOptions, on_read: OnRead | None) -> Iterator[Item]:
    if isinstance(source, Path) and form == "parquet":
        yield from _parquet(source)
    elif form == "jsonl":
        for chunk in read_chunks(source, options, on_read):
            try:
                yield from read_chunk(chunk)
            except UnicodeDecodeError as error:
                raise undecodable(source, error, chunk.position + error.start) from None
    else:
        with open_text(source, options.encoding, on_read) as stream, decoding(source, options.encoding):
            yield from _read_text(stream, form, options)


def _json(stream: TextIO) -> Iterator[Item]:
    text = stream.read(MAX_JSON_BYTES + 1)
    if len(text) > MAX_JSON_BYTES:
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
    yield from rows_of_json(data)


def _parquet(path: Path) -> Iterator[Item]:
    import pyarrow as pa

    from workbench.data.reading.parquet_batches import bounded_batches

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


def _read_text(stream: TextIO, form: str, options: ReadingOptions) -> Iterator[Item]:
    if form == "json":
        return _json(stream)
    if form in ("csv", "tsv", "cards"):
        return read_table(stream, "," if form == "csv" else "\t", options.header, form == "cards")
    return read_documents(stream, options.documents, form == "md")
