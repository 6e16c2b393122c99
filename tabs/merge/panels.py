"""The smaller parts of the Merge tab: what its forms ask for, and the family tree."""

from typing import Any

import gradio as gr
from pydantic import Field

from tabs.figures import family as family_figure
from tabs.forms.form import Form
from tabs.forms.sections import Section, job_section, named
from tabs.shell.context import Context, guarded
from tabs.shell.job_panel import QUIET, JobPanel
from tabs.shell.kit import Figure, Static, empty, figure, heading, hint
from workbench.core.errors import UserError
from workbench.core.spec import Spec, dump_yaml
from workbench.family.tree import family

ADAPTERS = ("Two adapters are needed", "They are joined without touching their base.", "Train adapters of one base.")
FINETUNED = (
    "Two models are needed",
    "A fine-tuned model, and the base it came from.",
    "Import both in the Models tab.",
)

COMBINE = Section(
    "combine-adapters", "Combine adapters", {"adapters": "adapters*"},
    ("adapters", "weights", "combination", "output"), ("adapters", 2), ADAPTERS,
)  # fmt: skip
EXTRACT = Section(
    "extract-lora", "Extract adapter", {"model": "models", "base": "models"},
    ("model", "base", "energy", "max_rank", "output"), ("models", 2), FINETUNED,
)  # fmt: skip
AVERAGE = Section(
    "average-checkpoints", "Average checkpoints", {"training": "trainings"},
    ("training", "last", "weighting", "output"), ("trainings", 1),
    ("No training run yet", "The checkpoints of one run can be averaged.",
     "Train with 'Keep checkpoints' above 1 (More settings)."),
)  # fmt: skip
MOE = Section(
    "assemble-moe", "Assemble", {}, ("recipe", "output"), ("models", 2), FINETUNED,
)  # fmt: skip
SEARCH = Section(
    "merge-search", "Search", {"models": "models*", "base": "models", "dataset": "datasets", "methods": "methods*"},
    ("models", "base", "dataset", "output", "trials", "minutes"), ("datasets", 1),
    ("No dataset yet", "A search needs something to be good at.", "Add texts or conversations in the Data tab."),
)  # fmt: skip
LIKENESS = Section(
    "likeness", "Compare weights", {"models": "models*", "base": "models"}, ("models", "base"), ("models", 2),
    ("Two models are needed", "Their weights are compared layer by layer.", "Train or import another one."),
)  # fmt: skip
MEASURE = Section(
    "measure", "Measure perplexity", {"models": "models*", "dataset": "datasets"}, ("models", "dataset", "rows"),
    ("datasets", 1), ("No dataset yet", "Models are measured on texts or conversations.", "Add one in the Data tab."),
)  # fmt: skip


class Mixture(Spec):
    """What a recipe for a mixture of experts is begun from."""

    base: str = Field("", description="Gives all but the MLPs.")
    experts: list[str] = Field(default_factory=list, description="Whole models trained from one base.")


# ---- mixture of experts --------------------------------------------------------------------------------------


def mixture(ctx: Context, panel: JobPanel) -> None:
    """The form of a mixture of experts, whose recipe can be begun from models of the shelf."""
    first = Form(Mixture, named(ctx, {"base": "models", "experts": "models*"}))
    begin = gr.Button("Write a recipe to go on from", size="sm")
    form = job_section(ctx, MOE, panel)

    def write(chosen: Any, value: Any) -> dict[str, Any]:
        return form.filled(value, {"recipe": _moe_recipe(**first.data(chosen))})

    begin.click(guarded(write), [first.input, form.input], form.input, **QUIET)


def _moe_recipe(base: str, experts: list[str]) -> str:
    if not base or not experts:
        raise UserError("There is nothing to write yet.", "Choose a base and two experts or more.", "Experts")
    named = [{"source_model": name, "positive_prompts": [f"A prompt that {name} should answer."]} for name in experts]
    recipe = {"base_model": base, "gate_mode": "hidden", "experts_per_token": min(2, len(experts)), "experts": named}
    return dump_yaml(recipe)


# ---- family ------------------------------------------------------------------------------------------------


def family_tree(ctx: Context) -> gr.Dropdown:
    """An artifact's ancestors and descendants; returns the picker for others to fill."""
    Static(heading("Family tree", "What a model was made from, and what was made of it."))
    chosen = ctx.picker(ctx.models, first=True, label="Model", value=None, elem_id="tree-model")
    drawn, words = Figure(elem_id="tree"), Static(elem_id="tree-words")

    def draw(name: str | None) -> tuple[Any, str]:
        if not name:
            return figure(None), empty(
                "No model yet", "A tree grows as models are trained and merged.", "Get one first."
            )
        found = family(ctx.home, name)
        return figure(family_figure.figure(found)), "".join(hint(note) for note in found.notes)

    chosen.change(guarded(draw), chosen, [drawn, words], queue=False, **QUIET)
    return chosen
