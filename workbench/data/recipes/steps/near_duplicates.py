"""Taking out rows that say nearly the same in nearly the same words."""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.data.recipes.keep_policy import Compare, apart, best_in_group, by_call_names, compared, scores
from workbench.data.recipes.step import MOST_EXCERPTS, STEPS, Outcome, Step, StepWork, Verdict
from workbench.data.recipes.turns import row_name
from workbench.rows.split_rows import Rows


@STEPS.register
class NearDuplicates(Step):
    """Takes out rows that share most of their runs of words with another one.

    MinHash finds the candidates, the exact Jaccard similarity of their runs of words decides:
    https://arxiv.org/abs/2107.06499. What is alike by way of a third row is one group, of which one row stays. Rows
    that call other tools are no copies, however alike their words.
    """

    method: ClassVar[str] = "near_duplicates"
    title: ClassVar[str] = "Near duplicates"
    group: ClassVar = "Duplicates and leaks"
    version: ClassVar[int] = 3

    keep: Annotated[
        Literal["first", "longest", "best"],
        Display(labels={
            "first": "the first", "longest": "the longest", "best": "the longest answer without repetition",
        }),
    ] = Field(
        "first", title="Keep", description="Which row of a group stays."
    )  # fmt: skip
    compare: Compare = Field(
        "all", title="Compare", description="What is compared: the whole row, or what comes before its answers."
    )
    threshold: Annotated[float, Display(limit="min")] = Field(
        0.5, ge=0.1, le=1, title="Similarity",
        description="Share of all their runs of words that two rows must have in common: higher takes out only "
        "closer copies.",
    )  # fmt: skip
    shingle: Annotated[int, Display(unit="words", advanced=True)] = Field(
        2, ge=1, le=10, title="Run length", description="Words in a run: longer runs find fewer, closer copies."
    )
    short: Annotated[int, Display(unit="words", advanced=True)] = Field(
        20, ge=0, le=1000, title="Short rows",
        description="Rows of fewer words go only when all their words are equal: short ones are alike by chance.",
    )  # fmt: skip
    numbers: Annotated[float, Display(advanced=True, limit="min")] = Field(
        0.85, ge=0, le=1, title="Similarity when numbers differ",
        description="Rows that differ in their numbers are copies only from this similarity on: higher keeps more; 0 "
        "ignores numbers.",
    )  # fmt: skip

    def check(self, home: Home, kind: str, problems: Problems) -> None:
        if kind == "text" and self.compare == "prompt":
            problems.add("compare", "plain texts have no prompt.", "Choose 'all'.")

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        from workbench.data.text.duplicates import near_groups, similarity

        if not len(rows):
            return Outcome()
        texts = compared(rows, self.compare)
        options: dict[str, Any] = {
            "shingle": self.shingle,
            "threshold": self.threshold,
            "short": self.short,
            "numbers": self.numbers,
        }
        groups = near_groups(texts, **options, task=work.task)
        labels = apart(rows, by_call_names(rows, groups, self.compare), texts)
        best = best_in_group(labels, scores(rows, self.keep))
        gone = np.flatnonzero(best != np.arange(len(best)))
        alike = similarity(texts, gone, best[gone], self.shingle) if len(gone) else np.zeros(0)
        own, others = (texts.take(pa.array(places)).to_pylist() for places in (gone, best[gone]))
        names = rows.ids[best[gone]].tolist()
        verdicts = [
            Verdict(self._reason(name, share), differing(mine, other))
            for name, share, mine, other in zip(names, alike.tolist(), own, others, strict=True)
        ]
        return Outcome(removed=dict(zip(gone.tolist(), verdicts, strict=True)))

    def _reason(self, name: int, share: float) -> str:
        if share == 1:
            return f"The same words as {row_name(name)}."
        sentence = f"Nearly the same as {row_name(name)}: similarity {share:.2f}"
        return f"{sentence}, linked by rows between them." if share < self.threshold else f"{sentence}."


def differing(text: str, other: str) -> tuple[str, ...]:
    """The words of a text that the other has not."""
    other_words = set(other.split())
    return tuple(dict.fromkeys(word for word in text.split() if word not in other_words))[:MOST_EXCERPTS]
