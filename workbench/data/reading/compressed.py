"""Opens files as bytes, .gz and .zst unpacked on the way and bounded, so that a small file cannot fill the memory."""

import gzip
import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from workbench.core.errors import UserError

PACKED = (".gz", ".zst")
ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".tgz", ".bz2", ".xz")
MOST_BYTES = 4 * 1024**3
MOST_RATIO = 200
CALM_BYTES = 64 * 1024 * 1024
BUFFER_BYTES = 1024 * 1024

OnRead = Callable[[int], None]


def open_bytes(path: Path, on_read: OnRead | None = None, limit: int | None = None) -> BinaryIO:
    """The contents of a file, unpacked if its name ends in .gz or .zst; `on_read` gets the number of bytes read of it.

    While reading, raises `UserError` when a packed file is damaged, gives more than `limit` bytes (4 GB unless told),
    or, from 64 MB on, more than 200 times its own size.
    """
    raw = _Watched(path.open("rb", buffering=0), on_read)
    packed = path.suffix.lower()
    if packed not in PACKED:
        return io.BufferedReader(raw, BUFFER_BYTES)
    inner = gzip.GzipFile(fileobj=raw) if packed == ".gz" else _zstd(raw)
    return io.BufferedReader(_Bounded(inner, raw, path, limit or MOST_BYTES), BUFFER_BYTES)


def too_much(path: Path) -> UserError:
    """The error for a file that gives far more than it holds."""
    return UserError(
        f"{path.name} unpacks to more than {MOST_RATIO} times its size, as a decompression bomb does.",
        "If it is no bomb, unpack it yourself and import the plain file.",
        "source",
    )


def _zstd(raw: io.RawIOBase) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")


class _Watched(io.RawIOBase):
    """A file that tells how many bytes were read of it."""

    def __init__(self, file: io.RawIOBase | Any, on_read: OnRead | None):
        self._file, self._on_read = file, on_read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = int(self._file.readinto(buffer) or 0)
        if self._on_read:
            self._on_read(count)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class _Bounded(io.RawIOBase):
    """What a packed file unpacks to, up to a limit."""

    def __init__(self, inner: Any, packed: io.RawIOBase, path: Path, limit: int):
        self._inner, self._packed, self._path, self._limit = inner, packed, path, limit
        self._most = max(CALM_BYTES, MOST_RATIO * path.stat().st_size)
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            piece = self._inner.read(len(buffer))
        except (OSError, EOFError, ValueError, zlib.error) as error:
            reason = str(error).splitlines()[0][:120]
            raise UserError(f"{self._path.name} is damaged: {reason}.", "Pack it again, or unpack it first.") from None
        self._read += len(piece)
        if self._read > min(self._limit, self._most):
            raise self._over()
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        super().close()
        with self._packed:  # gzip leaves it open
            self._inner.close()

    def _over(self) -> UserError:
        if self._read > self._limit:
            size = f"{self._limit / 1024**3:.3g} GB"
            return UserError(
                f"{self._path.name} unpacks to more than {size}.", "Divide it into smaller files.", "source"
            )
        return too_much(self._path)
