"""Texts that share runs of words with some others: how benchmarks leak into training data.

https://arxiv.org/abs/2005.14165 (appendix C) looked for runs of 13 words. Measured on 576 prompts, runs of 8 found 99 %
of copies, 95 % of those with one word in twenty changed, and 2 of 999 clean texts.
"""

import itertools
import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.data.text.shingles import Hashes, Ints, Shingled, blocks, joined_shingles, shingled

WORD = re.compile(r"[^\s\x00-\x20\x7f!\"'(),.:;?\[\]{}]+")


@dataclass(frozen=True)
class Overlap:
    """A text that shares runs with a prompt: `prompt` is its number, `words` where the first run of each begins."""

    text: int
    prompt: int
    runs: int
    words: tuple[int, ...]


class Index:
    """The runs of `length` words of prompts; shorter prompts count as a whole."""

    def __init__(self, prompts: list[str], length: int):
        self.length = length
        shingles = _shingled(pa.array(prompts, pa.large_string()), length)
        places = _places(shingles)
        hashes, owners = shingles.hashes[places], np.repeat(np.arange(len(prompts)), shingles.count)
        order = np.argsort(hashes, kind="stable")
        self.hashes, self.owners = hashes[order], owners[order]
        short = np.flatnonzero(shingles.count == 0).tolist()
        self.short = {shingles.digests[at]: at for at in reversed(short) if prompts[at].strip()}

    def overlaps(self, texts: pa.Array) -> list[Overlap]:
        """One for each of these texts (a block of 1 MB or so) that shares a run, or is equal to a short prompt."""
        shingles = shingled(texts.cast(pa.large_string()), self.length)
        places, records = _places(shingles), np.repeat(np.arange(len(texts)), shingles.count)
        hits, prompts = self._lookup(shingles.hashes[places])
        overlaps = [
            Overlap(text, self.short[digest], 0, ())
            for text, digest in enumerate(shingles.digests)
            if digest in self.short
        ]
        owners = records[hits]
        bounds = np.flatnonzero(np.diff(owners, prepend=-1, append=-1)).tolist() if len(hits) else []
        for first, last in itertools.pairwise(bounds):
            text = int(owners[first])
            begins = places[hits[first:last]] - shingles.first[text]
            overlaps.append(Overlap(text, int(prompts[first]), last - first, tuple(begins.tolist())))
        return sorted(overlaps, key=lambda overlap: overlap.text)

    def _lookup(self, hashes: Hashes) -> tuple[Ints, Ints]:
        """Where these hashes are among those of the prompts, and whose prompt each is."""
        if not len(self.hashes):
            return np.arange(0), np.arange(0)
        at = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        hits = np.flatnonzero(self.hashes[at] == hashes)
        return hits, self.owners[at[hits]]


def shared_text(text: str, words: tuple[int, ...], length: int) -> tuple[str, ...]:
    """The text under runs of `length` words that begin at these words, those that touch as one piece."""
    spans = [runs.span() for runs in WORD.finditer(text)]
    runs: list[list[int]] = []
    for word in words:
        if word + length > len(spans):
            return ()  # a script whose words are counted otherwise
        if runs and word <= runs[-1][1]:
            runs[-1][1] = word + length
        else:
            runs.append([word, word + length])
    return tuple(text[spans[first][0] : spans[last - 1][1]] for first, last in runs)


def _places(shingles: Shingled) -> NDArray[np.int64]:
    """Where the valid runs of all texts lie, text by text."""
    before = np.cumsum(shingles.count) - shingles.count
    return (
        np.arange(shingles.count.sum()) - np.repeat(before, shingles.count) + np.repeat(shingles.first, shingles.count)
    )


def _shingled(texts: pa.Array, length: int) -> Shingled:
    return joined_shingles([shingled(block, length) for block in blocks(texts)] or [shingled(texts, length)])
