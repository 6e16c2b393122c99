"""MinHash sketches and locality-sensitive hashing: which records may be alike, without comparing all with all.

https://www.cs.princeton.edu/courses/archive/spring13/cos598C/broder97resemblance.pdf (MinHash) and
http://infolab.stanford.edu/~ullman/mmds/ch3n.pdf (bands). With 128 permutations in 32 bands of 4 a pair with a Jaccard
similarity of 0.5 becomes a candidate with probability 0.87, one of 0.6 with 0.99, one of 0.2 with 0.05.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from workbench.data.text.shingles import MIX, ODD, Hashes, Ints

LINES = 512
BATCH_SHINGLES = 1 << 16
TOGETHER_FACTORS = 2
NEIGHBOURS = 4
UPPER = np.uint64(32)


def record_batches(count: Ints) -> Iterator[slice]:
    """Records, in the order of their number of shingles, in runs of about 65,536 shingles with the padding."""
    first = 0
    while first < len(count):
        padded = count[first : first + BATCH_SHINGLES] * np.arange(1, len(count[first : first + BATCH_SHINGLES]) + 1)
        last = first + max(1, int(np.searchsorted(padded, BATCH_SHINGLES, "right")))
        yield slice(first, last)
        first = last


def multipliers(permutations: int, seed: int) -> NDArray[np.uint32]:
    """(permutations,) odd numbers: multiplying by one permutes the 32-bit numbers."""
    return np.random.default_rng(seed).integers(0, 1 << 32, permutations, np.uint32) | np.uint32(1)


def band_keys(hashes: Hashes, first: Ints, count: Ints, factors: NDArray[np.uint32], bands: int) -> Hashes:
    """(bands, records): equal keys in a band mean equal minima under all permutations of that band.

    Every record has at least one shingle, hashes[first : first + count].
    """
    minima = _minima(hashes, first, count, factors).reshape(bands, -1, len(first))
    keys = np.zeros((bands, len(first)), np.uint64)
    for row in range(minima.shape[1]):
        keys ^= minima[:, row]
        keys *= ODD
        keys ^= keys >> UPPER
    keys *= MIX
    return keys


def _minima(hashes: Hashes, first: Ints, count: Ints, factors: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """(permutations, records). Records lie side by side, so that NumPy takes minima of whole lines at once.

    A record of more than 512 shingles is folded into several columns.
    """
    lines = min(int(count.max()), LINES)
    columns = -(-int(count.max()) // lines)
    places = first + np.minimum(np.arange(lines * columns)[:, None], count - 1)
    values = (hashes.take(places) >> UPPER).astype(np.uint32).reshape(lines, -1)
    product = np.empty((TOGETHER_FACTORS, *values.shape), np.uint32)
    minima = np.empty((len(factors), columns * len(first)), np.uint32)
    for at in range(0, len(factors), TOGETHER_FACTORS):
        some = factors[at : at + TOGETHER_FACTORS, None, None]
        np.multiply(values, some, out=product[: len(some)])
        np.minimum.reduce(product[: len(some)], axis=1, out=minima[at : at + TOGETHER_FACTORS])
    result: NDArray[np.uint32] = minima.reshape(len(factors), columns, -1).min(axis=1)
    return result


def band_pairs(band: Hashes, records: int) -> Hashes:
    """Pairs of records with the same key in this band, each once, packed as left << bits | right (see `unpacked`).

    A key that more than five records share pairs each of them with the four before it and with the first: the number
    of pairs grows with the records, never with their square. Low bits of the key give way to the record's number.
    """
    bits, mask = _packing(records)
    packed = np.sort((band & ~mask) | np.arange(records, dtype=np.uint64))
    left, right = [], []
    for ahead in range(1, NEIGHBOURS + 1):
        at = np.flatnonzero((packed[ahead:] ^ packed[:-ahead]) <= mask)
        left.append(packed[at])
        right.append(packed[at + ahead])
        if not len(at):
            break
    else:
        opening, far = _far(packed, mask)
        left.append(packed[opening])
        right.append(packed[far])
    return (np.concatenate(left) & mask) << bits | (np.concatenate(right) & mask)


def unpacked(pairs: Hashes, records: int) -> tuple[Ints, Ints]:
    """The left and the right record of packed pairs; left < right."""
    bits, mask = _packing(records)
    return (pairs >> bits).astype(np.int64), (pairs & mask).astype(np.int64)


def _far(packed: Hashes, mask: np.uint64) -> tuple[Ints, Ints]:
    """Of every member with four or more of the same key before the one before it: where its key begins, and itself."""
    positions = np.arange(len(packed))
    opens = np.concatenate([[True], (packed[1:] ^ packed[:-1]) > mask])
    opening = np.maximum.accumulate(np.where(opens, positions, 0))
    far = np.flatnonzero(positions - opening > NEIGHBOURS)
    return opening[far], far


def _packing(records: int) -> tuple[np.uint64, np.uint64]:
    bits = max(1, int(records).bit_length())
    return np.uint64(bits), np.uint64((1 << bits) - 1)
