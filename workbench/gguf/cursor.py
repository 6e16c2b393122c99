"""Reads on through the header of a GGUF file without ever believing a length it finds there."""

import struct
from pathlib import Path
from typing import Any, BinaryIO

from workbench.core.errors import UserError

MAX_TEXT_BYTES = 64 * 2**20
MAX_HEADER_BYTES = 2**30
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
TEXT, ARRAY = 8, 9


class Cursor:
    """Reads on through a file; raises `UserError` before it would pass the file's end or a limit."""

    def __init__(self, file: BinaryIO, path: Path):
        self.file, self.path = file, path
        self.size = file.seek(0, 2)
        file.seek(0)
        self.end = min(self.size, MAX_HEADER_BYTES)
        self.position = self.text_bytes = 0

    def damaged(self, reason: str) -> None:
        raise UserError(f"{self.path.name} is damaged: {reason}.", "Get a fresh copy of it.", "path")

    def _advance(self, size: int) -> None:
        self.position += size
        if self.position > self.end:
            self.damaged("it ends early" if self.end == self.size else "its header is too long")

    def take(self, size: int) -> bytes:
        self._advance(size)
        data = self.file.read(size)
        if len(data) != size:
            self.damaged("it ends early")
        return data

    def skip(self, size: int) -> None:
        self._advance(size)
        self.file.seek(size, 1)

    def number(self, letter: str) -> Any:
        return struct.unpack(f"<{letter}", self.take(struct.calcsize(letter)))[0]

    def format(self, kind: int) -> str:
        if kind not in NUMBERS:
            self.damaged("an array holds arrays" if kind == ARRAY else f"a value has the type {kind}")
        return NUMBERS[kind]

    def count(self, max_count: int, noun: str, room: int) -> int:
        """A number of things that take at least `room` bytes each."""
        count = int(self.number("Q"))
        if count > max_count or count * room > self.end - self.position:
            self.damaged(f"it claims to hold {count:,} {noun}")
        return count

    def text(self, most: int) -> str:
        size = int(self.number("Q"))
        self.text_bytes += size
        if size > most or self.text_bytes > MAX_TEXT_BYTES:
            self.damaged(f"a text claims to have {size:,} bytes")
        return self.take(size).decode("utf-8", "replace")
