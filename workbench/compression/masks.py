"""Which weights of a matrix become zero: the lowest scores of a row, of groups of four, or of many matrices together.

Imports torch: only job processes import this. A mask is true where a weight goes.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch

from workbench.compression.pruner import Cut
from workbench.compression.rewriting import rewrite_tensors, write_config
from workbench.models.anatomy import Anatomy, within

HALF_PATTERNS = 2**16
MASKED = "masked"  # where a manifest names the matrices whose zeros are to stay


def lowest(scores: torch.Tensor, count: int) -> torch.Tensor:
    """The `count` lowest scores of each row, exactly so many; of equal ones the first."""
    places = torch.sort(scores, dim=-1, stable=True).indices[..., :count]
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(-1, places, True)


def two_of_four(scores: torch.Tensor) -> torch.Tensor:
    """The two lowest of every four neighbours in a row: N:M sparsity, https://arxiv.org/abs/2104.08378.

    Raises `ValueError` when rows cannot be divided by four.
    """
    if scores.shape[-1] % 4:
        raise ValueError(f"rows of {scores.shape[-1]} cannot be divided by four")
    return lowest(scores.reshape(-1, 4), 2).reshape(scores.shape)


class Smallest:
    """The `count` smallest magnitudes of many matrices, found in two passes of counting and taken in their order.

    A float32 magnitude orders as its bits do: the first pass counts upper halves, the second the lower halves within
    the one where the limit lies. Of equal magnitudes at the limit, those of the first matrices go.
    """

    def __init__(self, matrices: Callable[[], Iterable[torch.Tensor]], count: int):
        upper, count = self._limit((bits(matrix) >> 16 for matrix in matrices()), count)
        inside = (patterns[patterns >> 16 == upper] & (HALF_PATTERNS - 1) for patterns in map(bits, matrices()))
        lower, self._left = self._limit(inside, count)
        self._bits = upper * HALF_PATTERNS + lower

    def _limit(self, blocks: Iterable[torch.Tensor], count: int) -> tuple[int, int]:
        """The value that the `count`-th smallest has, and how many of that value are among them."""
        counts = torch.zeros(HALF_PATTERNS, dtype=torch.int64)
        for block in blocks:
            counts += torch.bincount(block.flatten(), minlength=HALF_PATTERNS)
        total = counts.cumsum(0)
        value = int(torch.searchsorted(total, count))
        return value, count - int(total[value] - counts[value])

    def mask(self, matrix: torch.Tensor) -> torch.Tensor:
        """The mask of the next matrix; to be asked once for each, in the same order."""
        patterns = bits(matrix)
        equal = patterns == self._bits
        chosen = equal & (equal.flatten().cumsum(0).reshape(equal.shape) <= self._left)
        self._left -= int(chosen.sum())
        return (patterns < self._bits) | chosen


def bits(matrix: torch.Tensor) -> torch.Tensor:
    """The bits of float32 magnitudes as whole numbers, ordered as the magnitudes are."""
    return matrix.float().abs().view(torch.int32)


def zero_out(cut: Cut, mask_of: Callable[[str, torch.Tensor], torch.Tensor], text: str) -> dict[str, Any]:
    """Writes the model with the masked weights of its linear layers at zero; returns how many zeros those hold."""
    anatomy = Anatomy.of(cut.resolved.base)
    chosen = set(anatomy.linear())
    zeros = total = 0

    def change(name: str, weight: torch.Tensor) -> tuple[str, torch.Tensor]:
        nonlocal zeros, total
        if name in chosen:
            weight = weight.masked_fill(mask_of(name, weight), 0)
            zeros += int((weight == 0).sum())
            total += weight.numel()
        return name, weight

    rewrite_tensors(cut, change, text)
    write_config(cut)
    parts = sorted({within(name) for name in chosen})
    return {"sparsity": round(zeros / total, 6), "zeros": zeros, "of": total, MASKED: parts}
