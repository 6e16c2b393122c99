"""How much a text repeats itself: the measures of Gopher's quality filters, on hashes of words, block by block.

https://arxiv.org/abs/2112.11446 (table A1), with shares of words where the paper takes shares of characters.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.data.text.shingles import Hashes, Ints, Shingled, blocks, shingled

Shares = NDArray[np.float64]
FACTOR = np.uint64(0x9E3779B97F4A7C15)
RULES = np.frombuffer(b"-=_*#~.", np.uint8)
SIGNS = r"[^\p{L}\p{N}\p{M}\p{Z}\s]"


@dataclass(frozen=True)
class Measures:
    """One figure a text. All but `words` (their number) and `run` (the longest of one character) are shares.

    again: of words in runs of five that were there before. top: of words in the most frequent run of two to four that
    comes three times or more. lines: of characters in lines that were there before. signs: of characters that are
    neither letters nor digits nor blanks.
    """

    words: Ints
    again: Shares
    top: Shares
    lines: Shares
    signs: Shares
    run: Ints


def measures(texts: pa.Array) -> Measures:
    """The figures of one block of texts."""
    whole = shingled(texts.cast(pa.large_string()), 1)
    tops = [_top(whole, length) for length in (2, 3, 4)]
    length = np.maximum(np.asarray(pc.utf8_length(texts), dtype=np.int64), 1)
    signs = np.asarray(pc.count_substring_regex(texts, SIGNS), dtype=np.int64)
    again = _again(whole, 5) / np.maximum(whole.count, 1)
    return Measures(whole.count, again, np.max(tops, axis=0), _lines(texts), signs / length, _longest_runs(texts))


def fresh_words(texts: pa.Array) -> Ints:
    """(texts,) words that do not belong to a run of five words that was there before."""
    parts = [shingled(block, 1) for block in blocks(texts.cast(pa.large_string()))]
    return (
        np.concatenate([shingles.count - _again(shingles, 5) for shingles in parts]) if parts else np.zeros(0, np.int64)
    )


def _again(whole: Shingled, length: int) -> Ints:
    """(texts,) words that begin a run of `length` words that began earlier too."""
    runs, bits = _sorted_runs(whole, length)
    owners = (runs[1:][runs[1:] == runs[:-1]] >> bits).astype(np.int64)
    return np.bincount(owners, minlength=len(whole.count)).astype(np.int64)


def _top(whole: Shingled, length: int) -> Shares:
    """(texts,) the share of words in the most frequent run of `length` words; 0 unless it comes three times."""
    runs, bits = _sorted_runs(whole, length)
    most = np.zeros(len(whole.count), np.int64)
    bounds = np.flatnonzero(np.concatenate([[True], runs[1:] != runs[:-1], [True]]))
    counts = np.diff(bounds)
    often = counts >= 3
    np.maximum.at(most, (runs[bounds[:-1][often]] >> bits).astype(np.int64), counts[often])
    return np.minimum(most * length / np.maximum(whole.count, 1), 1)


def _sorted_runs(whole: Shingled, length: int) -> tuple[Hashes, np.uint64]:
    """All runs of `length` words in order, each as its text's number followed by so many bits of hash."""
    bits = np.uint64(64 - max(1, len(whole.count).bit_length()))
    valid = np.maximum(whole.count - length + 1, 0)
    owners = np.repeat(np.arange(len(valid), dtype=np.uint64), valid)
    starts = np.arange(valid.sum()) + np.repeat(whole.first - (np.cumsum(valid) - valid), valid)
    hashes = np.zeros(len(starts), np.uint64)
    for ahead in range(length):
        hashes = hashes * FACTOR + whole.hashes.take(starts + ahead)
        hashes ^= hashes >> np.uint64(29)
    return np.sort(owners << bits | hashes * FACTOR >> (np.uint64(64) - bits)), bits


def _lines(texts: pa.Array) -> Shares:
    """(texts,) the share of characters in lines of ten or more that were there before."""
    shares = np.zeros(len(texts))
    many = np.flatnonzero(pc.match_substring(texts, "\n").to_numpy(zero_copy_only=False))
    for index in many.tolist():
        lines = [line.strip() for line in texts[index].as_py().split("\n")]
        repeated = sum(len(line) for line in _later(line for line in lines if len(line) >= 10))
        shares[index] = repeated / max(sum(map(len, lines)), 1)
    return shares


def _later(lines: Iterable[str]) -> Iterator[str]:
    """Those that were there before."""
    earlier: set[str] = set()
    for line in lines:
        if line in earlier:
            yield line
        earlier.add(line)


def _longest_runs(texts: pa.Array) -> Ints:
    """(texts,) the longest run of one ASCII letter, digit or sign; the rules of Markdown do not count."""
    longest = np.zeros(len(texts), np.int64)
    ends = np.cumsum(np.asarray(pc.binary_length(texts), dtype=np.int64))
    data = np.frombuffer("".join(texts.to_pylist()).encode(), np.uint8)
    if not len(data):
        return longest
    starts = np.append(0, ends[:-1])[np.diff(np.append(0, ends)) > 0]
    breaks = np.concatenate([[True], data[1:] != data[:-1]])
    breaks[starts] = True
    opens = np.flatnonzero(breaks)
    lengths, letters = np.diff(np.append(opens, len(data))), data[opens]
    counts = (lengths > 3) & (letters > 32) & (letters < 127) & ~np.isin(letters, RULES)
    np.maximum.at(longest, np.searchsorted(ends, opens[counts], "right"), lengths[counts])
    return longest
