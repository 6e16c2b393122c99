"""Weights read and written one tensor at a time, so that a model of any size passes through little memory.

Imports torch: only job processes import this. File format: https://github.com/huggingface/safetensors#format
"""

import json
import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO

import torch

from workbench.core.errors import UserError
from workbench.models.safetensors_files import opened

DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
NAMED = {name: dtype for dtype, name in DTYPES.items()}
TENSOR_HEADER_BYTES = 256  # bytes of header kept free for each tensor
SYNC_EVERY_BYTES = 64 * 2**20


@dataclass(frozen=True)
class TensorLocation:
    """Where a tensor lies: its file, the first byte of its data and their number."""

    path: Path
    shape: tuple[int, ...]
    dtype: torch.dtype
    start: int
    size: int


class Tensors:
    """The tensors of a folder's safetensors files, by name. Raises `UserError` on damaged files.

    They are read, not mapped: pages of a mapped file count as this process's memory until the kernel takes them back.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._locations: dict[str, TensorLocation] = {}
        for path in sorted(folder.glob("*.safetensors")):
            try:
                with opened(path, "pt"):  # checks the header and the file's length
                    pass
            except UserError as error:
                raise UserError(f"{folder.name}: {error.message}", error.remedy) from None
            self._locations |= _locations(path)

    def names(self) -> list[str]:
        return list(self._locations)

    def __contains__(self, name: str) -> bool:
        return name in self._locations

    def shape(self, name: str) -> tuple[int, ...]:
        return self._locations[name].shape

    def dtype(self, name: str) -> torch.dtype:
        return self._locations[name].dtype

    def get(self, name: str) -> torch.Tensor:
        """The tensor on the CPU in the file's dtype, the caller's own."""
        location = self._locations[name]
        data = torch.empty(location.size, dtype=torch.uint8)
        with location.path.open("rb", buffering=0) as file:
            file.seek(location.start)
            _fill(file, data.numpy().data)
        return data.view(location.dtype).reshape(location.shape)


def _locations(path: Path) -> dict[str, TensorLocation]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    locations = {}
    for name, entry in _header(path).items():
        if name != "__metadata__":
            if entry["dtype"] not in NAMED:
                raise UserError(f"{name} of {path.parent.name} has the type {entry['dtype']}.", "Use a plain model.")
            start, end = entry["data_offsets"]
            locations[name] = TensorLocation(
                path, tuple(entry["shape"]), NAMED[entry["dtype"]], 8 + length + start, end - start
            )
    return locations


def _fill(file: FileIO, view: memoryview) -> None:
    while len(view):
        count = file.readinto(view[: 2**30])
        if not count:
            raise UserError("A weight file ended early.", "Get the model again.")
        view = view[count:]


class ShardWriter:
    """Streams tensors into safetensors files of at most `shard_bytes`; finished files survive a crash.

    `expected` is about how many tensors come: room for their names is kept free at the start of each file, whose
    header is written last. As a context manager it closes what an error or a stop left open.
    """

    def __init__(self, folder: Path, shard_bytes: int, expected: int = 1000):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.shard_bytes, self.room = folder, shard_bytes, TENSOR_HEADER_BYTES * (expected + 4)
        for torn in folder.glob("*.writing"):
            torn.unlink()
        self._shards = sorted(folder.glob("shard-*.safetensors"))
        self.done = {name for path in self._shards for name in _header(path) if name != "__metadata__"}
        self._file: BinaryIO | None = None
        self._entries: dict[str, Any] = {}
        self._offset = self._synced = 0
        self._header_size = 64
        self._background = ThreadPoolExecutor(1)
        self._syncing: Future[None] | None = None
        self._settling: list[Future[None]] = []

    def add(self, name: str, tensor: torch.Tensor) -> None:
        """Appends one tensor; a full file is closed first."""
        size = tensor.numel() * tensor.element_size()
        entry = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape)}
        named = len(json.dumps({name: entry})) + 60  # and its two offsets
        full = self._offset and self._offset + size > self.shard_bytes
        if full or self._header_size + named > self.room:
            self._close()
        if self._file is None:
            self._file = (self.folder / f"shard-{len(self._shards):05d}.writing").open("wb")
            self._file.seek(8 + self.room)
        if size:
            self._file.write(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        self._entries[name] = {**entry, "data_offsets": [self._offset, self._offset + size]}
        self._offset += size
        self._header_size += named
        self._sync()

    def _sync(self) -> None:
        """Lets the disk work while the next tensors are computed."""
        assert self._file
        if self._offset - self._synced < SYNC_EVERY_BYTES or (self._syncing and not self._syncing.done()):
            return
        self._file.flush()
        self._synced = self._offset
        self._syncing = self._background.submit(_to_disk, os.dup(self._file.fileno()))

    def _close(self, last: bool = False) -> None:
        """Writes the header. A file that is not the last gets its name when the disk has it, beside the next one's
        computing; the last one's caller sees to that."""
        if self._file is None:
            return
        header = json.dumps({"__metadata__": {"format": "pt"}, **self._entries}, separators=(",", ":")).encode()
        self._file.seek(0)
        self._file.write(self.room.to_bytes(8, "little") + header.ljust(self.room))
        self._file.flush()
        path = Path(self._file.name).with_suffix(".safetensors")
        self._shards.append(path)
        if last:
            _settle(self._file, path, sync=False)
        else:
            self._settling.append(self._background.submit(_settle, self._file, path, True))
        self.done |= set(self._entries)
        self._file, self._entries, self._offset, self._synced, self._header_size = None, {}, 0, 0, 64

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of a file that was not finished, which is written anew another time; finished ones stay."""
        if self._file:
            self._file.close()
            self._file = None
        self.settle()

    def settle(self) -> None:
        """Waits until every closed file has its name; raises `OSError` when one could not be written."""
        for file in self._settling:
            file.result()
        self._background.shutdown(wait=False)

    def finish(self, target: Path | None = None) -> None:
        """Closes the last file and gives all of them their final names, as links in `target` if it is given."""
        self._close(last=True)
        self.settle()
        target = target or self.folder
        count, total = len(self._shards), 0
        weight_map: dict[str, str] = {}
        for number, path in enumerate(self._shards, 1):
            final = "model.safetensors" if count == 1 else f"model-{number:05d}-of-{count:05d}.safetensors"
            entries = {name: entry for name, entry in _header(path).items() if name != "__metadata__"}
            weight_map |= dict.fromkeys(entries, final)
            total += max(entry["data_offsets"][1] for entry in entries.values())
            if target == self.folder:
                path.rename(target / final)
            else:
                os.link(path, target / final)
        if count > 1:
            index = {"metadata": {"total_size": total}, "weight_map": weight_map}
            (target / "model.safetensors.index.json").write_text(json.dumps(index, indent=1), "utf-8")


def _to_disk(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _settle(file: BinaryIO, path: Path, sync: bool) -> None:
    if sync:
        os.fsync(file.fileno())
    file.close()
    Path(file.name).rename(path)


def _header(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return dict(json.loads(file.read(int.from_bytes(file.read(8), "little"))))
