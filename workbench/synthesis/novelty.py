"""Whether a prompt is new: ROUGE-L against every prompt there is.

Self-Instruct (https://arxiv.org/abs/2212.10560, section 2.2) keeps an instruction whose ROUGE-L similarity with every
existing one is below 0.7. ROUGE-L's F-measure of two word lists of m and n words, 2 · LCS / (m + n), is what rapidfuzz
calls the normalised Indel similarity.
"""

import re
from collections.abc import Collection

UNSPACED = "\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"  # scripts without spaces: a sign a word
WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+")
SURROGATES, SIGNS = 0xD800, 0x110000 - 0x800


class Novelty:
    """Prompts by id. Each word becomes one character, so that comparing is comparing short strings."""

    def __init__(self, threshold: float):
        self.threshold = threshold
        self._signs: dict[str, str] = {}
        self._known: dict[str, str] = {}

    def add(self, item: str, text: str) -> None:
        self._known[item] = self._written(text)

    def forget(self, item: str) -> None:
        self._known.pop(item, None)

    def nearest(self, text: str, but: Collection[str] = ()) -> tuple[str, float] | None:
        """The id and similarity of the prompt most like this one, at or above the threshold; `but` are passed over."""
        from rapidfuzz import process
        from rapidfuzz.distance import Indel

        mine = self._written(text)
        matches = process.extract(
            mine,
            self._known,
            scorer=Indel.normalized_similarity,
            processor=None,
            limit=len(but) + 1,
            score_cutoff=self.threshold,
        )
        return next(((item, score) for _, score, item in matches if item not in but), None)

    def same(self, text: str, item: str) -> bool:
        """Whether it has the very words of the prompt of that id."""
        return self._written(text) == self._known.get(item)

    def _written(self, text: str) -> str:
        return "".join(self._sign(word) for word in words(text))

    def _sign(self, word: str) -> str:
        if word not in self._signs:
            code = len(self._signs) % SIGNS
            self._signs[word] = chr(code if code < SURROGATES else code + 0x800)
        return self._signs[word]


def words(text: str) -> list[str]:
    """The words of a text in lower case, punctuation left out."""
    return WORD.findall(text.lower())
