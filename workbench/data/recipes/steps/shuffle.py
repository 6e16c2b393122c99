"""Putting the rows into a random order."""

from typing import ClassVar

from pydantic import Field

from workbench.data.recipes.draws import shuffled
from workbench.data.recipes.step import STEPS, Outcome, Step, StepWork
from workbench.rows.split_rows import Rows


@STEPS.register
class Shuffle(Step):
    """Puts the rows into a random order, so that good and bad ones, or several sources, lie mixed.

    KTO needs it: a batch of nothing but bad completions has no reference point,
    https://huggingface.co/docs/trl/kto_trainer.
    """

    method: ClassVar[str] = "shuffle"
    title: ClassVar[str] = "Shuffle"
    group: ClassVar = "Split, order and share"
    reorders: ClassVar[bool] = True

    seed: int = Field(0, ge=0, le=2**31, title="Random seed", description="Another seed gives another order.")

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        return Outcome(order=shuffled(rows.ids, self.seed).tolist())
