"""A corpus of made-up records whose duplicates are known: exact copies, six kinds of near copies, and hard negatives.

Of all records 10 % are exact copies of an earlier record and 10 % near copies. 8 % are short questions that come twice
with different answers (not copies), and 10 % open with the same 25-word system prompt (not copies either).
"""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

EXACT, NEAR, SHORT, BOILERPLATE = 0.1, 0.1, 0.08, 0.1
EDITED = (0.05, 0.15)
LONG_ENOUGH = 30
SYLLABLES = [
    first + vowel for first in ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v") for vowel in "aeiou"
]
PROMPT = (
    "You are a careful assistant who answers in plain words, says so when something is not known, "
    "and never makes up names, numbers or sources whatever happens."
)
PREFIXES = ("Sure, here is the answer.", "As you asked, this is the text:", "Note that this was shortened.")


def write_corpus(path: Path, records: int, seed: int = 1) -> None:
    """Writes a Parquet file of `records` rows: text, and copy (true for a copy of an earlier record)."""
    texts, copies = corpus(records, seed)
    pq.write_table(pa.table({"text": pa.array(texts, pa.large_string()), "copy": copies}), path)


def corpus(records: int, seed: int = 1) -> tuple[list[str], list[bool]]:
    """Texts of about 92 words each, and which of them are copies; an original always comes before its copies."""
    source = Source(seed)
    exact, near = int(records * EXACT), int(records * NEAR)
    originals = source.originals(records - exact - near)
    long = [n for n, text in enumerate(originals) if text.count(" ") >= LONG_ENOUGH]
    place = [source.random.random() for _ in originals]
    rows = [(place[n], text, False) for n, text in enumerate(originals)]
    for number in range(exact + near):
        if number < exact:
            of = source.random.randrange(len(originals))
            text = originals[of]
        else:
            of = source.random.choice(long)
            text = KINDS[number % len(KINDS)](source, originals[of])
        rows.append((source.random.uniform(place[of], 1), text, True))
    rows.sort(key=lambda row: row[0])
    return [text for _, text, _ in rows], [copy for _, _, copy in rows]


class Source:
    """Words as frequent as in a language, sentences made of them, and records made of those."""

    def __init__(self, seed: int, vocabulary: int = 30_000):
        self.random = random.Random(seed)
        self._numbers = np.random.default_rng(seed)
        words = {"".join(self.random.choices(SYLLABLES, k=self.random.randint(1, 4))) for _ in range(vocabulary * 2)}
        self._words = np.array(sorted(words)[:: max(1, len(words) // vocabulary)])
        self.random.shuffle(self._words)  # type: ignore[arg-type]
        weights = 1 / (np.arange(len(self._words)) + 10)
        self._weights = np.cumsum(weights / weights.sum())

    def words(self, count: int) -> list[str]:
        drawn = np.searchsorted(self._weights, self._numbers.random(count))
        return self._words[np.minimum(drawn, len(self._words) - 1)].tolist()

    def originals(self, count: int) -> list[str]:
        """Short questions in pairs, then records of 25 to 250 words, in random order."""
        pairs = int(count * SHORT / 2)
        texts = [text for _ in range(pairs) for text in self._question_twice()]
        lengths = np.clip(self._numbers.lognormal(4.45, 0.45, count - len(texts)), 25, 250).astype(int)
        words, first = self.words(int(lengths.sum())), 0
        for length in lengths:
            texts.append(self._record(words[first : first + length]))
            first += length
        self.random.shuffle(texts)
        return texts

    def _question_twice(self) -> list[str]:
        question = f"What is the {' '.join(self.words(self.random.randint(5, 10)))}?"
        return [f"{question} It is {' '.join(self.words(self.random.randint(1, 4)))}." for _ in range(2)]

    def _record(self, words: list[str]) -> str:
        sentences, first = [], 0
        while first < len(words):
            last = first + self.random.randint(6, 16)
            sentences.append(" ".join(words[first:last]).capitalize() + self.random.choice((".", ".", ".", "?", "!")))
            first = last
        text = " ".join(sentences)
        return f"{PROMPT} {text}" if self.random.random() < BOILERPLATE else text


def replaced(source: Source, text: str) -> str:
    """5 to 15 % of the words become others."""
    words, places = _places(source, text)
    for place, word in zip(places, source.words(len(places)), strict=True):
        words[place] = word
    return " ".join(words)


def dropped(source: Source, text: str) -> str:
    """5 to 15 % of the words are left out."""
    words, places = _places(source, text)
    gone = set(places)
    return " ".join(word for place, word in enumerate(words) if place not in gone)


def inserted(source: Source, text: str) -> str:
    """New words between the old ones, 5 to 15 % of them."""
    words, places = _places(source, text)
    for place, word in zip(places, source.words(len(places)), strict=True):
        words[place] = f"{words[place]} {word}"
    return " ".join(words)


def swapped(source: Source, text: str) -> str:
    """The sentences in another order."""
    sentences = text.replace("?", "?.").replace("!", "!.").split(". ")
    source.random.shuffle(sentences)
    return " ".join(f"{sentence.rstrip('.')}." for sentence in sentences)


def recased(source: Source, text: str) -> str:
    """Other case, other punctuation, other white space."""
    text = source.random.choice((str.lower, str.upper, str.title))(text)
    return text.replace(".", source.random.choice((";", " ...", ""))).replace(" ", "  ", 3) + "\n"


def prefixed(source: Source, text: str) -> str:
    """The last 5 to 15 % cut off, and a sentence put in front."""
    words = text.split()
    kept = words[: round(len(words) * (1 - source.random.uniform(*EDITED)))]
    return f"{source.random.choice(PREFIXES)} {' '.join(kept)}"


def _places(source: Source, text: str) -> tuple[list[str], list[int]]:
    words = text.split()
    count = max(1, round(len(words) * source.random.uniform(*EDITED)))
    return words, source.random.sample(range(len(words)), count)


KINDS: tuple[Callable[[Source, str], str], ...] = (replaced, dropped, inserted, swapped, recased, prefixed)
