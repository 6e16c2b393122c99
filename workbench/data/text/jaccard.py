"""Jaccard similarity of records as sets of shingles: the share of all their shingles that both have."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from workbench.data.text.shingles import Hashes, Ints

BATCH_SHINGLES = 1 << 18
LOW_BIT = np.uint64(1)


def pair_batches(width: Ints) -> Iterator[Ints]:
    """Positions of pairs of like width (shingles of both), of about 262,144 shingles a batch with the padding."""
    order, first = np.argsort(width, kind="stable"), 0
    while first < len(order):
        last = first + max(1, BATCH_SHINGLES // max(1, int(width[order[first]])))
        yield order[first:last]
        first = last


def jaccard(hashes: Hashes, first: Ints, count: Ints, left: Ints, right: Ints) -> NDArray[np.float64]:
    """(pairs,) similarities from 0 to 1; the shingles of n are hashes[first[n] : first[n] + count[n]], at least one.

    Sorts the shingles of both sides together with the side as lowest bit. Then the union is the number of different
    hashes, and what the sides have in common the number of different (hash, side) beyond that.
    """
    mine, total = count[left][:, None], (count[left] + count[right])[:, None]
    column = np.minimum(np.arange(total.max()), total - 1)
    side = column >= mine
    places = np.where(side, first[right][:, None] + column - mine, first[left][:, None] + column)
    values = np.sort((hashes.take(places) & ~LOW_BIT) | side, axis=1)
    steps = values[:, 1:] ^ values[:, :-1]
    union = np.count_nonzero(steps > LOW_BIT, axis=1) + 1
    both = np.count_nonzero(steps, axis=1) + 1 - union
    result: NDArray[np.float64] = both / union
    return result
