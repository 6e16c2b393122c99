"""Taking out of train what is in eval too."""

from typing import Annotated, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.data.recipes.keep_policy import Compare, Labels, compared
from workbench.data.recipes.step import STEPS, Outcome, Step, StepWork, Verdict
from workbench.data.recipes.turns import row_name
from workbench.rows.split_rows import Rows

MOST_EVAL_ROWS = 100


@STEPS.register
class Leakage(Step):
    """Takes rows out of train that are copies or near copies of eval rows, which would make eval look too good.

    https://arxiv.org/abs/2107.06499 found such overlap in most of the usual data sets. Put it after the split.
    """

    method: ClassVar[str] = "leakage"
    title: ClassVar[str] = "Leakage from eval"
    group: ClassVar = "Duplicates and leaks"
    version: ClassVar[int] = 2

    compare: Compare = Field(
        "all", title="Compare", description="What is compared: the whole row, or what comes before its answers."
    )
    threshold: Annotated[float, Display(limit="min")] = Field(
        0.5, ge=0.1, le=1, title="Similarity",
        description="Share of runs of words in common from which a train row goes: higher takes out only closer "
        "copies; 1 means all.",
    )  # fmt: skip
    shingle: Annotated[int, Display(unit="words", advanced=True)] = Field(
        2, ge=1, le=10, title="Run length", description="Words in a run: longer runs find fewer, closer copies."
    )
    short: Annotated[int, Display(unit="words", advanced=True)] = Field(
        20, ge=0, le=1000, title="Short rows", description="Rows of fewer words go only when all their words are equal."
    )
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

        held = np.array(rows.splits) == "eval"
        if not held.any():
            return Outcome(notes=["There are no eval rows yet: put this step after the split."])
        texts = compared(rows, self.compare)
        labels = near_groups(
            texts,
            shingle=self.shingle,
            threshold=self.threshold,
            short=self.short,
            numbers=self.numbers,
            task=work.task,
        )
        train, other = _pairs(labels, held, texts)
        alike = similarity(texts, train, other, self.shingle) if len(train) else np.zeros(0)
        outcome, best = Outcome(), np.lexsort((other, -alike, train))
        for pair in best.tolist():
            share, row, name = float(alike[pair]), int(train[pair]), row_name(int(rows.ids[other[pair]]))
            if share >= self.threshold and row not in outcome.removed:
                wording = "The same words as" if share == 1 else "Nearly the same as"
                figure = "" if share == 1 else f": similarity {share:.2f}"
                outcome.removed[row] = Verdict(f"{wording} {name} of eval{figure}.")
        return outcome


def _pairs(labels: Labels, held: np.ndarray, texts: pa.Array) -> tuple[Labels, Labels]:
    """(pairs,) each train row with text beside each eval row of its group, 100 of those at most."""
    members: dict[int, list[int]] = {}
    for index in np.flatnonzero(held).tolist():
        members.setdefault(int(labels[index]), []).append(index)
    train, other = [], []
    for index in np.flatnonzero(~held & np.isin(labels, list(members))).tolist():
        eval_rows = members[int(labels[index])][:MOST_EVAL_ROWS] if texts[index].as_py() else []
        train += [index] * len(eval_rows)
        other += eval_rows
    return np.array(train, np.int64), np.array(other, np.int64)
