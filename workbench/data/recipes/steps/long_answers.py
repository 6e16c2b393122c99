"""Keeping the rows with the longest answers."""

from typing import ClassVar

import numpy as np
from pydantic import Field

from workbench.data.recipes.step import STEPS, Outcome, Step, StepWork, Verdict
from workbench.data.recipes.turns import answer_texts, word_counts
from workbench.rows.split_rows import Rows


@STEPS.register
class LongAnswers(Step):
    """Keeps the share of rows with the longest answers, a rule of thumb for quality that is hard to beat.

    Zhao et al. 2024, https://arxiv.org/abs/2402.04833: 1,000 longest answers of 52,000 taught more than chosen ones.
    Of pairs the chosen side counts.
    """

    method: ClassVar[str] = "long_answers"
    title: ClassVar[str] = "Longest answers"
    group: ClassVar = "Which rows stay"
    kinds: ClassVar[tuple[str, ...]] = ("conversation", "preference", "unpaired", "text")
    version: ClassVar[int] = 2

    share: float = Field(
        0.25, gt=0, le=1, title="Share kept",
        description="Share of the rows to keep, those with the longest answers: less keeps only the longest.",
    )  # fmt: skip

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        work.task.update(0, len(rows), self.title)
        words = word_counts(answer_texts(rows))
        keep_count = max(1, round(self.share * len(rows))) if len(rows) else 0
        order = np.lexsort((np.arange(len(rows)), -words))
        least = words[order[keep_count - 1]] if keep_count else 0
        bar = f"the {keep_count:,} longest answers have {least:,} or more"
        left = np.sort(order[keep_count:]).tolist()
        return Outcome(removed={index: Verdict(f"{words[index]:,} words; {bar}.") for index in left})
