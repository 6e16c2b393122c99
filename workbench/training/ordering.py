"""Which rows go into a batch together: rows of similar length, or as many as fill the maximum length.

Both depend on the lengths and the seed alone, so that a run that goes on has the same batches in the same order.
Imports torch: only job processes import this.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

SORTED_STEPS = 50


def row_lengths(table: Any, columns: Sequence[str] = ("input_ids",)) -> NDArray[np.int64]:
    """(rows,) tokens of every row of an Arrow table, over all the columns of ids given."""
    import pyarrow.compute

    lengths = [pyarrow.compute.list_value_length(table.column(name)).to_numpy() for name in columns]
    total: NDArray[np.int64] = np.sum(lengths, axis=0, dtype=np.int64)
    return total


def bins_of(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Rows in bins of at most `capacity` tokens, few of them, by best fit of the longest first.

    https://en.wikipedia.org/wiki/Best-fit_bin_packing; a row that is longer than the capacity has a bin of its own.
    """
    bins: list[list[int]] = []
    open_bins: dict[int, list[int]] = {}  # by the tokens left in them
    left: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)):
        length = int(lengths[row])
        at = bisect_left(left, length)
        if at == len(left):
            number, free = len(bins), max(capacity - length, 0)
            bins.append([row])
        else:
            number, free = open_bins[left[at]].pop(), left[at] - length
            bins[number].append(row)
            if not open_bins[left[at]]:
                del open_bins[left[at]], left[at]
        if free not in open_bins:
            open_bins[free] = []
            insort(left, free)
        open_bins[free].append(number)
    return bins


class PackedRows(Dataset[list[Any]]):
    """Bins of rows as items: each is the list of its rows, which a collator takes out of it again."""

    def __init__(self, rows: Any, bins: list[list[int]]):
        self.rows, self.bins = rows, bins

    def __len__(self) -> int:
        return len(self.bins)

    def __getitem__(self, index: int) -> list[Any]:
        return [self.rows[row] for row in self.bins[index]]


class LengthGroupedSampler(Sampler[int]):
    """The rows in random order, those of about the same length beside each other; another order in every epoch.

    Random parts of 50 steps are sorted by length, and their steps come in random order. The order depends on the rows
    of an optimizer step and not on how many of them are computed at a time: a run that goes on with smaller batches,
    added up to the same steps, goes on with the rows that it has not had.
    """

    def __init__(self, lengths: Sequence[int] | NDArray[np.int64], step_rows: int, seed: int):
        self.lengths, self.step_rows, self.seed = np.asarray(lengths), step_rows, seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.lengths)

    def set_epoch(self, epoch: int) -> None:
        """Asked for by the trainer before an epoch, one that goes on in the middle too."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.lengths), generator=generator).numpy()
        size = self.step_rows * SORTED_STEPS
        parts = [order[start : start + size] for start in range(0, len(order), size)]
        ordered = np.concatenate([part[np.argsort(-self.lengths[part], kind="stable")] for part in parts])
        batches = [ordered[start : start + self.step_rows] for start in range(0, len(ordered), self.step_rows)]
        short = batches.pop() if len(batches[-1]) < self.step_rows else np.empty(0, dtype=np.int64)
        shuffled = [batches[number] for number in torch.randperm(len(batches), generator=generator).tolist()]
        return iter(np.concatenate([*shuffled, short]).tolist())
