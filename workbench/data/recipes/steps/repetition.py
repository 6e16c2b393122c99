"""Rows that repeat themselves, or are little but signs."""

import re
from collections import Counter
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from workbench.core.display import Display
from workbench.data.recipes.step import EXCERPT_CHARACTERS, STEPS, DropOrFlag, Outcome, Step, StepWork, Verdict
from workbench.data.recipes.turns import answer_texts, in_one_piece, judged, slices
from workbench.data.text.repetition_measures import Measures, measures
from workbench.data.text.shingles import blocks
from workbench.rows.split_rows import Rows

WORD = re.compile(r"\S+")


@STEPS.register
class Repetition(Step):
    """Takes out rows that repeat words or lines, run on in one character, or consist of symbols.

    The quality filters of Gopher, https://arxiv.org/abs/2112.11446 (table A1), by shares of words.
    """

    method: ClassVar[str] = "repetition"
    title: ClassVar[str] = "Repetition and symbols"
    group: ClassVar = "Which rows stay"
    version: ClassVar[int] = 2

    again: Annotated[float, Display(unit="share", limit="max")] = Field(
        0.15, ge=0, le=1, title="Repeated runs",
        description="Largest share of words in runs of five that occurred before: lower takes out more rows.",
    )  # fmt: skip
    top: Annotated[float, Display(unit="share", limit="max")] = Field(
        0.2, ge=0, le=1, title="Most frequent run",
        description="Largest share of words in the most frequent run of two to four: lower takes out more rows.",
    )  # fmt: skip
    lines: Annotated[float, Display(unit="share", limit="max")] = Field(
        0.3, ge=0, le=1, title="Repeated lines",
        description="Largest share of characters in lines that occurred before: lower takes out more rows.",
    )  # fmt: skip
    signs: Annotated[float, Display(unit="share", limit="max")] = Field(
        0.4, ge=0, le=1, title="Symbols",
        description="Largest share of characters that are no letters, digits or spaces: lower takes out more rows.",
    )  # fmt: skip
    run: Annotated[int, Display(unit="characters", limit="max")] = Field(
        30, ge=4, le=100_000, title="Longest run",
        description="How often one letter, digit or symbol may follow itself at most: lower takes out more rows.",
    )  # fmt: skip
    least: Annotated[int, Display(unit="words", advanced=True)] = Field(
        20,
        ge=0,
        le=10_000,
        title="Short texts",
        description="Texts of fewer words are only checked for runs of one character.",
    )
    part: Annotated[Literal["answer", "all"], Display(labels={"answer": "the answer", "all": "the whole row"})] = Field(
        "answer",
        title="Part",
        description="What is looked at: the answer (of a pair the chosen one), or the whole row.",
    )
    action: DropOrFlag = Field("drop", title="Repetitive rows", description="What becomes of rows over a limit.")

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        verdicts: dict[int, Verdict] = {}
        for start, some in slices(rows, work, self.title):
            for block in blocks(answer_texts(some) if self.part == "answer" else some.texts("all")):
                work.task.check_stop()
                measured = measures(in_one_piece(block))
                for index in np.flatnonzero(self._over(measured)).tolist():
                    verdicts[start + index] = self._verdict(measured, index, block[index].as_py())
                start += len(block)
        return judged(self.action, verdicts)

    def _over(self, measured: Measures) -> np.ndarray:
        shares = (measured.again > self.again) | (measured.top > self.top) | (measured.lines > self.lines)
        return ((shares | (measured.signs > self.signs)) & (measured.words >= self.least)) | (measured.run > self.run)

    def _verdict(self, measured: Measures, index: int, text: str) -> Verdict:
        if measured.run[index] > self.run:
            return Verdict(
                f"{measured.run[index]:,} times the same character in a row, more than {self.run:,}.", _run(text)
            )
        for share, most, description, piece in (
            (measured.top[index], self.top, "of the words are one repeated phrase", _phrase(text, 3)),
            (measured.again[index], self.again, "of the words were there before", _phrase(text, 5)),
            (measured.lines[index], self.lines, "of the characters are in repeated lines", _line(text)),
            (measured.signs[index], self.signs, "of the characters are signs", ()),
        ):
            if share > most:
                return Verdict(f"{share:.0%} {description}, more than {most:.0%}.", piece)
        raise AssertionError("no figure is over its limit")


def _phrase(text: str, length: int) -> tuple[str, ...]:
    """The most frequent run of words, as it stands where it comes first."""
    spans = [match.span() for match in WORD.finditer(text)]
    words = [text[first:last].lower() for first, last in spans]
    runs = [tuple(words[at : at + length]) for at in range(len(words) - length + 1)]
    if not runs:
        return ()
    first = runs.index(Counter(runs).most_common(1)[0][0])
    return (text[spans[first][0] : spans[first + length - 1][1]],)


def _line(text: str) -> tuple[str, ...]:
    counts = Counter(line.strip() for line in text.split("\n") if len(line.strip()) >= 10)
    return (counts.most_common(1)[0][0],) if counts else ()


def _run(text: str) -> tuple[str, ...]:
    """The longest run of one ASCII character that is no rule of Markdown."""
    longest = max(
        re.finditer(r"([!-~])\1{3,}", text), key=lambda run: len(run.group()) * (run.group()[0] not in "-=_*#~.")
    )
    return (longest.group()[:EXCERPT_CHARACTERS],)
