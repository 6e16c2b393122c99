"""The Merge tab: a recipe put together and checked, its proof, and the other ways of making one model of several."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from tabs.forms.sections import Part, kinds_of, sections
from tabs.merge.ensembles import ensembles
from tabs.merge.panels import family_tree, mixture
from tabs.merge.recipe import recipe
from tabs.merge.result import Result, nothing, parents_of, result_of
from tabs.shell.context import Context
from tabs.shell.elements import heading
from tabs.shell.job_panel import JobPanel, job_panel
from tabs.shell.kit import Static
from tabs.shell.result_panel import Drawn, result_panel, view_of
from tabs.shell.tab_registry import Tab
from workbench.core.errors import UserError
from workbench.merging.jobs.merge import Merge

PARTS = (
    Part("recipe", 10, recipe, "Recipe"),
    Part("moe", 50, mixture, "MoE"),
    Part("ensembles", 60, ensembles, "Ensembles"),
    Part("tree", 90, family_tree, "Family"),
)
"""Beside the forms of the kinds of job, see their `page`."""


@dataclass
class Buttons:
    """What can be done with what a job made."""

    compare: gr.Button
    label: gr.Button
    tree: gr.Button
    edit: gr.Button

    def updates(self, made: bool, has_recipe: bool) -> list[Any]:
        return [*(gr.update(visible=made) for _ in range(3)), gr.update(visible=has_recipe)]

    @property
    def all(self) -> list[gr.Button]:
        return [self.compare, self.label, self.tree, self.edit]


def build(ctx: Context) -> None:
    """Left: ways of merging. Right: the job, then what it found."""
    with gr.Row(elem_classes="wb-cols is-merge"):
        with gr.Column(elem_classes="wb-panel"):
            left = gr.Column()
        with gr.Column(elem_classes="wb-main"):
            with gr.Column(elem_classes="wb-panel"):
                panel = job_panel(
                    ctx, kinds_of("merge"), "Run",
                    ("No merge yet", "Progress and log appear here, then how parents and child answer.",
                     "Put a recipe together on the left, press Merge."),
                )  # fmt: skip
            with gr.Column(elem_classes="wb-panel"):
                buttons = _result(ctx, panel)
    with left:
        sections(ctx, "merge", panel, PARTS, "merge-tabs")
    _lead_on(ctx, panel, buttons)


def _lead_on(ctx: Context, panel: JobPanel, buttons: Buttons) -> None:
    """Where the buttons lead with what a job made."""

    def relatives(job: str | None) -> list[str]:
        model = _made(ctx, job)
        return [model, *parents_of(ctx.home, model)][:4]

    for button, name, data in (
        (buttons.compare, "compare", relatives),
        (buttons.label, "label", lambda job: {"models": relatives(job)}),
        (buttons.tree, "family-tree", lambda job: _made(ctx, job)),
        (buttons.edit, "merge", lambda job: _recipe_of(ctx, job)),
    ):
        ctx.links.on(button.click, name, data, [panel.picker])


# ---- result ------------------------------------------------------------------------------------------------


def _result(ctx: Context, panel: JobPanel) -> Buttons:
    """Proof, tables and figures of the job chosen, and where to go with what it made."""
    with gr.Row(equal_height=True, elem_classes="wb-toolbar"):
        Static(heading("Result"))
        hidden: dict[str, Any] = {"size": "sm", "visible": False}
        buttons = Buttons(
            gr.Button("Compare with the parents", variant="primary", elem_id="to-compare", **hidden),
            gr.Button("Label", elem_id="to-label", **hidden),
            gr.Button("Family tree", elem_id="to-tree", **hidden),
            gr.Button("Edit recipe", elem_id="to-recipe", **hidden),
        )

    def draw(job: str | None) -> Drawn:
        found, view = _result_of(ctx, job), view_of(ctx, job)
        is_merge = bool(view and isinstance(view.job, Merge))
        return Drawn(found.html, found.figures, buttons.updates(bool(found.model), is_merge))

    result_panel(ctx, panel, "merge", nothing(), draw, lambda job: _mark(ctx, job), buttons.all)
    return buttons


def _result_of(ctx: Context, job: str | None) -> Result:
    view = view_of(ctx, job)
    return result_of(ctx.home, view) if view else Result()


def _mark(ctx: Context, job: str | None) -> str:
    """Changes when what a job found may have."""
    view = view_of(ctx, job)
    return f"{view.id}:{view.status}:{(view.folder / 'proof.json').exists()}" if view else ""


def _made(ctx: Context, job: str | None) -> str:
    found = _result_of(ctx, job)
    if not found.model:
        raise UserError("This job has put nothing on the shelf.", "Choose one that is done.", "Run")
    return found.model


def _recipe_of(ctx: Context, job: str | None) -> dict[str, Any]:
    """A merge job's recipe for the builder, under a new name."""
    spec = ctx.queue.get(job or "").job
    if not isinstance(spec, Merge):
        raise UserError("This job has no recipe.", "Choose a merge.", "Run")
    return {"recipe": spec.recipe.to_dict(), "output": "", "seed": spec.seed, "kernels": spec.kernels}


TAB = Tab("merge", "Merge", 40, build)
