"""Quantizes a GGUF of plain floats into another type: tensor by tensor, rows in parallel, in little memory.

Every row is quantized by itself, so the bytes do not depend on threads or pieces. The file equals llama.cpp's own
llama-quantize byte for byte.
"""

import os
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.core.errors import UserError
from workbench.core.parallel import cores
from workbench.core.tasks import Task
from workbench.gguf.layout import FLOATS
from workbench.gguf.library import Library
from workbench.gguf.reading import Header, Tensor, read_header
from workbench.gguf.tensor_traits import Traits, Weight
from workbench.gguf.types import TypeChoice, type_mixture
from workbench.gguf.writing import GgufWriter, numbers_of

PIECE_WEIGHTS = 2**22  # weights quantized at once by a thread
Importance = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Quantized:
    """What became of the tensors: how many there are, and those that fell back to another type than they should."""

    tensors: int
    fallbacks: list[str]


@dataclass(frozen=True)
class _Piece:
    """Some rows of one matrix of a tensor: where they begin in the file, and how they are weighed."""

    start: int
    rows: int
    width: int
    weights: NDArray[np.float32] | None


def choices(header: Header, kind: str, importance: bool = False) -> list[TypeChoice]:
    """The type of every tensor of a file."""
    weights = [Weight(tensor.name, tensor.shape, tensor.type) for tensor in header.tensors]
    return type_mixture(weights, Traits.of(header), kind, importance)


def quantize(
    source: Path,
    target: Path,
    kind: str,
    importance: Importance | None = None,
    task: Task | None = None,
    threads: int = 0,
) -> Quantized:
    """Writes `target`. `importance` has a weight for each column of a tensor, matrices of experts one after another.

    `task` is told of every tensor, and may stop it between pieces. Raises `UserError` on
    sources that are quantized already, on weights that are no numbers, and where a type needs an importance matrix that
    is missing.
    """
    header, task = read_header(source), task or Task()
    planned = choices(header, kind, importance is not None)
    tensors = {tensor.name: tensor for tensor in header.tensors}
    _check(planned, tensors, importance)
    places = [(choice.weight.name, choice.weight.shape, choice.type) for choice in planned]
    count = threads or cores()
    with GgufWriter(target, header, places, numbers_of(kind)) as writer, ThreadPoolExecutor(count) as pool:
        work = _Work(Library(), os.open(source, os.O_RDONLY), pool, 2 * count)
        try:
            for index, choice in enumerate(planned):
                task.update(index, len(planned), choice.weight.name)
                columns = (importance or {}).get(choice.weight.name)
                for data in work.run(tensors[choice.weight.name], choice, columns):
                    task.check_stop()
                    writer.write(data.data)
                writer.end_tensor()
        finally:
            pool.shutdown(cancel_futures=True)
            os.close(work.file)
    task.update(len(planned), len(planned), "Quantized")
    return Quantized(len(planned), [choice.weight.name for choice in planned if choice.is_fallback])


def _check(planned: list[TypeChoice], tensors: dict[str, Tensor], importance: Importance | None) -> None:
    for choice in planned:
        tensor = tensors[choice.weight.name]
        if choice.type != tensor.type and tensor.type not in FLOATS:
            raise UserError(
                f"{tensor.name} is {tensor.type} already.", "Quantize the model it was made from instead.", "model"
            )
        columns = (importance or {}).get(tensor.name)
        needed = tensor.shape[0] * (tensor.shape[2] if len(tensor.shape) > 2 else 1)
        if columns is None and choice.needs_importance:
            raise UserError(
                f"{choice.type} needs an importance matrix, which has nothing on {tensor.name}.",
                "Choose a calibration dataset and importance, or a larger type.",
                "importance",
            )
        if columns is not None and (columns.size != needed or not np.isfinite(columns).all()):
            raise UserError(
                f"The importance matrix does not fit {tensor.name}: {columns.size} columns for {needed}.",
                "Compute it anew from this model.",
                "importance",
            )


@dataclass(frozen=True)
class _Work:
    """What the threads share: the library, the source file, and how many pieces may be under way."""

    library: Library
    file: int
    pool: ThreadPoolExecutor
    ahead: int

    def run(
        self, tensor: Tensor, choice: TypeChoice, columns: NDArray[np.float32] | None
    ) -> Iterator[NDArray[np.uint8]]:
        """The tensor's new bytes, in order. Raises `UserError` when it holds something that is no number."""
        self.library.prepare(choice.type)
        waiting: deque[Future[NDArray[np.uint8]]] = deque()
        for piece in _pieces(tensor, columns):
            waiting.append(self.pool.submit(self._convert, tensor, choice.type, piece))
            if len(waiting) >= self.ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _convert(self, tensor: Tensor, kind: str, piece: _Piece) -> NDArray[np.uint8]:
        size = piece.rows * piece.width * tensor.size // tensor.weights
        data = np.frombuffer(_read(self.file, size, piece.start), np.uint8)
        try:
            if tensor.type in FLOATS and not self.library.valid(data, tensor.type):
                raise ValueError
            if kind == tensor.type:
                return data
            rows = as_floats(data, tensor.type).reshape(piece.rows, piece.width)
            return self.library.quantize(rows, kind, piece.weights)
        except ValueError:
            raise UserError(
                f"{tensor.name} holds values that are no numbers, or too large for {kind}.",
                "The model was damaged in training or merging; go back to an earlier one, or choose another type.",
                "model",
            ) from None


def _read(file: int, size: int, start: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        block = os.pread(file, size - len(data), start + len(data))
        if not block:
            raise UserError("The GGUF file ended early.", "Convert the model again.")
        data += block
    return bytes(data)


def as_floats(data: NDArray[np.uint8], kind: str) -> NDArray[np.float32]:
    """Bytes of F32, F16 or BF16 as float32, exactly."""
    if kind == "F32":
        return data.view(np.float32)
    if kind == "F16":
        return data.view(np.float16).astype(np.float32)
    wide = data.view(np.uint16).astype(np.uint32)
    wide <<= 16
    return wide.view(np.float32)


def _pieces(tensor: Tensor, columns: NDArray[np.float32] | None) -> Iterator[_Piece]:
    """Rows in pieces of about `PIECE` weights; the matrices of experts apart, each with its own weights."""
    width, height = tensor.shape[0], tensor.shape[1] if len(tensor.shape) > 1 else 1
    most = max(1, PIECE_WEIGHTS // width)
    row = tensor.size * width // tensor.weights
    for matrix in range(tensor.weights // (width * height)):
        weights = None
        if columns is not None:
            weights = np.ascontiguousarray(columns.reshape(-1, width)[matrix % (columns.size // width)], np.float32)
        for first in range(0, height, most):
            start = tensor.start + (matrix * height + first) * row
            yield _Piece(start, min(most, height - first), width, weights)
