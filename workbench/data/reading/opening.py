"""Opens a source (a file, or pasted text) as text or as blocks of UTF-8, whatever its encoding."""

import codecs
import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TextIO, get_args

from workbench.core.errors import UserError
from workbench.data.reading.compressed import OnRead, open_bytes

Encoding = Literal["utf-8", "utf-16", "latin-1", "cp1252"]
ENCODINGS: tuple[str, ...] = get_args(Encoding)
BLOCK_BYTES = 2 * 1024 * 1024


def check_encoding(encoding: str) -> None:
    """Raises `UserError` for an encoding that is not offered."""
    if encoding not in ENCODINGS:
        raise UserError(f"{encoding!r} is not offered.", f"Choose one of: {', '.join(ENCODINGS)}.", "encoding")


def source_name(source: Path | str) -> str:
    """What messages call the source."""
    return source.name if isinstance(source, Path) else "The pasted text"


def open_text(source: Path | str, encoding: str, on_read: OnRead | None = None) -> TextIO:
    """The source as text, line ends unchanged; a byte order mark decides over `encoding`."""
    if isinstance(source, str):
        return io.StringIO(source.removeprefix("\ufeff"), newline="")
    return io.TextIOWrapper(open_bytes(source, on_read), encoding=by_mark(source, encoding), newline="")


def source_blocks(source: Path | str, encoding: str, on_read: OnRead | None = None) -> Iterator[tuple[int, bytes]]:
    """(position in the file, block) of the whole source as UTF-8; UTF-8 itself is passed on unchecked.

    Positions count the source's own bytes where it is UTF-8, those handed out otherwise. Raises `UserError` for
    what cannot be decoded.
    """
    position = 0
    actual = by_mark(source, encoding) if isinstance(source, Path) else ""
    if isinstance(source, Path) and actual.startswith("utf-8"):
        with open_bytes(source, on_read) as file:
            position = len(file.read(3)) if actual == "utf-8-sig" else 0
            while block := file.read(BLOCK_BYTES):
                yield position, block
                position += len(block)
        return
    with open_text(source, encoding, on_read) as stream, decoding(source, encoding):
        while text := stream.read(BLOCK_BYTES):
            block = text.encode("utf-8")
            yield position, block
            position += len(block)


def by_mark(path: Path, encoding: str) -> str:
    """The encoding a byte order mark names, else the one given; UTF-16 without a mark is little-endian unless the
    first letter says otherwise."""
    with open_bytes(path) as file:
        head = file.read(4)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if encoding == "utf-16":
        return "utf-16-be" if head.startswith(b"\0") else "utf-16-le"
    return "utf-8-sig" if head.startswith(codecs.BOM_UTF8) else encoding


@contextlib.contextmanager
def decoding(source: Path | str, encoding: str) -> Iterator[None]:
    """Turns a decoding error within the block into a `UserError` that names the byte."""
    try:
        yield
    except UnicodeDecodeError as error:
        at = _bad_byte(source, by_mark(source, encoding)) if isinstance(source, Path) else error.start
        raise undecodable(source, error, at) from None
    except UnicodeError as error:  # UTF-16 of an odd length, or without what a pair needs
        raise UserError(f"{source_name(source)} cannot be decoded: {error}.", "Save it as UTF-8.", "encoding") from None


def undecodable(source: Path | str, error: UnicodeDecodeError, at: int) -> UserError:
    """The error for a byte that is not of the encoding it was read in; `at` counts from 0."""
    name = error.encoding.upper().removesuffix("-SIG")
    others = "latin-1 or cp1252" if name.startswith("UTF") else "utf-8"
    return UserError(
        f"{source_name(source)} is not {name}: byte {at:,} cannot be decoded.",
        f"Save it as UTF-8, or choose the encoding {others}.",
        "encoding",
    )


def _bad_byte(path: Path, encoding: str) -> int:
    """The position of the first byte that does not decode, counted from 0."""
    decoder, read = codecs.getincrementaldecoder(encoding.removesuffix("-sig"))(), 0
    with open_bytes(path) as file:
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
