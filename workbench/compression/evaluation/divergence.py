"""How far a variant's next-token distributions lie from the original's. NumPy only.

Kullback and Leibler: https://doi.org/10.1214/aoms/1177729694
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.core.errors import UserError

FEW_POSITIONS = 1000  # positions below which an interval is wide
LOG_PROBS, BEST = "reference.npy", "reference-best.npy"

Array = NDArray[np.float64]
Floats = NDArray[np.float32]


def log_softmax(logits: NDArray[Any]) -> Floats:
    """Log-probabilities in nats, (positions, vocabulary); raises `UserError` when the logits are no numbers."""
    scores = np.asarray(logits, dtype=np.float32)
    top = scores.max(axis=1, keepdims=True)
    if not np.isfinite(top).all():
        raise UserError("The model's outputs are no numbers (NaN or infinite).", "Its weights are damaged.")
    shifted = scores - top
    total = np.exp(shifted).sum(axis=1, keepdims=True, dtype=np.float64)
    result: Floats = shifted - np.log(total).astype(np.float32)
    return result


def kl_divergence(original: NDArray[Any], variant: NDArray[Any]) -> Array:
    """KL(original ‖ variant) of each position in nats, from log-probabilities (positions, vocabulary).

    Both are normalized anew over the tokens they share, which also undoes the rounding of what was stored in float16.
    """
    shared = min(original.shape[1], variant.shape[1])
    p, q = log_softmax(original[:, :shared]), log_softmax(variant[:, :shared])
    share = np.exp(p)
    apart = np.where(share > 0, share * (p - q), 0)
    result: Array = np.maximum(apart.sum(axis=1, dtype=np.float64), 0)
    return result


@dataclass(frozen=True)
class ReferenceLogits:
    """The original's log-probabilities at N positions on disk, float16 (N, vocabulary), and its likeliest tokens."""

    log_probs: NDArray[np.float16]
    best: NDArray[np.int32]

    @classmethod
    def create(cls, folder: Path, positions: int, vocabulary: int) -> "ReferenceLogits":
        """Empty files to be filled position by position."""
        make = np.lib.format.open_memmap
        probs = make(folder / LOG_PROBS, mode="w+", dtype=np.float16, shape=(positions, vocabulary))
        return cls(probs, make(folder / BEST, mode="w+", dtype=np.int32, shape=(positions,)))

    @classmethod
    def open(cls, folder: Path) -> "ReferenceLogits":
        return cls(*(np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in (LOG_PROBS, BEST)))

    def put(self, places: NDArray[np.intp], log_probs: Floats) -> None:
        """Keeps what the original says at these places."""
        self.log_probs[places] = np.maximum(log_probs, -65504).astype(np.float16)
        self.best[places] = log_probs.argmax(axis=1)

    def flush(self) -> None:
        for array in (self.log_probs, self.best):
            if isinstance(array, np.memmap):
                array.flush()

    def compare(self, places: NDArray[np.intp], log_probs: Floats) -> tuple[Array, NDArray[np.bool_]]:
        """KL in nats and whether the likeliest token is the same, at these places."""
        return kl_divergence(self.log_probs[places], log_probs), self.best[places] == log_probs.argmax(axis=1)
