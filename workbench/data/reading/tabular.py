"""Reads CSV, TSV and Anki's text files record by record; a ragged or damaged one is rejected with its line number.

A quote that is never closed swallows the lines after it. Where that ends in an error, only the line with the quote is
rejected and those it swallowed are read again.
"""

import csv
import itertools
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TextIO, get_args

from workbench.core.errors import UserError, shortened
from workbench.data.reading.columns import meaning_of, plain_name
from workbench.data.reading.lines import MAX_LINE_BYTES, Item, ReadRow, Remark, bounded_lines, reject
from workbench.rows.bounds import MOST_COLUMNS, MOST_VALUES
from workbench.rows.values import short

HeaderChoice = Literal["auto", "yes", "no"]
HEADERS: tuple[str, ...] = get_args(HeaderChoice)
ANKI = "#separator:"
ANKI_NAMES = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "colon": ":", "space": " "}
CARD = ["front", "back", "tags"]
USUAL = {"text", "id", "front", "back", "tags", "title", "source", "category", "lang", "language", "split", "topic"}
LONGEST_NAME_CHARACTERS, MOST_WORDS = 40, 4


@dataclass
class _Table:
    """How a file is written: its delimiter, the names it gives its columns, and its lines from the first record on."""

    delimiter: str
    names: list[str] | None
    lines: Iterator[str]
    skipped: int = 0
    is_cards: bool = False


def read_table(stream: TextIO, delimiter: str, header: HeaderChoice = "auto", is_cards: bool = False) -> Iterator[Item]:
    """Records as rows by the names in the first line, or `column_1` and so on where that is no header.

    `is_cards` is for the text files of flashcards, whose columns are front and back. Raises `UserError` for a header
    that cannot serve.
    """
    table = _opened(stream, delimiter, is_cards)
    names, swallowing = table.names, 0
    for start, record, error, raw in _records(table):
        if error and names is None:
            raise UserError(f"The header cannot be read: {error}.", "Check its quotes.", "source")
        if error:
            yield reject(start, f"not valid CSV: {error}; check its quotes.", raw[0])
        elif names is None:
            if not record:
                continue
            names, is_header = _names(record, header, table)
            if not is_header:
                yield Remark(f"The first line is no header; the columns are called {shortened(', '.join(names), 200)}")
                yield _record(start, record, names)
        elif record:
            swallowing += _has_swallowed(raw, len(names), table.delimiter)
            yield _record(start, record, names)
    if swallowing:
        yield Remark(
            f"Rows with a quoted cell of lines that look like rows themselves: {swallowing:,}. Check its quotes"
        )


def _opened(stream: TextIO, delimiter: str, is_cards: bool) -> _Table:
    """Takes off the lines before the table that say how it is written."""
    lines, skipped, names = _lines(stream), 0, None
    first = next(lines, "")
    if first.strip().lower().startswith("sep=") and len(first.strip()) <= 5:
        return _Table(first.rstrip("\r\n")[4:] or delimiter, None, lines, 1)
    while first.startswith("#") and (is_cards or first.lower().startswith(ANKI)):
        key, _, value = first[1:].strip().partition(":")
        is_cards, skipped = True, skipped + 1
        if key.lower() == "separator":
            delimiter = ANKI_NAMES.get(value.strip().lower(), value.strip() or delimiter)
        elif key.lower() == "columns":
            names = [name.strip() for name in value.split(delimiter)]
        first = next(lines, "")
    if delimiter == "," and "," not in first:
        delimiter = next((separator for separator in (";", "\t", "|") if separator in first), ",")
    if len(delimiter) != 1 or delimiter in '"\r\n\0':
        raise UserError(f"The file names {short(delimiter)} as its separator.", "Name a single character.", "source")
    return _Table(delimiter, names, itertools.chain([first], lines), skipped, is_cards)


def _records(table: _Table) -> Iterator[tuple[int, list[str], str, list[str]]]:
    """(first line, cells, error, lines) of every record; cells are empty for a blank line and after an error."""
    csv.field_size_limit(MAX_LINE_BYTES)
    waiting, start = _Waiting(table.lines), table.skipped + 1
    while True:
        record_lines: list[str] = []
        reader = csv.reader(_recorded(waiting, record_lines), delimiter=table.delimiter, strict=True)
        try:
            for record in reader:
                yield start, record, "", record_lines
                start += len(record_lines)
                record_lines.clear()
        except csv.Error as error:
            yield start, [], str(error), record_lines
            waiting.give_back(record_lines[1:])
            start += 1
            continue
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


class _Waiting:
    """Lines to be read, and those given back to be read again."""

    def __init__(self, lines: Iterator[str]):
        self._lines, self._again = lines, deque[str]()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return self._again.popleft() if self._again else next(self._lines)

    def give_back(self, lines: list[str]) -> None:
        self._again.extendleft(reversed(lines))


def _recorded(waiting: Iterator[str], record_lines: list[str]) -> Iterator[str]:
    """The lines, each noted in `record_lines` so that a record that fails can be shown, its lines read again.

    Raises `csv.Error` within a record longer than 64 MB.
    """
    size = 0
    for line in waiting:
        size = len(line) + (size if record_lines else 0)
        record_lines.append(line)
        if size > MAX_LINE_BYTES and len(record_lines) > 1:
            raise csv.Error("the record is longer than 64 MB")
        yield line


def _has_swallowed(raw: list[str], cells: int, delimiter: str) -> bool:
    """Whether all lines a quoted cell goes on in have as many cells as a row."""
    return len(raw) > 1 and cells > 1 and all(line.count(delimiter) == cells - 1 for line in raw)


def _names(record: list[str], header: HeaderChoice, table: _Table) -> tuple[list[str], bool]:
    """The names of the columns, and whether the first record gives them. Raises `UserError`."""
    if len(record) > MOST_COLUMNS:
        raise UserError(
            f"The header has {len(record):,} columns, more than {MOST_COLUMNS:,}.",
            "Leave out those not needed.",
            "source",
        )
    if header == "yes" or (header == "auto" and _is_header(record, table.is_cards)):
        return _header(record), True
    if table.is_cards and len(record) <= len(CARD):
        return CARD[: len(record)], False
    return [f"column_{number}" for number in range(1, len(record) + 1)], False


def _is_header(record: list[str], is_cards: bool) -> bool:
    """Whether a record holds names: known ones, or (not for flashcards) short ones without the marks of a sentence."""
    if any(meaning_of(name) or plain_name(name) in USUAL for name in record):
        return True
    return not is_cards and not any(map(_is_data, record))


def _is_data(cell: str) -> bool:
    text = cell.strip()
    is_number = text.replace(".", "", 1).replace("-", "", 1).isdigit()
    is_sentence = len(text) > 1 and (text.endswith((".", "?", "!", "。", "？")) or ". " in text or "\n" in text)
    return is_number or is_sentence or len(text) > LONGEST_NAME_CHARACTERS or len(text.split()) > MOST_WORDS


def _header(record: list[str]) -> list[str]:
    names = [name.strip() or f"column_{index}" for index, name in enumerate(record, start=1)]
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
