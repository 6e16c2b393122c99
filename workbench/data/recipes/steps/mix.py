"""Mixing datasets."""

from typing import Annotated, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.data.recipes.draws import repeated
from workbench.data.recipes.step import STEPS, Outcome, Step, StepWork, Verdict
from workbench.data.store.dataset_reference import DatasetRef
from workbench.data.store.datasets import dataset_folder, dataset_kind
from workbench.rows.metadata_column import with_source
from workbench.rows.split_rows import Rows
from workbench.rows.table import joined_tables, read_table_file

Weight = Annotated[float, Field(gt=0, le=1_000_000)]


@STEPS.register
class Mix(Step):
    """Adds rows of other datasets of the same kind: all of them, or shares by weight.

    Like `interleave_datasets`, https://huggingface.co/docs/datasets/process#interleave. Their train rows are taken and
    put at the end, with the dataset's name as metadata.source; a shuffle after this step mixes them in.
    """

    method: ClassVar[str] = "mix"
    title: ClassVar[str] = "Mix with other datasets"
    group: ClassVar = "Split, order and share"
    reorders: ClassVar[bool] = True

    others: Annotated[dict[str, Weight], DatasetRef()] = Field(
        examples=[{"general-chat": 1.0}], title="Other datasets",
        description="Datasets of the shelf and their weights: a larger weight takes more of its rows.",
    )  # fmt: skip
    own: Annotated[float, Display(shown_if={"take": "by weight"})] = Field(
        1.0, gt=0, le=1_000_000, title="Weight of these rows",
        description="The weight of the rows that are here already: larger takes more of them.",
    )  # fmt: skip
    take: Annotated[
        Literal["all rows", "by weight"],
        Display(labels={
            "all rows": "all rows", "by weight": "rows by weight",
        }),
    ] = Field(
        "all rows", title="Take", description="Every row of every dataset, or as many of each as its weight says."
    )  # fmt: skip
    total: Annotated[int, Display(shown_if={"take": "by weight"})] = Field(
        0, ge=0, le=100_000_000, title="Total train rows",
        description="Train rows of the result, small datasets repeated if need be; 0 takes as many as there are "
        "without repeating any.",
    )  # fmt: skip
    seed: Annotated[int, Display(shown_if={"take": "by weight"})] = Field(
        0, ge=0, le=2**31, title="Random seed", description="Another seed draws other rows."
    )

    def check(self, home: Home, kind: str, problems: Problems) -> None:
        if not self.others:
            problems.add("others", "there are none.", "Name at least one dataset and its weight.")
        for name in self.others:
            try:
                _check_kind(home, name, kind)
            except UserError as error:
                problems.add(("others", name), error.message, error.remedy)

    def datasets(self) -> list[str]:
        return list(self.others)

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        tables = {name: self._table(work.home, name, rows.kind) for name in self.others}
        trained = [index for index, split in enumerate(rows.splits) if split == "train"]
        wanted = self._counts([len(trained), *(table.num_rows for table in tables.values())])
        outcome = self._own_rows(rows, trained, wanted[0])
        added: list[pa.Table] = []
        for (name, table), count in zip(tables.items(), wanted[1:], strict=True):
            work.task.check_stop()
            work.task.update(len(added), len(tables), f"Taking rows of {name}")
            places = repeated(np.arange(table.num_rows), count, self.seed) if self.take == "by weight" else None
            added.append(with_source(rows.kind, table if places is None else table.take(pa.array(places)), name))
            outcome.notes.append(f"{count:,} rows of {name}, which has {table.num_rows:,}.")
        outcome.added = joined_tables(rows.kind, added)
        return outcome

    def _counts(self, sizes: list[int]) -> list[int]:
        """How many rows of each: all, or by weight so that they add up to the total."""
        if self.take == "all rows":
            return sizes
        weights = [self.own, *self.others.values()]
        whole = sum(weights)
        if not self.total:
            most = min(size * whole / weight for size, weight in zip(sizes, weights, strict=True))
            return [min(size, int(most * weight / whole + 1e-9)) for size, weight in zip(sizes, weights, strict=True)]
        exact = [self.total * weight / whole for weight in weights]
        counts = [int(amount) for amount in exact]
        rest = sorted(range(len(exact)), key=lambda index: (counts[index] - exact[index], index))
        for index in rest[: self.total - sum(counts)]:
            counts[index] += 1
        return [count if size else 0 for count, size in zip(counts, sizes, strict=True)]

    def _own_rows(self, rows: Rows, trained: list[int], count: int) -> Outcome:
        """The rows here: some left out, or some again, in their order; eval rows all stay."""
        if self.take == "all rows":
            return Outcome()
        ids = rows.ids[trained]
        if count <= len(trained):
            left = {trained[index] for index in repeated(ids, len(trained), self.seed)[count:].tolist()}
            verdict = Verdict(f"Not among the {count:,} of {len(trained):,} rows that this mix takes.")
            return Outcome(removed=dict.fromkeys(sorted(left), verdict))
        again = [trained[index] for index in repeated(ids, count, self.seed).tolist()]
        held = [index for index, split in enumerate(rows.splits) if split != "train"]
        return Outcome(order=sorted(again + held), notes=[f"{count - len(trained):,} rows come again."])

    def _table(self, home: Home, name: str, kind: str) -> pa.Table:
        _check_kind(home, name, kind)
        return read_table_file(dataset_folder(home, name) / "train.parquet")


def _check_kind(home: Home, name: str, kind: str) -> None:
    other = dataset_kind(home, name)
    if other != kind:
        raise UserError(f"{name} holds {other} rows, not {kind} rows.", "Mix datasets of one kind.", "others")
