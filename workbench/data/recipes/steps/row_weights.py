"""Giving rows weights."""

from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.data.recipes.step import STEPS, Outcome, Row, Step, StepWork, Verdict, each
from workbench.data.recipes.turns import word_counts
from workbench.rows.split_rows import Rows
from workbench.rows.turn_text import turn_text

Weight = Annotated[float, Field(ge=0, le=1000)]
KEYS = {"source": "source", "tag": "tags"}


@STEPS.register
class RowWeights(Step):
    """Writes metadata.weight into rows: one for all, or by source, tag, another metadata key, or the answer's length.

    How much a row counts in the loss, as in https://arxiv.org/abs/1803.09050; 1 is the usual weight.
    """

    method: ClassVar[str] = "row_weights"
    title: ClassVar[str] = "Row weights"
    group: ClassVar = "Split, order and share"
    version: ClassVar[int] = 2

    by: Annotated[
        Literal["all rows", "source", "tag", "metadata", "length"],
        Display(labels={
            "all rows": "one weight for all", "source": "metadata.source", "tag": "metadata.tags",
            "metadata": "another metadata key", "length": "words of the answer",
        }),
    ] = Field(
        "all rows", title="Weight by", description="What decides how much a row counts."
    )  # fmt: skip
    key: Annotated[str, Display(shown_if={"by": "metadata"})] = Field(
        "", title="Metadata key", description="The key whose value decides."
    )
    weights: dict[str, Weight] = Field(
        default_factory=dict, title="Weights",
        description="The weight of each value; by length, 100: 2 gives answers of 100 words or more the weight 2. "
        "Larger counts more in the loss.",
    )  # fmt: skip
    other: float = Field(
        1.0, ge=0, le=1000, title="Other rows",
        description="The weight of all rows, or of those not named above: larger counts more in the loss.",
    )  # fmt: skip

    def check(self, home: Home, kind: str, problems: Problems) -> None:
        if self.by != "all rows" and not self.weights:
            problems.add("weights", "there are none.", "Write a weight for at least one value.")
        if self.by == "metadata" and not self.key:
            problems.add("key", "is empty.", "Name a key of the metadata, such as source.")
        if self.by == "length":
            for words in self.weights:
                if not (words.isascii() and words.isdigit()):
                    problems.add(("weights", words), f"{words!r} is no number of words.", "Write 100: 2.")

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        outcome = Outcome()
        for index, row in each(rows, work, self.title):
            weight, why = self._weight(row)
            metadata = row.get("metadata") or {}
            if metadata.get("weight") != weight:
                new = {**row, "metadata": {**metadata, "weight": weight}}
                outcome.changed[index] = (new, Verdict(f"Weight {weight:g}{why}."))
        return outcome

    def _weight(self, row: Row) -> tuple[float, str]:
        """The weight and what it is for."""
        if self.by == "all rows":
            return self.other, ""
        if self.by == "length":
            words = answer_words(row)
            reached = [int(least) for least in self.weights if int(least) <= words]
            weight = self._of(max(reached)) if reached else self.other
            return weight, f" for an answer of {words:,} word{'s' * (words != 1)}"
        key = KEYS.get(self.by, self.key)
        metadata_value = (row.get("metadata") or {}).get(key)
        named = [
            str(value)
            for value in (metadata_value if isinstance(metadata_value, list) else [metadata_value])
            if str(value) in self.weights
        ]
        if not named:
            return self.other, f" for any other {key}"
        best = max(named, key=lambda value: self.weights[value])
        return self.weights[best], f" for {key} {best}"

    def _of(self, words: int) -> float:
        return next(weight for name, weight in self.weights.items() if int(name) == words)


def answer_words(row: Row) -> int:
    """Words of a row's answers, of a pair the chosen one's; those of a plain text are all its answer."""
    turns: list[dict[str, Any]] = row.get("messages") or row.get("chosen") or row.get("completion") or []
    texts = [row["text"]] if "text" in row else [turn_text(turn) for turn in turns if turn["role"] == "assistant"]
    return int(word_counts(pa.array(texts, pa.string())).sum())
