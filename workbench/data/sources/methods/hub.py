"""A dataset of the Hugging Face hub."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from workbench.core.display import ADVANCED
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.core.tasks import Task
from workbench.data.reading.ingest import Gathered, gather_items
from workbench.data.reading.lines import Item, ReadRow
from workbench.data.reading.selection import Selection
from workbench.data.sources.source import (
    COLUMN_CHANGES,
    NOTES,
    SAMPLE_SIZE,
    SOURCES,
    Columns,
    FormatOrNone,
    Imported,
    Notes,
    Samples,
    Source,
    choice_of,
)
from workbench.rows.arrow_rows import python_rows

BATCH_ROWS = 1000
NO_HUB = "Check the connection; or download its files on another machine and import them as files."
# (names of exceptions, or words of their messages), what to say, the remedy, the field
EXPLANATIONS = (
    (("GatedRepoError",), "{name} asks for consent.", "Accept its terms on the hub, then log in.", "dataset"),
    (("Config name is", "BuilderConfig "), "{text}", "Choose one of its configurations.", "config"),
    (("Unknown split", "split should be"), "{text}", "Choose one of its splits.", "split"),
    (("scripts are no longer",), "{name} is a program, and programs are not run.", "Import its files.", "dataset"),
    (("DatasetNotFoundError",), "There is no dataset {name}: {text}", f"Check its name. {NO_HUB}", "dataset"),
    (("ConnectionError", "OfflineModeIsEnabled"), "The Hugging Face hub is not reached: {text}", NO_HUB, "dataset"),
)


@SOURCES.register
class Hub(Source):
    """A dataset of the Hugging Face hub, downloaded whole; no code of it is ever run.

    https://huggingface.co/docs/datasets/loading
    """

    method = "hub"
    title = "Hugging Face hub"

    dataset: str = Field(
        pattern=r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$", title="Hub dataset",
        description="The hub id, such as owner/name.",
    )  # fmt: skip
    config: str = Field(
        "", title="Configuration", description="Which configuration (subset) of it; empty takes the only one."
    )
    split: str = Field(
        "train", title="Split", description="Which split, such as train; parts as in train[:1000] work too."
    )
    revision: Annotated[str, ADVANCED] = Field(
        "", title="Revision", description="A branch, tag or commit; empty takes the newest."
    )
    format: FormatOrNone = Field(None, title="Format", description="The format of the rows; empty detects it.")
    columns: Columns = COLUMN_CHANGES
    samples: Samples = SAMPLE_SIZE
    notes: Notes = NOTES

    def check(self, home: Home, problems: Problems) -> None:
        if Path(self.dataset).exists():
            # `datasets` would read that folder instead of asking the hub.
            problems.add("dataset", f"{self.dataset!r} is also a folder here.", "Start the workbench elsewhere.")

    def gather(self, home: Home, folder: Path, task: Task | None = None) -> Imported:
        if task:
            task.update(0, 0, f"Downloading {self.dataset}")
        rows, commit = self._loaded()
        if self.samples:
            rows = rows.select(Selection(samples=self.samples).mask(len(rows)).nonzero()[0])
        choice, rejects = choice_of(self.format, self.columns), folder / "rejected.jsonl"
        gathered = gather_items(lambda: _items(rows), choice, len(rows), rejects, task)
        return Imported(gathered.kind, gathered.table, gathered.rejected, self._info(gathered, commit))

    def _info(self, gathered: Gathered, commit: str) -> dict[str, Any]:
        location = {"dataset": self.dataset, "config": self.config, "split": self.split, "revision": commit}
        manifest_info = gathered.manifest_info()
        return {**manifest_info, "remarks": [*self.notes, *manifest_info["remarks"]], "source": location}

    def _loaded(self) -> tuple[Any, str]:
        """The rows and the commit they are of ('' when only the cache is there). Raises `UserError`."""
        import datasets
        from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES

        if self.dataset in _PACKAGED_DATASETS_MODULES:
            raise UserError(
                f"{self.dataset!r} is a file type, not a dataset of the hub.", "Give owner/name.", "dataset"
            )
        problems = Problems()
        self.check(Home(Path()), problems)
        problems.check()
        commit = _commit(self.dataset, self.revision)
        try:
            rows = datasets.load_dataset(
                self.dataset, self.config or None, split=self.split, revision=commit or self.revision or None
            )
        except Exception as error:
            raise _explained(error, self) from None
        return rows, commit


def _items(rows: Any) -> Any:
    number = 0
    for batch in rows.with_format("arrow").iter(BATCH_ROWS):
        for data in python_rows(batch):
            number += 1
            item: Item = ReadRow(number, data)
            yield item


def _commit(dataset: str, revision: str) -> str:
    """The commit a revision stands for now; '' when the hub is not reached."""
    from huggingface_hub import HfApi

    try:
        return HfApi().dataset_info(dataset, revision=revision or None).sha or ""
    except Exception:
        return ""  # the cache may still have it; if not, loading says why


def _explained(error: Exception, source: Hub) -> UserError:
    """What `datasets` raised, in words."""
    from huggingface_hub import constants

    name, text = source.dataset, (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    if constants.HF_HUB_OFFLINE:
        message = f"{name} is not in the cache, and the hub is switched off here (HF_HUB_OFFLINE)."
        return UserError(message, "Start the workbench without it, or import files.", "dataset")
    kinds = {kind.__name__ for kind in type(error).__mro__}
    for signs, message, remedy, field in EXPLANATIONS:
        if any(sign in kinds or (" " in sign and sign in text) for sign in signs):
            return UserError(message.format(name=name, text=text), remedy, field)
    return UserError(f"{name} cannot be loaded: {type(error).__name__}: {text}", NO_HUB, "dataset")
