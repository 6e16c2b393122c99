"""Taking out rows that are there already."""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.data.recipes.keep_policy import Compare, apart, best_in_group, compared, scores
from workbench.data.recipes.step import STEPS, Outcome, Step, StepWork, Verdict
from workbench.data.recipes.turns import row_name
from workbench.rows.split_rows import Rows


@STEPS.register
class ExactDuplicates(Step):
    """Takes out rows whose text is equal to another one's, by its words or byte for byte.

    Equal text in training data is learned by heart: https://arxiv.org/abs/2107.06499. The same answer labelled good in
    one row and bad in another is no copy.
    """

    method: ClassVar[str] = "exact_duplicates"
    title: ClassVar[str] = "Exact duplicates"
    group: ClassVar = "Duplicates and leaks"
    version: ClassVar[int] = 2

    keep: Annotated[
        Literal["first", "longest", "last"],
        Display(labels={
            "first": "the first", "longest": "the longest", "last": "the last",
        }),
    ] = Field(
        "first", title="Keep", description="Which of the equal rows stays."
    )  # fmt: skip
    compare: Compare = Field(
        "all", title="Compare", description="What has to be equal: the whole row, or what comes before its answers."
    )
    normalise: bool = Field(
        True, title="Ignore case and punctuation",
        description="Rows that differ only in case, white space and the punctuation of sentences are equal.",
    )  # fmt: skip

    def check(self, home: Home, kind: str, problems: Problems) -> None:
        if kind == "text" and self.compare == "prompt":
            problems.add("compare", "plain texts have no prompt.", "Choose 'all'.")

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        from workbench.data.text.duplicates import exact_groups

        work.task.update(0, len(rows), self.title)
        texts = compared(rows, self.compare)
        labels = apart(rows, exact_groups(texts, self.normalise), texts)
        best = best_in_group(labels, scores(rows, self.keep))
        wording = "The same prompt as" if self.compare == "prompt" else "The same text as"
        gone = np.flatnonzero(best != np.arange(len(best))).tolist()
        names = rows.ids[best].tolist()
        return Outcome(removed={index: Verdict(f"{wording} {row_name(names[index])}.") for index in gone})
