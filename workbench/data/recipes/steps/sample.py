"""Keeping some rows, drawn at random."""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from workbench.core.display import ADVANCED, Display
from workbench.data.recipes.draws import shuffled
from workbench.data.recipes.step import STEPS, Outcome, Step, StepWork, Verdict
from workbench.rows.split_rows import Rows


@STEPS.register
class Sample(Step):
    """Keeps a number or a share of the rows, drawn at random; the others are taken out.

    A row's draw hangs on its number and the seed: it stays drawn when other rows come or go before this step.
    """

    method: ClassVar[str] = "sample"
    title: ClassVar[str] = "Sample"
    group: ClassVar = "Split, order and share"

    count: int = Field(
        1000, ge=0, le=100_000_000, title="Rows kept", description="How many rows stay; 0 goes by the share instead."
    )
    share: float = Field(
        0.1, ge=0, le=1, title="Share kept", description="Share of the rows that stay, where no number is given."
    )
    split: Annotated[
        Literal["both", "train", "eval"],
        Display(labels={
            "both": "train and eval", "train": "train", "eval": "eval",
        }),
    ] = Field(
        "both", title="Draw from", description="Which rows are drawn from; the others stay."
    )  # fmt: skip
    seed: Annotated[int, ADVANCED] = Field(
        0, ge=0, le=2**31, title="Random seed", description="Another seed draws other rows."
    )

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        among = np.flatnonzero([self.split in ("both", split) for split in rows.splits])
        count = min(self.count or round(self.share * len(among)), len(among))
        left = among[shuffled(rows.ids[among], self.seed)[count:]]
        verdict = Verdict(f"Not among the {count:,} of {len(among):,} rows that were drawn.")
        return Outcome(removed=dict.fromkeys(np.sort(left).tolist(), verdict))
