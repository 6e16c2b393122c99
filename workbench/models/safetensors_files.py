"""Opening a safetensors file, or saying what it is instead: a web page, a git LFS pointer, a pickle, half a download.

https://huggingface.co/docs/safetensors/index#format: eight bytes that give the length of the header, the header in
JSON, the tensors' data. Imports no torch.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from workbench.core.errors import UserError, shortened

MOST_HEADER_BYTES = 32 * 1024**2  # of one file; a tensor takes about 100 bytes there
MOST_TENSORS = 100_000  # of one file; the largest published models have as many in over a hundred files
LENGTH_BYTES = 8
START_BYTES = 512  # enough to tell what a file is
QUOTED_CHARACTERS = 60  # characters
DOWNLOAD = "Download the file again."
CONVERT = "Load it where you trust it and save it with save_pretrained; pickles can run code."
SIGNS = (
    (b"version https://git-lfs", "a git LFS pointer, not the weights", "Run git lfs pull where it was cloned."),
    (b"GGUF", "a GGUF file", "Import it as a GGUF model."),
    (b"PK\x03\x04", "a zip archive, as torch.save writes pickled weights", CONVERT),
    *((bytes([0x80, version]), "a Python pickle", CONVERT) for version in range(2, 6)),
    (b"\x1f\x8b", "a gzip archive", "Unpack it first."),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "Unpack it first."),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it first."),
    (b"\x89HDF", "an HDF5 file", "Convert the model to safetensors."),
    (b"\x93NUMPY", "a NumPy array", "Convert the model to safetensors."),
)
"""First bytes of what lies under such a name at times; a header of so odd a length is not met with."""
PAGE = "Download the file itself; a page is sent where a sign-in is needed, or the link is that of a page."
REPLY = "Download the file again: a server answered with this in its place."


@contextmanager
def opened(path: Path, framework: str = "np") -> Iterator[Any]:
    """`safe_open` for reading; raises `UserError` that says what a file is if it is not safetensors, where it was cut
    off, and when its header is over the limits, before anything is made of it."""
    check_header(path)
    try:
        with safe_open(path, framework=framework, device="cpu") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from None


def check_header(path: Path) -> None:
    """Raises `UserError` for what is no safetensors file and for a header that is too large; `safe_open` checks the
    rest."""
    if not path.is_file():
        raise UserError(f"{path.name} is no regular file.", "Download or save the model again.")
    try:
        with path.open("rb") as file:
            start = file.read(START_BYTES)
            size = path.stat().st_size
            _check_start(path.name, start, size)
            length = int.from_bytes(start[:LENGTH_BYTES], "little")
            file.seek(LENGTH_BYTES)
            count = file.read(length).count(b'"data_offsets"')
    except OSError as error:
        raise UserError(f"{path.name} cannot be read: {error.strerror}.", "Check who may read it.") from None
    if count > MOST_TENSORS:
        raise UserError(
            f"{path.name} holds {count:,} tensors, more than {MOST_TENSORS:,}.", "Save the model in several files."
        )


def _check_start(name: str, start: bytes, size: int) -> None:
    if not size:
        raise UserError(f"{name} is empty.", DOWNLOAD)
    if not start.strip(b"\0"):
        raise UserError(f"{name} begins with zero bytes only: its download was not finished.", DOWNLOAD)
    length = int.from_bytes(start[:LENGTH_BYTES], "little")
    begins = start[LENGTH_BYTES : LENGTH_BYTES + 1]
    if begins != b"{" or size < LENGTH_BYTES + length:
        if looks := _foreign(start):
            raise UserError(f"{name} is no safetensors file but {looks[0]}.", looks[1])
        if begins == b"{" and start[LENGTH_BYTES - 1] == 0:
            raise UserError(
                f"{name} ends within its header, after {size:,} bytes: it was cut off.", DOWNLOAD
            )  # fmt: skip
        quoted = start[:LENGTH_BYTES].hex(" ")
        raise UserError(f"{name} is no safetensors file: it begins with the bytes {quoted}.", DOWNLOAD)
    if length > MOST_HEADER_BYTES:
        raise UserError(
            f"The header of {name} is over {MOST_HEADER_BYTES / 1024**2:g} MB.", "Download the model again."
        )


def _foreign(start: bytes) -> tuple[str, str] | None:
    """What a file that begins so is, and the remedy; None where that cannot be told."""
    for sign, looks, remedy in SIGNS:
        if start.startswith(sign):
            return looks, remedy
    try:
        text = start.decode("utf-8-sig", "strict" if len(start) < START_BYTES else "ignore").strip()
    except UnicodeDecodeError:
        return None
    if not text or not all(character.isprintable() or character.isspace() for character in text):
        return None
    if text.lower().startswith(("<!doctype html", "<html")):
        return "a web page", PAGE
    return f"text: {shortened(' '.join(text.split()), QUOTED_CHARACTERS)!r}", REPLY


def _damaged(path: Path, error: Exception) -> UserError:
    size = path.stat().st_size if path.is_file() else 0
    needed = _needed(path)
    if 0 < size < needed:
        return UserError(f"{path.name} was cut off: it has {size:,} bytes of {needed:,}.", DOWNLOAD)
    return UserError(f"{path.name} is damaged: {error}.", "Download or save the model again.")


def _needed(path: Path) -> int:
    """The bytes that a file has by its own header; 0 where that tells nothing."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(LENGTH_BYTES), "little")
            header = json.loads(file.read(length))
        ends = [int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"]
    except (OSError, ValueError, AttributeError, KeyError, TypeError, IndexError, RecursionError):
        return 0
    return LENGTH_BYTES + length + max(ends, default=0)
