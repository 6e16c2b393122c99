"""Plain text divided into documents: a line each, a paragraph each, or the text as a whole."""

import re
from collections.abc import Callable, Iterator
from typing import Literal, TextIO, get_args

from workbench.core.errors import UserError
from workbench.data.reading import lines
from workbench.data.reading.lines import Item, ReadRow, Remark, bounded_lines, reject

Documents = Literal["auto", "lines", "paragraphs", "whole"]
DOCUMENTS: tuple[str, ...] = get_args(Documents)
HEAD_CHARACTERS = 1_000_000  # characters looked at to decide
TERMINAL = tuple(".!?:;…。！？»”\"')")
WRAPPED_LINE_CHARACTERS = 120  # characters of a line in a text that was wrapped by hand
MANY_LINES = 10  # a paragraph of more lines than that is rather a list of documents
SPEAKER = re.compile(r"\s*Human:", re.ASCII)
NAMES = {"lines": "one document a line", "paragraphs": "one document a paragraph", "whole": "one document in all"}


def read_documents(stream: TextIO, how: Documents = "auto", is_markdown: bool = False) -> Iterator[Item]:
    """A remark on how a text is divided and what else it could be, then rows with the column `text`.

    Raises `UserError` for a document longer than 64 MB.
    """
    head = stream.read(HEAD_CHARACTERS)
    chosen = divided_by(head, is_markdown) if how == "auto" else how
    blocks = blocks_of(head)
    counts = {"lines": sum(map(len, blocks)), "paragraphs": len(blocks), "whole": 1}
    if counts["lines"] > 1:
        extent = "" if len(head) < HEAD_CHARACTERS else f" (of its first {HEAD_CHARACTERS:,} characters)"
        others = ", ".join(f"{NAMES[name]} would be {count:,}" for name, count in counts.items() if name != chosen)
        yield Remark(f"The text is read as {NAMES[chosen]}: {counts[chosen]:,}{extent}; {others}")
    yield from READERS[chosen](bounded_lines(_Ahead(head, stream)))


def divided_by(head: str, is_markdown: bool = False) -> Literal["lines", "paragraphs", "whole"]:
    """What the beginning of a text says: a blank line ends a paragraph; without them a line is a document, unless
    the lines are those of one text that was wrapped."""
    if is_markdown or (SPEAKER.match(head) and "\nAssistant:" in head):
        return "whole"
    blocks = blocks_of(head)
    lines = [line for block in blocks for line in block]
    if len(blocks) < 2:
        return "whole" if len(lines) < 2 or _is_wrapped(lines) else "lines"
    is_list = len(lines) > MANY_LINES * len(blocks) and not _is_wrapped(lines)
    return "lines" if is_list else "paragraphs"


def blocks_of(text: str) -> list[list[str]]:
    """The lines of every paragraph."""
    blocks: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.strip():
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    return [block for block in blocks if block]


def _is_wrapped(lines: list[str]) -> bool:
    """Whether lines of about the same length break off in the middle of a sentence."""
    longest = max(map(len, lines))
    full = sum(len(line) > 0.6 * longest for line in lines)
    open_ended = sum(not line.rstrip().endswith(TERMINAL) for line in lines[:-1])
    return 40 < longest <= WRAPPED_LINE_CHARACTERS and full >= 0.7 * len(lines) and open_ended > 0.5 * (len(lines) - 1)


Line = tuple[int, str, bool]


class _Ahead:
    """A stream that begins with a text read from it before."""

    def __init__(self, head: str, stream: TextIO):
        self._head, self._place, self._stream = head, 0, stream

    def readline(self, limit: int = -1) -> str:
        if self._place >= len(self._head):
            return self._stream.readline(limit)
        end = self._end(limit)
        line, self._place = self._head[self._place : end], end
        if line.endswith("\n") or end < len(self._head):
            return line
        return line + self._stream.readline(max(limit - len(line), 1) if limit >= 0 else -1)

    def _end(self, limit: int) -> int:
        at = re.compile(r"\r\n|\n|\r").search(self._head, self._place)
        end = at.end() if at else len(self._head)
        return min(end, self._place + limit) if limit >= 0 else end


def _by_line(source: Iterator[Line]) -> Iterator[Item]:
    for number, line, whole in source:
        if not whole:
            yield reject(number, "the line is longer than 64 MB.", line)
        elif line.strip():
            yield _document(number, line.strip())


def _by_paragraph(source: Iterator[Line]) -> Iterator[Item]:
    held: list[str] = []
    size = start = 0
    for number, line, whole in source:
        if line.strip():
            start = start if held else number
            held.append(line)
            size += len(line)
            if not whole or size > lines.MAX_LINE_BYTES:
                raise _too_long(f"The paragraph at line {start}")
        elif held:
            yield _document(start, _text(held))
            held, size = [], 0
    if held:
        yield _document(start, _text(held))


def _whole(source: Iterator[Line]) -> Iterator[Item]:
    held: list[str] = []
    size = 0
    for _, line, whole in source:
        held.append(line)
        size += len(line)
        if not whole or size > lines.MAX_LINE_BYTES:
            raise _too_long("The text")
    if text := _text(held):
        yield _document(1, text)


def _too_long(subject: str) -> UserError:
    return UserError(f"{subject} is longer than 64 MB.", "Break it up.", "source")


def _text(held: list[str]) -> str:
    return "\n".join(line.rstrip("\r\n") for line in held).strip()


def _document(start: int, text: str) -> Item:
    if "\0" in text:
        return reject(start, "the text holds NUL bytes; the file may be damaged or binary.", text)
    return ReadRow(start, {"text": text})


READERS: dict[str, Callable[[Iterator[Line]], Iterator[Item]]] = {
    "lines": _by_line,
    "paragraphs": _by_paragraph,
    "whole": _whole,
}
