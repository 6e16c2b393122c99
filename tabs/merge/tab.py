"""The Merge tab: a recipe put together and checked, its proof, and the other ways of making one model of several."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from tabs.forms.form import Form
from tabs.forms.sections import Section, job_section
from tabs.merge import panels as parts
from tabs.merge.ensembles import ensembles
from tabs.merge.recipe import recipe
from tabs.merge.result import Result, nothing, parents_of, result_of
from tabs.shell.context import Context, guarded
from tabs.shell.job_panel import QUIET, JobPanel, job_panel
from tabs.shell.kit import Static, heading
from tabs.shell.result_panel import Drawn, result_panel, view_of
from workbench.core.errors import UserError
from workbench.merging.jobs.merge import Merge

KINDS = (
    "merge", "merge-search", "combine-adapters", "extract-lora", "average-checkpoints", "assemble-moe", "likeness",
    "fit-stacking", "measure",
)  # fmt: skip


@dataclass
class MergeTab:
    """What the wiring to other tabs needs: the job shown, and the buttons that lead there."""

    panel: JobPanel
    compare: gr.Button
    label: gr.Button


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


def build(ctx: Context) -> MergeTab:
    """Left: ways of merging. Right: the job, then what it found."""
    with gr.Row(elem_classes="wb-cols is-merge"):
        with gr.Column(elem_classes="wb-panel"):
            left = gr.Column()
        with gr.Column(elem_classes="wb-main"):
            with gr.Column(elem_classes="wb-panel"):
                panel = job_panel(
                    ctx, KINDS, "Run",
                    ("No merge yet", "Progress and log appear here, then how parents and child answer.",
                     "Put a recipe together on the left, press Merge."),
                )  # fmt: skip
            with gr.Column(elem_classes="wb-panel"):
                buttons = _result(ctx, panel)
    with left:
        _ways(ctx, panel, buttons)
    return MergeTab(panel, buttons.compare, buttons.label)


def _ways(ctx: Context, panel: JobPanel, buttons: Buttons) -> None:
    """The recipe first, then a tab for every other way."""
    with gr.Tabs(elem_classes="wb-subtabs", elem_id="merge-tabs") as tabs:
        with gr.Tab("Recipe", id="recipe"):
            builder = recipe(ctx, panel)
        _way(ctx, "Adapters", parts.COMBINE, panel)
        _way(ctx, "Extract LoRA", parts.EXTRACT, panel)
        _way(ctx, "Checkpoints", parts.AVERAGE, panel)
        with gr.Tab("MoE", id="moe"):
            parts.mixture(ctx, panel)
        with gr.Tab("Ensembles", id="ensembles"):
            ensembles(ctx, panel)
        _way(ctx, "Search", parts.SEARCH, panel)
        _way(ctx, "Likeness", parts.LIKENESS, panel, parts.MEASURE)
        with gr.Tab("Family", id="tree"):
            tree = parts.family_tree(ctx)
    buttons.tree.click(
        guarded(lambda job: (gr.update(value=_made(ctx, job), choices=ctx.models()), gr.Tabs(selected="tree"))),
        panel.picker, [tree, tabs], **QUIET,
    )  # fmt: skip
    buttons.edit.click(
        guarded(lambda job: (_recipe_of(ctx, job), gr.Tabs(selected="recipe"))), panel.picker, [builder, tabs], **QUIET
    )


def _way(ctx: Context, title: str, section: Section, panel: JobPanel, *more: Section) -> None:
    """A tab with the form of a kind of job."""
    with gr.Tab(title, id=section.method):
        for one in (section, *more):
            job_section(ctx, one, panel)


def connect(ctx: Context, tab: MergeTab, compare: gr.Dropdown, label: Form, tabs: gr.Tabs) -> None:
    """Wires the buttons that fill the Compare and Label tabs, once these are built."""

    def relatives(job: str | None) -> list[str]:
        made = _made(ctx, job)
        return [made, *parents_of(ctx.home, made)][:4]

    def to_compare(job: str | None) -> tuple[Any, Any]:
        return gr.update(value=relatives(job), choices=ctx.models()), gr.Tabs(selected="compare")

    def to_label(job: str | None, value: Any) -> tuple[Any, Any]:
        return label.filled(value, {"models": relatives(job)}), gr.Tabs(selected="label")

    tab.compare.click(guarded(to_compare), tab.panel.picker, [compare, tabs], **QUIET)
    tab.label.click(guarded(to_label), [tab.panel.picker, label.input], [label.input, tabs], **QUIET)


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
    return {"recipe": spec.recipe, "output": "", "seed": spec.seed, "kernels": spec.kernels}
