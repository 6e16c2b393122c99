"""A GGUF run by llama.cpp itself, with its logits at any position. Only child processes of the `cost` job import it."""

import importlib.metadata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.inference.backend import BLOCK_POSITIONS, LogitsBackend
from workbench.inference.cpu_budget import Spare
from workbench.inference.llama_cpp import LlamaContext, LlamaModel


class LlamaBackend(LogitsBackend):
    """One GGUF in memory; `room` is the longest text it is given."""

    def __init__(self, path: Path, threads: int, room: int):
        self._model = LlamaModel(path)
        self._context = _Reading(self._model, room, _Fixed(threads))
        self._spare = Spare(threads)
        self.longest = self._model.longest
        self.words = f"llama.cpp (xllamacpp {importlib.metadata.version('xllamacpp')})"

    def logits(self, ids: Sequence[int], positions: Sequence[int]) -> Iterator[NDArray[Any]]:
        self._context.forget(0)
        yield from self._context.read(ids, positions, self._spare.threads())

    def prompt(self, ids: Sequence[int]) -> int:
        self._context.forget(0)
        return int(self._context.feed({0: ids})[0].argmax())

    def step(self, token: int) -> int:
        return int(self._context.feed({0: [token]})[0].argmax())

    def token_text(self, token: int) -> str | None:
        return self._model.written(token) if 0 <= token < self._model.width else None

    def tokenize(self, text: str) -> list[int] | None:
        return self._model.tokenize(text)


class _Fixed(Spare):
    """Always all threads asked for: speeds are of what the table says, however busy the machine is."""

    def threads(self) -> int:
        return self.cores


class _Reading(LlamaContext):
    """A context that also gives the logits in the middle of a text."""

    def read(self, ids: Sequence[int], positions: Sequence[int], threads: int) -> Iterator[NDArray[np.float32]]:
        """Reads on in the first row; gives the logits at these positions, `POSITIONS_AT_ONCE` of them at a time."""
        self._library.llama_set_n_threads(self.pointer, threads, threads)
        share = min(BLOCK_POSITIONS, self._batch)
        wanted = set(positions)
        for start in range(0, len(ids), share):
            batch = [
                (token, self._used[0] + offset, 0, start + offset in wanted)
                for offset, token in enumerate(ids[start : start + share])
            ]
            self._decode(batch)
            self._used[0] += len(batch)
            logits = [self._logits(offset) for offset, entry in enumerate(batch) if entry[3]]
            if logits:
                yield np.stack(logits)
