"""Random draws that hang on a row's number and a seed alone: the same rows are drawn whatever others come or go."""

import numpy as np
from numpy.typing import NDArray

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def keys(numbers: NDArray[np.int64], seed: int) -> NDArray[np.uint64]:
    """(n,) a random 64-bit number for each of these numbers: SplitMix64, https://doi.org/10.1145/2714064.2660195."""
    return _mixed(_mixed(numbers.astype(np.uint64)) + np.uint64(seed * int(GOLDEN) % 2**64))


def shuffled(numbers: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """(n,) positions in a random order."""
    return np.argsort(keys(numbers, seed), kind="stable")


def repeated(numbers: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """(count,) positions drawn at random: each comes once before any comes a second time."""
    rounds = -(-count // len(numbers)) if len(numbers) else 0
    drawn = [shuffled(numbers, seed + turn) for turn in range(rounds)]
    return np.concatenate(drawn)[:count] if drawn else np.arange(0)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = values + GOLDEN
    values = (values ^ (values >> np.uint64(30))) * FIRST
    values = (values ^ (values >> np.uint64(27))) * SECOND
    return values ^ (values >> np.uint64(31))
