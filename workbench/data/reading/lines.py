"""What reading yields: rows with their line numbers, rejected rows with their reasons; and bounded lines."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

MAX_LINE_BYTES = 64 * 1024 * 1024
RAW_CHARACTERS = 500


@dataclass(frozen=True)
class ReadRow:
    """One row as the source has it; `line` is where it begins, counted from 1 (for JSON and Parquet: which row)."""

    line: int
    data: dict[str, Any]


@dataclass(frozen=True)
class Rejected:
    """A row that could not be used: where, why, and the first 500 characters of it."""

    line: int
    reason: str
    raw: str
    file: str = ""

    @property
    def where(self) -> str:
        """'talks.jsonl line 17', or 'line 17' where there is no file."""
        return f"{self.file} line {self.line}".strip()


@dataclass(frozen=True)
class Remark:
    """What is worth knowing about a source as a whole, such as how a text was divided into rows."""

    text: str


Item = ReadRow | Rejected | Remark


def reject(line: int, reason: str, raw: Any) -> Rejected:
    """A `Rejected` with its raw text cut short and safe to write anywhere."""
    text = raw if isinstance(raw, str) else _shown(raw)
    return Rejected(line, reason, text[:RAW_CHARACTERS].encode("utf-8", "replace").decode("utf-8"))


class LineReader(Protocol):
    """What lines are read from: a text stream, or something like one."""

    def readline(self, limit: int = -1, /) -> str: ...


def bounded_lines(stream: LineReader) -> Iterator[tuple[int, str, bool]]:
    """(line number, text, whole) of every line; a line over 64 MB comes cut, with `whole` false."""
    number = 0
    while line := stream.readline(MAX_LINE_BYTES):
        number += 1
        whole = line.endswith(("\n", "\r")) or len(line) < MAX_LINE_BYTES
        yield number, line, whole
        while not whole and (rest := stream.readline(MAX_LINE_BYTES)):
            whole = rest.endswith(("\n", "\r"))


def _shown(raw: Any) -> str:
    try:
        return json.dumps(raw, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):  # keys that are no text, numbers of thousands of digits
        return f"<{type(raw).__name__} that cannot be shown>"
