"""The rows of another dataset on the shelf."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.core.lineage import parent_of
from workbench.core.tasks import Task
from workbench.data.sources.source import SOURCES, Imported, Source
from workbench.data.store.dataset_reference import DatasetRef, resolve_dataset
from workbench.data.store.datasets import dataset_folder, dataset_kind, dataset_table


@SOURCES.register
class Shelf(Source):
    """The rows of a dataset that is on the shelf, as they were read or as its recipe left them."""

    method = "shelf"
    title = "A dataset on the shelf"

    dataset: Annotated[str, DatasetRef()] = Field(title="Dataset", description="The dataset of the shelf.")
    part: Annotated[
        Literal["result", "rows", "train", "eval"],
        Display(labels={
            "result": "result (train and eval)", "rows": "rows as they were read", "train": "train split",
            "eval": "eval split",
        }),
    ] = Field(
        "result", title="Rows", description="Which of its rows are taken."
    )  # fmt: skip

    def check(self, home: Home, problems: Problems) -> None:
        try:
            resolve_dataset(home, self, "dataset")
        except UserError as error:
            problems.collect("dataset", error)

    def gather(self, home: Home, folder: Path, task: Task | None = None) -> Imported:
        table = dataset_table(home, self.dataset, self.part)
        if not table.num_rows:
            raise UserError(f"{self.dataset} has no rows in {self.part}.", "Choose another part.", "part")
        parent = parent_of(dataset_folder(home, self.dataset), "source")
        info = {"source": {"dataset": self.dataset, "part": self.part}}
        return Imported(dataset_kind(home, self.dataset), table, 0, info, [parent])
