"""Answers that refuse, or speak of being a language model."""

import hashlib
import re
from typing import ClassVar

import pyarrow as pa
from pydantic import Field

from workbench.core.assets import ASSETS
from workbench.core.home import Home
from workbench.data.recipes.step import STEPS, DropOrFlag, Outcome, Step, StepWork, Verdict
from workbench.data.recipes.turns import judged, scan
from workbench.data.text.expressions import matches, matches_in
from workbench.rows.split_rows import Rows

PHRASES = ASSETS / "cleaning" / "refusals.txt"


@STEPS.register
class Refusals(Step):
    """Takes out rows whose answer refuses or says 'As an AI language model'; of pairs the chosen side counts.

    The phrases are in assets/cleaning/refusals.txt, a list in the manner of
    https://huggingface.co/datasets/ehartford/wizard_vicuna_70k_unfiltered.
    """

    method: ClassVar[str] = "refusals"
    title: ClassVar[str] = "Refusals and boilerplate"
    group: ClassVar = "Which rows stay"
    kinds: ClassVar[tuple[str, ...]] = ("conversation", "preference", "unpaired", "text")
    version: ClassVar[int] = 2

    phrases: list[str] = Field(
        default_factory=list, title="Own phrases",
        description="Phrases of your own besides those of the list, one a line; ^ before one means that the "
        "answer begins with it.",
    )  # fmt: skip
    usual: bool = Field(True, title="Built-in list", description="Look for the phrases of the built-in list, too.")
    action: DropOrFlag = Field("drop", title="Refusals", description="What becomes of rows whose answer refuses.")

    def inputs(self, home: Home) -> list[str]:
        return [hashlib.sha256(PHRASES.read_bytes()).hexdigest()] if self.usual else []

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        patterns = expressions((usual_phrases() if self.usual else ()) + tuple(self.phrases))

        def find(texts: pa.Array) -> dict[int, list[str]]:
            matched_texts: dict[int, list[str]] = {}
            for pattern in patterns:
                hits = matches(texts, pattern)
                for index, pieces in zip(
                    hits, matches_in(texts.take(pa.array(hits, pa.int64())), pattern), strict=True
                ):
                    matched_texts.setdefault(index, []).extend(piece.strip() for piece in pieces)
            return matched_texts

        matched_rows = scan(rows, "answer", work, self.title, find)
        verdicts = {index: Verdict(f"The answer says “{got[0]}”.", tuple(got)) for index, got in matched_rows.items()}
        return judged(self.action, verdicts)


def usual_phrases() -> tuple[str, ...]:
    """The phrases of the list."""
    lines = [line.strip() for line in PHRASES.read_text("utf-8").splitlines()]
    return tuple(line for line in lines if line and not line.startswith("#"))


def expressions(phrases: tuple[str, ...]) -> list[str]:
    """At most two RE2 expressions: one for phrases that begin an answer, one for those anywhere."""
    first = [_loose(phrase[1:]) for phrase in phrases if phrase.startswith("^") and phrase[1:].strip()]
    anywhere = [_loose(phrase) for phrase in phrases if not phrase.startswith("^") and phrase.strip()]
    patterns = [rf"(?i)^\s*(?:{'|'.join(first)})"] if first else []
    return patterns + ([f"(?i)(?:{'|'.join(anywhere)})"] if anywhere else [])


def _loose(phrase: str) -> str:
    r"""Any white space between the words, either apostrophe, and whole words where they are ASCII (as RE2's \b is)."""
    words = phrase.split()
    pattern = r"\s+".join(re.escape(word).replace("'", "['’]") for word in words)
    before, after = (r"\b" if letter.isascii() and letter.isalnum() else "" for letter in (words[0][0], words[-1][-1]))
    return f"{before}{pattern}{after}"
