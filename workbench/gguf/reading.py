"""The header of a GGUF file, read as if a stranger had made it: bounded in memory, everything checked before use.

Arrays longer than `KEPT_ITEMS` are counted and passed over, so vocabularies cost no memory. Format, version 2 and 3:
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import math
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.core.errors import UserError
from workbench.gguf.cursor import ARRAY, TEXT, Cursor
from workbench.gguf.layout import ALIGNMENT_BYTES, FILE_TYPE_NAMES, TYPE_NAMES, TYPES, padded_size, tensor_bytes

MOST_KEYS = 10_000
MOST_TENSORS = 100_000
MOST_ITEMS = 2**23
MOST_TEXT_BYTES = 4 * 2**20
MOST_ALIGNMENT_BYTES = 65_536
MOST_WEIGHTS = 2**48
KEPT_ITEMS = 2048
NAMED_CHARACTERS = 100  # characters of a name that are kept


@dataclass(frozen=True)
class Tensor:
    """One tensor: its shape begins with the width of a row; `start` is its first byte in the file."""

    name: str
    shape: tuple[int, ...]
    type: str
    start: int
    size: int

    @property
    def weights(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Array:
    """An array of `count` items of a type; `items` are there if it is short."""

    type: int
    count: int
    items: list[Any] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Header:
    """What a GGUF says of itself. `spans` are the first and last byte (exclusive) of each key with its value."""

    path: Path
    version: int
    values: dict[str, Any] = field(repr=False)
    spans: dict[str, tuple[int, int]] = field(repr=False)
    tensors: list[Tensor] = field(repr=False)
    alignment: int
    data_start: int

    @property
    def architecture(self) -> str:
        return self.text("general.architecture")

    @property
    def parameters(self) -> int:
        return sum(tensor.weights for tensor in self.tensors)

    @property
    def type(self) -> str:
        """The file type, such as Q4_K_M; without one the type most weights have."""
        named = FILE_TYPE_NAMES.get(self.number("general.file_type", -1))
        weights: dict[str, int] = {}
        for tensor in self.tensors:
            weights[tensor.type] = weights.get(tensor.type, 0) + tensor.weights
        return named or max(weights, key=lambda kind: weights[kind], default="")

    @property
    def tokenizer(self) -> str:
        """Kind and pre-tokenizer, such as 'gpt2 (smollm)'."""
        pre = self.text("tokenizer.ggml.pre")
        return self.text("tokenizer.ggml.model") + (f" ({pre})" if pre else "")

    @property
    def chat_template(self) -> str:
        return self.text("tokenizer.chat_template")

    @property
    def context_length(self) -> int:
        return self.number(f"{self.architecture}.context_length", 0)

    def text(self, key: str) -> str:
        value = self.values.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str, otherwise: int) -> int:
        """A whole number; of an array with one for each layer, the first."""
        value = self.values.get(key)
        if isinstance(value, Array) and value.items:
            value = value.items[0]
        return int(value) if isinstance(value, int) else otherwise

    def to_dict(self) -> dict[str, Any]:
        """What a manifest keeps of it (JSON types)."""
        return {
            "architecture": self.architecture[:NAMED_CHARACTERS],
            "type": self.type,
            "parameters": self.parameters,
            "context_length": self.context_length,
            "chat_template": bool(self.chat_template),
            "tokenizer": self.tokenizer[:NAMED_CHARACTERS],
        }


def read_header(path: Path) -> Header:
    """The checked header of a GGUF file; raises `UserError` for whatever is not one, or is damaged."""
    try:
        with path.open("rb", buffering=2**20) as file:
            return _read(path, Cursor(file, path))
    except OSError as error:
        raise UserError(f"{path.name} cannot be read: {error.strerror}.", "Check the path.", "path") from None


def _read(path: Path, cursor: Cursor) -> Header:
    version = _version(cursor)
    tensor_count = cursor.count(MOST_TENSORS, "tensors", room=24)
    key_count = cursor.count(MOST_KEYS, "keys", room=12)
    values: dict[str, Any] = {}
    spans: dict[str, tuple[int, int]] = {}
    for _ in range(key_count):
        start = cursor.position
        key = cursor.text(65_535)
        if not key or key in values:
            cursor.damaged(f"the key {key!r} is there twice" if key else "a key has no name")
        values[key] = _value(cursor, cursor.number("I"))
        spans[key] = (start, cursor.position)
    alignment = values.get("general.alignment", ALIGNMENT_BYTES)
    if not isinstance(alignment, int) or not 1 <= alignment <= MOST_ALIGNMENT_BYTES or alignment & (alignment - 1):
        cursor.damaged(f"its alignment is {alignment!r}")
    tensor_infos = [_tensor(cursor) for _ in range(tensor_count)]
    start = padded_size(cursor.position, alignment)
    tensors = [Tensor(name, shape, kind, start + offset, size) for name, shape, kind, offset, size in tensor_infos]
    _check_places(cursor, tensors, start, alignment)
    return Header(path, version, values, spans, tensors, alignment, start)


def _version(cursor: Cursor) -> int:
    magic = cursor.take(4)
    if magic == b"FUGG":
        raise UserError("This GGUF file is big-endian.", "Get the little-endian one.", "path")
    if magic != b"GGUF":
        raise UserError(f"{cursor.path.name} is no GGUF file.", "Choose a file that ends in .gguf.", "path")
    version: int = cursor.number("I")
    if version and not version & 0xFFFF:
        raise UserError("This GGUF file is big-endian.", "Get the little-endian one.", "path")
    if version not in (2, 3):
        raise UserError(f"GGUF version {version} is not known here.", "Get a file of version 2 or 3.", "path")
    return version


def _value(cursor: Cursor, kind: int) -> Any:
    if kind == TEXT:
        return cursor.text(MOST_TEXT_BYTES)
    if kind != ARRAY:
        return cursor.number(cursor.format(kind))
    inner = cursor.number("I")
    if inner == TEXT:
        count = cursor.count(MOST_ITEMS, "items", room=8)
        if count <= KEPT_ITEMS:
            return Array(inner, count, [cursor.text(MOST_TEXT_BYTES) for _ in range(count)])
        for _ in range(count):
            cursor.skip(cursor.number("Q"))
        return Array(inner, count)
    letter = cursor.format(inner)
    width = struct.calcsize(letter)
    count = cursor.count(MOST_ITEMS * 8, "items", room=width)
    if count <= KEPT_ITEMS:
        return Array(inner, count, list(struct.unpack(f"<{count}{letter}", cursor.take(count * width))))
    cursor.skip(count * width)
    return Array(inner, count)


def _tensor(cursor: Cursor) -> tuple[str, tuple[int, ...], str, int, int]:
    name = cursor.text(63)
    dimensions = cursor.number("I")
    if not 1 <= dimensions <= 4:
        cursor.damaged(f"the tensor {name!r} has {dimensions} dimensions")
    shape = tuple(cursor.number("Q") for _ in range(dimensions))
    number, offset = cursor.number("I"), cursor.number("Q")
    kind = TYPE_NAMES.get(number)
    if kind is None:
        raise UserError(
            f"The tensor {name!r} has the type {number}, which is not known here.", "Get another variant.", "path"
        )
    if 0 in shape or math.prod(shape) > MOST_WEIGHTS or shape[0] % TYPES[kind][1]:
        cursor.damaged(f"the tensor {name!r} cannot have the shape {' × '.join(map(str, shape))} as {kind}")
    return name, shape, kind, offset, tensor_bytes(shape, kind)


def _check_places(cursor: Cursor, tensors: list[Tensor], start: int, alignment: int) -> None:
    """Every tensor has a name of its own and bytes of its own inside the file."""
    names: set[str] = set()
    end = start
    for tensor in sorted(tensors, key=lambda tensor: tensor.start):
        if tensor.name in names:
            cursor.damaged(f"the tensor {tensor.name!r} is there twice")
        names.add(tensor.name)
        if (tensor.start - start) % alignment:
            cursor.damaged(f"the tensor {tensor.name!r} is not aligned")
        if tensor.start < end:
            cursor.damaged(f"the tensor {tensor.name!r} overlaps another")
        end = tensor.start + tensor.size
        if end > cursor.size:
            cursor.damaged(f"the tensor {tensor.name!r} ends {end - cursor.size:,} bytes after the file")
