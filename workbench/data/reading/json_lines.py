"""JSON lines, in chunks of complete lines: cut from blocks of bytes, and read into rows with their line numbers."""

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from workbench.data.reading import lines
from workbench.data.reading.lines import Item, ReadRow, bounded_lines, reject
from workbench.rows.bounds import MOST_VALUES, refusal, too_many_values
from workbench.rows.values import short

SPEAKERS = {"role", "from"}
MESSAGES = "messages"  # the column of a chat that is a bare list


@dataclass(frozen=True)
class Chunk:
    """Complete lines as UTF-8: the number of the first one, where it begins in the file, and their bytes.

    `whole` is false for the beginning of a single line longer than 64 MB.
    """

    line: int
    position: int
    data: bytes
    whole: bool = True


def chunks(blocks: Iterable[tuple[int, bytes]]) -> Iterator[Chunk]:
    """The lines of a file, about a block's length of them at a time."""
    line, start, held = 1, -1, bytearray()
    skipping = False
    for position, block in blocks:
        if skipping:
            rest = block.find(b"\n") + 1
            skipping, block = not rest, block[rest:] if rest else b""
            position += rest
        start = start if held else position
        held += block
        end = held.rfind(b"\n") + 1
        if end:
            chunk = Chunk(line, start, bytes(held[:end]))
            yield chunk
            line, start, held = line + count_lines(chunk.data), start + end, held[end:]
        elif len(held) > lines.MAX_LINE_BYTES:
            yield Chunk(line, start, bytes(held[: lines.MAX_LINE_BYTES]), whole=False)
            line, held, skipping = line + 1, bytearray(), True
    if held:
        yield Chunk(line, start, bytes(held))


def count_lines(data: bytes) -> int:
    r"""How many lines `read_chunk` sees: they end with \n, \r\n or \r."""
    ends = data.count(b"\n") + (data.count(b"\r") - data.count(b"\r\n") if b"\r" in data else 0)
    return ends + (not data.endswith((b"\n", b"\r")))


def read_chunk(chunk: Chunk) -> Iterator[Item]:
    """The rows of a chunk one by one. Raises `UnicodeDecodeError` when it is not UTF-8."""
    if not chunk.whole:
        yield _too_long(chunk.line, chunk.data[: lines.RAW_CHARACTERS].decode("utf-8", "replace"))
        return
    stream = io.StringIO(chunk.data.decode("utf-8"), newline="")
    for offset, line, whole in bounded_lines(stream):
        number = chunk.line + offset - 1
        if line.strip():
            yield _read_line(number, line) if whole else _too_long(number, line)


def row_of_line(number: int, data: object) -> Item:
    """A row, or its rejection when it is neither an object nor a list of messages."""
    if isinstance(data, dict):
        return ReadRow(number, data)
    if isinstance(data, list) and data and all(isinstance(turn, dict) and SPEAKERS & turn.keys() for turn in data):
        return ReadRow(number, {MESSAGES: data})
    return reject(number, f"{short(data)} is not an object with columns.", data)


def _read_line(number: int, line: str) -> Item:
    if "\0" in line:
        return reject(number, "the line holds NUL bytes; the file may be damaged or binary.", line)
    if too_many_values(line):
        return reject(number, f"the row holds more than {MOST_VALUES:,} values.", line)
    try:
        data = json.loads(line)
        reason = refusal(data, line)
        return reject(number, reason, line) if reason else row_of_line(number, data)
    except json.JSONDecodeError as error:
        return reject(number, f"not valid JSON: {error.msg} (column {error.colno}).", line)
    except (ValueError, RecursionError) as error:
        return reject(number, f"not usable JSON: {str(error)[:100]}.", line)


def _too_long(number: int, line: str) -> Item:
    return reject(number, "the line is longer than 64 MB.", line)
