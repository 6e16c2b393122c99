"""The Merge tab: a recipe put together and checked, its proof, and the other ways of making one model of several."""

from typing import Any

from tabs.forms.job_tab import JobResult, JobTab, NextStep
from tabs.forms.sections import Part
from tabs.merge.ensembles import ensembles
from tabs.merge.panels import family_tree, mixture
from tabs.merge.recipe import recipe
from tabs.merge.result import SHOWN, shelved_parents
from tabs.shell.context import Context
from tabs.shell.elements import hint
from tabs.shell.tab_registry import Tab
from workbench.core.errors import UserError
from workbench.jobs.view import JobRecord
from workbench.merging.jobs.merge import Merge


def _relatives(ctx: Context, _: JobRecord, found: JobResult) -> list[str]:
    """What was made and its parents, as many as can answer side by side."""
    return [found.models[0], *shelved_parents(ctx.home, found.models[0])][:4]


def _recipe_of(_: Context, view: JobRecord, found: JobResult) -> dict[str, Any]:
    """A merge job's recipe for the builder, under a new name."""
    if not isinstance(view.job, Merge):
        raise UserError("This job has no recipe.", "Choose a merge.", "Run")
    spec = view.job
    return {"recipe": spec.recipe.to_dict(), "output": "", "seed": spec.seed, "kernels": spec.kernels}


MERGE = JobTab(
    "merge",
    parts=(
        Part("recipe", 10, recipe, "Recipe"),
        Part("moe", 50, mixture, "MoE"),
        Part("ensembles", 60, ensembles, "Ensembles"),
        Part("tree", 90, family_tree, "Family"),
    ),
    empty=(
        "No merge yet", "Progress and log appear here, then how parents and child answer.",
        "Put a recipe together on the left, press Merge.",
    ),
    nothing=hint("What a run found is shown here when it is done: for a merge, how parents and child answer."),
    shown=SHOWN,
    steps=(
        NextStep("Compare with the parents", "to-compare", "compare", _relatives),
        NextStep("Label", "to-label", "label", lambda *found: {"models": _relatives(*found)}),
        NextStep("Family tree", "to-tree", "family-tree", lambda ctx, view, found: found.models[0]),
        NextStep("Edit recipe", "to-recipe", "merge", _recipe_of, always=False),
    ),
    mark=lambda home, view: (view.folder / "proof.json").exists(),
)  # fmt: skip
TAB = Tab("merge", "Merge", 40, MERGE.build)
