"""Importing a dataset in the background: large files, or a dataset of the hub."""

from pathlib import Path
from typing import Annotated, Any, ClassVar

import psutil
from pydantic import Field

from workbench.core.children import Credential
from workbench.core.display import ADVANCED
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home, safe_join
from workbench.core.limited import bound_memory
from workbench.core.uploads import discard_uploads
from workbench.data.jobs.prepare import run_recipe
from workbench.data.sources.source import SOURCES, Source
from workbench.jobs.job import JOBS, Job, JobContext, Output

MEMORY_SHARE = 0.8  # of this machine's memory that the rows of one dataset may take


@JOBS.register
class ImportData(Job):
    """Puts a dataset on the shelf: from files, pasted text, the hub, or another dataset."""

    method: ClassVar[str] = "import-data"
    title: ClassVar[str] = "Import a dataset"
    uses_device: ClassVar[bool] = False

    name: str = Field(title="Name", description="The dataset's name on the shelf.")
    source: Annotated[Source, SOURCES] = Field(
        examples=[{"method": "files", "paths": ["talks.jsonl"]}], title="Source",
        description="Where the rows come from.",
    )  # fmt: skip
    eval_fraction: float = Field(
        0.1, ge=0, lt=1, title="Eval share",
        description="Share of the rows held back for evaluation: more measures better and leaves less to train on.",
    )  # fmt: skip
    seed: Annotated[int, ADVANCED] = Field(
        0, ge=0, le=2**32 - 1, title="Random seed", description="Decides which rows are held back."
    )
    replace: Annotated[bool, ADVANCED] = Field(
        False, title="Replace", description="Replace the dataset of that name, if there is one."
    )

    def label(self) -> str:
        return f"Import {self.name}"

    def facts(self, home: Home) -> list[list[str]]:
        paths = [Path(path).name for path in getattr(self.source, "paths", [])]
        origin = ", ".join(paths[:5]) + (" …" if len(paths) > 5 else "") or getattr(self.source, "dataset", "")
        return [["From", f"{self.source.title}: {origin}" if origin else self.source.title], ["Makes", self.name]]

    def outputs(self) -> list[Output]:
        return [] if self.replace else [Output("name", "datasets", self.name)]

    def credentials(self) -> tuple[Credential, ...]:
        return ("hub",) if self.source.method == "hub" else ()

    def check(self, home: Home, problems: Problems) -> None:
        try:
            if safe_join(home.datasets, self.name).exists() and not self.replace:
                problems.add("name", f"{self.name!r} exists already.", "Choose another name, or replace it.")
        except UserError as error:
            problems.collect("name", error)
        self.source.check(home, problems)

    def run(self, ctx: JobContext) -> dict[str, Any]:
        from workbench.data.recipes.importing import import_by_recipe, import_recipe

        bound_memory(int(psutil.virtual_memory().total * MEMORY_SHARE))
        recipe = import_recipe(self.name, self.source, self.eval_fraction, self.seed)
        try:
            manifest = run_recipe(
                ctx, lambda work: import_by_recipe(ctx.home, recipe, work, self.replace, ctx.folder.name)
            )
        except MemoryError:
            raise UserError("Its rows take more memory than there is.", "Divide it into several datasets.") from None
        discard_uploads(ctx.home, getattr(self.source, "paths", []))
        names = ("rows", "rejected", "columns", "remarks")
        return {"dataset": manifest.name} | {name: manifest.info[name] for name in names if name in manifest.info}
