"""A dataset made anew from its recipe."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.children import Credential
from workbench.core.display import ADVANCED
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home, safe_join
from workbench.core.lineage import Manifest
from workbench.data.recipes.recipe import Recipe, Steps
from workbench.data.recipes.step import StepWork
from workbench.jobs.job import JOBS, Job, JobContext


@JOBS.register
class Prepare(Job):
    """Makes a dataset from its recipe; steps done before are taken from the cache, and a stopped run goes on there."""

    method: ClassVar[str] = "prepare"
    title: ClassVar[str] = "Prepare a dataset"
    uses_device: ClassVar[bool] = False
    resumable: ClassVar[bool] = True

    recipe: Recipe = Field(
        examples=[{"name": "talks", "steps": ["exact_duplicates"]}], title="Recipe",
        description="Name, source and steps of the dataset.",
    )  # fmt: skip
    after: Annotated[Steps | None, ADVANCED] = Field(
        None, title="Expected steps",
        description="The steps the recipe was made from; if the dataset has others by then, nothing is done.",
    )  # fmt: skip

    def label(self) -> str:
        return f"Prepare {self.recipe.name}"

    def subject(self) -> str:
        return self.recipe.name

    def facts(self, home: Home) -> list[list[str]]:
        titles = ", ".join(step.title for step in self.recipe.steps) or "none"
        return [["Makes", self.recipe.name], ["Steps", titles]]

    def credentials(self) -> tuple[Credential, ...]:
        return ("hub",) if self.recipe.source and self.recipe.source.method == "hub" else ()

    def check(self, home: Home, problems: Problems) -> None:
        try:
            safe_join(home.datasets, self.recipe.name)
            kind = _kind(home, self.recipe)
        except UserError as error:
            problems.collect("recipe", error)
            return
        if self.recipe.source and not kind:  # its rows are still to be read
            unreadable = Problems()
            self.recipe.source.check(home, unreadable)
            problems.nest(("recipe", "source"), unreadable.found)
        of_steps = Problems()
        self.recipe.check(home, kind, of_steps)
        problems.nest(("recipe",), of_steps.found)

    def run(self, ctx: JobContext) -> dict[str, Any]:
        from workbench.data.recipes.pipeline import prepare

        manifest = run_recipe(
            ctx, lambda work: prepare(ctx.home, self.recipe, work, after=self.after, job=ctx.folder.name)
        )
        return {"dataset": manifest.name, "rows": manifest.info["rows"]}


def run_recipe(ctx: JobContext, make: Callable[[StepWork], Manifest]) -> Manifest:
    """Lets a job make a dataset: with its progress and stop, and a note of what every step did."""
    from workbench.data.recipes.pipeline import step_summaries

    manifest = make(StepWork(ctx.home, ctx.task))
    records = step_summaries(ctx.home, manifest.name)
    for number, record in enumerate(records, start=1):
        ctx.note(f"{number}. {record['title']}: {_counted(record)}")
    ctx.task.update(1, 1, "Ready")
    return manifest


def _kind(home: Home, recipe: Recipe) -> str:
    """The kind of the rows as far as it is known before they are read, else ''."""
    from workbench.data.store.datasets import dataset_kind

    folder: Path = home.datasets / recipe.name
    if folder.is_dir() and Recipe.at(folder).source_settings == recipe.source_settings:
        return dataset_kind(home, recipe.name)
    if not recipe.source and folder.is_dir():
        raise UserError(
            f"The recipe leaves out the source that {recipe.name!r} was read from.",
            "Copy `source` from the recipe.yaml of the dataset.",
            "recipe",
        )
    if not recipe.source:
        raise UserError(f"There is no dataset {recipe.name!r}.", "Name a source to read its rows from.", "recipe")
    return ""


def _counted(record: dict[str, Any]) -> str:
    words = [f"{record[name]:,} {name}" for name in ("removed", "changed", "flagged", "added") if record[name]]
    return f"{record['given']:,} → {record['left']:,}" + (f" ({', '.join(words)})" if words else "")
