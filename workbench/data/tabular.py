"""Reads CSV and TSV line by line; a ragged or damaged record is rejected with its line number."""

import csv
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import TextIO

from workbench.data.bounds import MOST_COLUMNS, MOST_VALUES
from workbench.data.lines import MAX_LINE, Item, ReadRow, bounded_lines, reject
from workbench.errors import UserError


def read_table(stream: TextIO, delimiter: str) -> Iterator[Item]:
    """Records as rows by the names in the first line. Raises `UserError` for a header that cannot serve."""
    header: list[str] | None = None
    for start, record, error, raw in _records(stream, delimiter):
        if error and header is None:
            raise UserError(f"The header cannot be read: {error}.", "Check its quotes.", "source")
        if error:
            yield reject(start, f"not valid CSV: {error}; check its quotes.", raw)
        elif header is None:
            header = _header(record) if record else None
        elif record:
            yield _record(start, record, header)


def _records(stream: TextIO, delimiter: str) -> Iterator[tuple[int, list[str], str, str]]:
    """(first line, cells, error, text) of every record; cells are empty for a blank line and after an error."""
    lines, seen = _lines(stream), list[str]()
    first = next(lines, "")
    if delimiter == "," and ";" in first and "," not in first:
        delimiter = ";"
    csv.field_size_limit(MAX_LINE)
    reader = csv.reader(_kept([first], lines, seen), delimiter=delimiter, strict=True)
    while True:
        seen.clear()
        start = reader.line_num + 1
        try:
            yield start, next(reader), "", ""
        except csv.Error as error:
            yield start, [], str(error), "".join(seen)
        except StopIteration:
            return


def _lines(stream: TextIO) -> Iterator[str]:
    for number, line, whole in bounded_lines(stream):
        if not whole:
            raise UserError(f"Line {number} is longer than 64 MB.", "Check for a missing line end.", "source")
        if max(line.count(delimiter) for delimiter in ",;\t|") > MOST_VALUES:
            raise UserError(
                f"Line {number} has more than {MOST_VALUES:,} cells.", "Check its delimiters and line ends.", "source"
            )
        yield line


def _kept(first: list[str], rest: Iterator[str], seen: list[str]) -> Iterator[str]:
    """The lines, each noted in `seen` so that a record that cannot be parsed can still be shown."""
    for line in itertools.chain(first, rest):
        seen.append(line)
        yield line


def _header(record: list[str]) -> list[str]:
    names = [name.strip() or f"column_{index}" for index, name in enumerate(record, start=1)]
    if len(names) > MOST_COLUMNS:
        raise UserError(
            f"The header has {len(names):,} columns, more than {MOST_COLUMNS:,}.",
            "Leave out those not needed.",
            "source",
        )
    twice = sorted(name for name, times in Counter(names).items() if times > 1)[:5]
    if twice:
        raise UserError(
            f"The header has {', '.join(map(repr, twice))} more than once.", "Give every column its own name.", "source"
        )
    return names


def _record(start: int, record: list[str], header: list[str]) -> Item:
    raw = ",".join(record)
    if len(record) != len(header):
        return reject(start, f"{len(record)} cells where the header has {len(header)}.", raw)
    if "\0" in raw:
        return reject(start, "the record holds NUL bytes; the file may be damaged or binary.", raw)
    return ReadRow(start, dict(zip(header, record, strict=True)))
