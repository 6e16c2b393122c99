"""What runs a variant: the few things a measurement asks of transformers and of llama.cpp alike."""

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from workbench.rendering.tokenizer import Tokenizer

BLOCK_POSITIONS = 128  # whose logits are held in memory
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Backend(ABC):
    """One loaded model whose speed and memory are measured.

    `words` name what runs it; `notes` are sentences the table should show.
    """

    device: str = "cpu"
    words: str = ""
    parameters: int = 0
    longest: int = 2**31
    notes: tuple[str, ...] = ()

    @abstractmethod
    def run(self, prompt: Sequence[int], tokens: int) -> tuple[float, float]:
        """Seconds for the prompt, and for `tokens` tokens after it, one by one and greedily."""

    def peak(self) -> int:
        """Most bytes this process held since `forget_peak`; where the system does not tell, what it holds now.

        Not getrusage: its figure is inherited by a child from its parent.
        """
        with contextlib.suppress(OSError, StopIteration):
            line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
            return int(line.split()[1]) * 1024
        memory = psutil.Process().memory_info()
        return int(getattr(memory, "peak_wset", memory.rss))

    def forget_peak(self) -> None:
        """Begins a new peak, where the system lets it: https://docs.kernel.org/filesystems/proc.html."""
        with contextlib.suppress(OSError):
            CLEAR.write_text("5")


class LogitsBackend(Backend):
    """One loaded model that also shows its outputs, so that its quality can be measured."""

    @abstractmethod
    def logits(self, ids: Sequence[int], positions: Sequence[int]) -> Iterator[NDArray[Any]]:
        """The outputs at these positions of a text, `POSITIONS_AT_ONCE` at a time: (positions, vocabulary), float32."""

    @abstractmethod
    def prompt(self, ids: Sequence[int]) -> int:
        """Reads a prompt from nothing; returns the likeliest next token."""

    @abstractmethod
    def step(self, token: int) -> int:
        """Adds a token; returns the likeliest next one."""

    @abstractmethod
    def token_text(self, token: int) -> str | None:
        """How its own tokenizer writes a token."""

    def tokenize(self, text: str) -> list[int] | None:
        """A rendered text in its own tokenizer's tokens, nothing added; None if it has none at hand."""
        return None

    def retokenizer(self) -> Tokenizer | None:
        """Its own tokenizer with characters for every token, if it has one."""
        return None

    def run(self, prompt: Sequence[int], tokens: int) -> tuple[float, float]:
        began = time.perf_counter()
        token = self.prompt(prompt)
        read = time.perf_counter()
        for _ in range(tokens):
            token = self.step(token)
        return read - began, time.perf_counter() - read


def float_copy(values: Any) -> NDArray[np.float32]:
    """A copy that is ours, as float32."""
    return np.array(values, dtype=np.float32)
