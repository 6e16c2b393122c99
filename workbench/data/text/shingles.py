"""Texts as hashes of their words and of runs of words (shingles), in flat arrays.

Words are what stands between white space and the punctuation of sentences, in lower case; signs such as + - * / < = > #
belong to words. Scripts that put no spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) count every
character as a word of half the length. A word over 64 bytes is cut into pieces of 64.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from numpy.typing import NDArray

BLOCK_BYTES = 1 << 17
LONGEST_WORD_BYTES = 64
SPACE = 32
PUNCTUATION = b"!\"'(),.:;?[]{}"
NOT_ASCII_PUNCTUATION = r"[^\p{L}\p{N}\p{M}\p{S}\x00-\x7F]+"
UNSPACED = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])"
TABLE = bytes(SPACE if code < SPACE or code == 127 or code in PUNCTUATION else code for code in range(256)).lower()
KEEP = np.array([0, *((1 << 8 * size) - 1 for size in range(1, 9))], np.uint64)
EMPTY, BLANK = pa.scalar("", pa.large_string()), pa.scalar(" ", pa.large_string())
ODD = np.uint64(0x9E3779B97F4A7C15)
MIX = np.uint64(0xD6E8FEB86659FD93)

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]


@dataclass
class Shingled:
    """Records as shingles.

    hashes: (total,) 64-bit hashes; those of record n are hashes[first[n] : first[n] + count[n]], repeats included.
    words: (records,) how many words each has, by the measure of a script with spaces.
    digests: 16 bytes a record, equal where the words are equal.
    """

    hashes: Hashes
    first: Ints
    count: Ints
    words: Ints
    digests: list[bytes]


def blocks(texts: pa.Array | pa.ChunkedArray) -> Iterator[pa.Array]:
    """The texts in runs of about 128 kB: what is made of one on the way stays in the cache."""
    for chunk in texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]:
        ends = np.cumsum(pc.fill_null(pc.binary_length(chunk), 0), dtype=np.int64)
        first = 0
        while first < len(chunk):
            reached = int(ends[first - 1]) if first else 0
            last = max(first + 1, int(np.searchsorted(ends, reached + BLOCK_BYTES, "right")))
            yield chunk.slice(first, last - first)
            first = last


def byte_digests(texts: pa.Array) -> list[bytes]:
    """16 bytes a text, equal where the texts are equal byte for byte; null counts as ''."""
    texts = pc.fill_null(texts.cast(pa.large_binary()), b"")
    return [xxhash.xxh3_128_digest(text) for text in texts.to_pylist()]


def word_digests(texts: pa.Array) -> list[bytes]:
    """16 bytes a text, equal where the words are equal."""
    return shingled(texts, 1).digests


def shingled(texts: pa.Array, shingle: int) -> Shingled:
    """One block of texts as shingles of `shingle` words; null counts as ''.

    A text without a single word has the digest of its signs instead, so that '?' and '!' are not the same.
    """
    texts = pc.fill_null(texts.cast(pa.large_string()), "")
    plain, unspaced = _plain(texts)
    hashes, bounds = _words(plain)
    words = np.diff(bounds)
    digests = _digests(memoryview(hashes.data).cast("B"), (bounds * 8).tolist())
    for record in np.flatnonzero(words == 0).tolist():
        digests[record] = xxhash.xxh3_128_digest(texts[record].as_py().strip().encode())
    count = np.maximum(words - shingle + 1, 0)
    return Shingled(_runs(hashes, shingle), bounds[:-1], count, words - unspaced // 2, digests)


def joined_shingles(parts: list[Shingled]) -> Shingled:
    """Blocks one after another as one."""
    offsets = np.cumsum([0, *(len(block.hashes) for block in parts)])
    return Shingled(
        np.concatenate([block.hashes for block in parts]),
        np.concatenate([block.first + offset for block, offset in zip(parts, offsets, strict=False)]),
        np.concatenate([block.count for block in parts]),
        np.concatenate([block.words for block in parts]),
        [digest for block in parts for digest in block.digests],
    )


def _plain(texts: pa.Array) -> tuple[pa.Array, Ints]:
    """Texts whose punctuation and white space is ASCII, and how many characters of each are of unspaced scripts."""
    unspaced = np.zeros(len(texts), np.int64)
    ascii = pc.string_is_ascii(texts)
    if pc.all(ascii, min_count=0).as_py():
        return texts, unspaced
    other = pc.invert(ascii)
    rewritten = pc.utf8_lower(pc.utf8_normalize(texts.filter(other), form="NFKC"))
    rewritten = pc.replace_substring_regex(rewritten, NOT_ASCII_PUNCTUATION, " ")
    unspaced[other.to_numpy(zero_copy_only=False)] = pc.count_substring_regex(rewritten, UNSPACED).to_numpy()
    rewritten = pc.replace_substring_regex(rewritten, UNSPACED, r" \1 ")
    return pc.replace_with_mask(texts, other, rewritten), unspaced


def _words(texts: pa.Array) -> tuple[Hashes, Ints]:
    """Hashes of all words (total,), and where each record begins and the last one ends (records + 1,)."""
    spaced = pc.binary_join_element_wise(texts, EMPTY, BLANK)
    bounds = np.frombuffer(spaced.buffers()[1], np.int64, len(spaced) + 1, spaced.offset * 8)
    data = spaced.buffers()[2].slice(bounds[0], bounds[-1] - bounds[0]).to_pybytes().translate(TABLE)
    inside = np.frombuffer(data, np.uint8) != SPACE
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    if inside[0]:
        edges = np.concatenate([[0], edges])
    starts, lengths = _pieces(edges[::2], edges[1::2] - edges[::2])
    return _hashed(data, starts, lengths), np.searchsorted(starts, bounds - bounds[0])


def _pieces(starts: Ints, lengths: Ints) -> tuple[Ints, Ints]:
    """The same words, those over `LONGEST` bytes cut into pieces."""
    pieces = -(-lengths // LONGEST_WORD_BYTES)
    if len(pieces) == 0 or pieces.max() == 1:
        return starts, lengths
    number = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    rest = np.repeat(lengths, pieces) - number * LONGEST_WORD_BYTES
    return np.repeat(starts, pieces) + number * LONGEST_WORD_BYTES, np.minimum(rest, LONGEST_WORD_BYTES)


def _hashed(data: bytes, starts: Ints, lengths: Ints) -> Hashes:
    """A word of 8 bytes or fewer is its own hash; each 8 bytes more are mixed in."""
    eights = np.frombuffer(data + bytes(16 - len(data) % 8), np.uint64)
    hashes = _eight(eights, starts, lengths)
    longer, reached = np.flatnonzero(lengths > 8), 8
    while len(longer):
        more = _eight(eights, starts[longer] + reached, lengths[longer] - reached)
        hashes[longer] = _mixed(hashes[longer] * ODD + more)
        reached += 8
        longer = longer[lengths[longer] > reached]
    return hashes


def _eight(eights: Hashes, starts: Ints, lengths: Ints) -> Hashes:
    """Up to 8 bytes from each start, as one number; read as two aligned ones, which NumPy does four times faster."""
    word_index, bits = starts >> 3, starts.astype(np.uint64)
    bits &= np.uint64(7)
    bits <<= np.uint64(3)
    low = eights.take(word_index)
    low >>= bits
    word_index += 1
    high = eights.take(word_index)
    high <<= np.subtract(np.uint64(64), bits, out=bits)
    low |= high
    low &= KEEP.take(np.minimum(lengths, 8))
    return low


def _runs(hashes: Hashes, shingle: int) -> Hashes:
    """A hash for the run of `shingle` words that begins at each word; the last ones of a record are not valid."""
    runs = hashes.copy()
    for ahead in range(1, shingle):
        runs[:-ahead] = _mixed(runs[:-ahead] * ODD + hashes[ahead:])
    return _mixed(runs)


def _mixed(hashes: Hashes) -> Hashes:
    """Spreads every bit over all of them, in place.

    https://mostlymangling.blogspot.com/2018/07/on-mixing-functions-in-fast-splittable.html
    """
    hashes ^= hashes >> np.uint64(32)
    hashes *= MIX
    hashes ^= hashes >> np.uint64(32)
    hashes *= MIX
    hashes ^= hashes >> np.uint64(32)
    return hashes


def _digests(data: memoryview, bounds: list[int]) -> list[bytes]:
    digest = xxhash.xxh3_128_digest
    return [digest(data[first:last]) for first, last in pairwise(bounds)]
