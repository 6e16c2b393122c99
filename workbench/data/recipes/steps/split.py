"""Dividing rows into those to train on and those to evaluate on."""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from workbench.core.display import ADVANCED, Display
from workbench.core.errors import UserError
from workbench.data.recipes.step import STEPS, Outcome, Step, StepWork
from workbench.rows.split import eval_mask
from workbench.rows.split_rows import Rows

By = Literal["same rows", "same prompt", "near-duplicates", "metadata"]


@STEPS.register
class Split(Step):
    """Holds rows back for evaluating; rows that belong together stay on one side.

    Which rows those are depends on the rows and the seed, not on their order.
    """

    method: ClassVar[str] = "split"
    title: ClassVar[str] = "Split into train and eval"
    group: ClassVar = "Split, order and share"

    eval_fraction: float = Field(
        0.1, ge=0, lt=1, title="Eval share",
        description="Share of the rows held back: more measures better and leaves less to train on; 0 moves all "
        "to train.",
    )  # fmt: skip
    seed: Annotated[int, ADVANCED] = Field(
        0, ge=0, le=2**32 - 1, title="Random seed", description="Another seed holds back other rows."
    )
    together: Annotated[
        By,
        Display(labels={
            "same rows": "equal rows", "same prompt": "rows of one prompt", "near-duplicates": "near duplicates",
            "metadata": "rows of one metadata value",
        }),
    ] = Field(
        "same rows", title="Keep together",
        description="Which rows stay on one side, so that the eval split holds nothing the model learned from.",
    )  # fmt: skip
    key: Annotated[str, Display(shown_if={"together": "metadata"})] = Field(
        "", title="Metadata key", description="The key whose value decides, such as source."
    )

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        held = eval_mask(self._marks(rows), self.eval_fraction, self.seed)
        now = rows.splits
        wanted = ["eval" if is_eval else "train" for is_eval in held]
        moved = {index: split for index, split in enumerate(wanted) if split != now[index]}
        return Outcome(
            splits=moved, notes=[f"{len(rows) - sum(held):,} rows to train on, {sum(held):,} to evaluate on."]
        )

    def _marks(self, rows: Rows) -> list[bytes]:
        """A mark for every row: rows with equal marks stay together."""
        if self.together == "same rows":
            return rows.digests
        if self.together == "same prompt":
            return _bytes(rows.contents("prompt").to_pylist())
        if self.together == "metadata":
            return self._values(rows)
        from workbench.data.text.duplicates import near_groups

        texts = rows.texts("all").combine_chunks()
        # rows that only differ in their numbers belong together here: they are no proof of having learned anything
        labels = near_groups(texts if isinstance(texts, pa.Array) else pa.array(texts.to_pylist()), numbers=0)
        digests = rows.digests
        # the smallest digest of a group stands for it, whatever the order of its rows
        least = dict.fromkeys(labels.tolist(), b"\xff" * 17)
        for label, digest in zip(labels.tolist(), digests, strict=True):
            least[label] = min(least[label], digest)
        return [least[label] for label in labels.tolist()]

    def _values(self, rows: Rows) -> list[bytes]:
        if not self.key:
            raise UserError("No metadata key is named.", "Name one, such as source.", "key")
        values = [(row.get("metadata") or {}).get(self.key) for row in rows.rows()]
        if not any(value is not None for value in values):
            raise UserError(f"No row has {self.key!r} in its metadata.", "Choose another way to split.", "key")
        digests = rows.digests
        return [
            digest if value is None else repr(value).encode() for value, digest in zip(values, digests, strict=True)
        ]


def _bytes(texts: Iterable[Any]) -> list[bytes]:
    return [text.encode() for text in texts]
