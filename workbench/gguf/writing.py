"""Writes a GGUF from another one: its keys, new tensors, in one pass from the first byte to the last."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from workbench.gguf.layout import FILE_TYPES, QUANTIZATION_VERSION, TYPES, padded_size, tensor_bytes
from workbench.gguf.reading import Header

VERSION = 3
UINT32, TEXT = 4, 8
LEFT_OUT = ("split.no", "split.count", "split.tensors.count")
Planned = tuple[str, tuple[int, ...], str]  # name, shape, type


def numbers_of(kind: str) -> dict[str, int]:
    """The keys that tell what a quantized file is."""
    return {"general.quantization_version": QUANTIZATION_VERSION, "general.file_type": FILE_TYPES[kind]}


class GgufWriter:
    """Opens `path` with the keys of `source` and the places of `tensors`; their data follows in the same order."""

    def __init__(
        self, path: Path, source: Header, tensors: Sequence[Planned], numbers: Mapping[str, int],
        texts: Mapping[str, str] | None = None,
    ):  # fmt: skip
        self.alignment = source.alignment
        self._file = path.open("wb")
        replaced = {*numbers, *(texts or {}), *LEFT_OUT}
        spans = [span for key, span in source.spans.items() if key not in replaced]
        count = len(spans) + len(numbers) + len(texts or {})
        self._file.write(b"GGUF" + struct.pack("<IQQ", VERSION, len(tensors), count))
        self._copy(source.path, spans)
        for key, number in numbers.items():
            self._file.write(encode_text(key) + struct.pack("<II", UINT32, number))
        for key, words in (texts or {}).items():
            self._file.write(encode_text(key) + struct.pack("<I", TEXT) + encode_text(words))
        self._file.write(places(tensors, self.alignment))
        self._pad()

    def _copy(self, path: Path, spans: Sequence[tuple[int, int]]) -> None:
        with path.open("rb") as file:
            for start, end in spans:
                file.seek(start)
                for left in range(end - start, 0, -(2**24)):
                    self._file.write(file.read(min(left, 2**24)))

    def write(self, data: bytes | memoryview) -> None:
        self._file.write(data)

    def end_tensor(self) -> None:
        self._pad()

    def _pad(self) -> None:
        self._file.write(bytes(padded_size(self._file.tell(), self.alignment) - self._file.tell()))

    def __enter__(self) -> "GgufWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def encode_text(words: str) -> bytes:
    """A string of GGUF: its length in bytes (u64, little endian), then UTF-8."""
    data = words.encode()
    return struct.pack("<Q", len(data)) + data


def places(tensors: Sequence[Planned], alignment: int) -> bytes:
    """The part of the header that says where each tensor's data lies."""
    encoded, offset = bytearray(), 0
    for name, shape, kind in tensors:
        encoded += encode_text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, TYPES[kind][0], offset)
        offset += padded_size(tensor_bytes(shape, kind), alignment)
    return bytes(encoded)
