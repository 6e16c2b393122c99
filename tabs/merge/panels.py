"""The smaller parts of the Merge tab: what its forms ask for, and the family tree."""

from typing import Annotated, Any

import gradio as gr
from pydantic import Field

from tabs.figures import family as family_figure
from tabs.forms.form import Form
from tabs.shell.context import Context, guarded
from tabs.shell.elements import empty, heading, hint
from tabs.shell.job_panel import QUIET, JobPanel
from tabs.shell.kit import Figure, Static
from tabs.shell.shelves import json_bytes, tag
from workbench.core.errors import UserError
from workbench.core.spec import Spec, dump_yaml
from workbench.family.tree import family
from workbench.models.model_references import ModelRef


class Mixture(Spec):
    """What a recipe for a mixture of experts is begun from."""

    base: Annotated[str, ModelRef("model")] = Field(
        "", title="Base model",
        description="Gives everything but the experts: embeddings, attention, norms and output head.",
    )  # fmt: skip
    experts: Annotated[list[str], ModelRef("model")] = Field(
        default_factory=list, title="Expert models",
        description="Whole models trained from one base; each gives its MLPs as an expert.",
    )  # fmt: skip


# ---- mixture of experts --------------------------------------------------------------------------------------


def mixture(ctx: Context, _: JobPanel) -> None:
    """What begins the recipe of a mixture of experts from models of the shelf; it goes into the form beneath."""
    first = Form(Mixture, ctx.choices)
    begin = gr.Button("Write a recipe to go on from", size="sm")
    ctx.links.on(
        begin.click, "assemble-moe", lambda chosen: {"recipe": _moe_recipe(**first.data(chosen))}, [first.input]
    )


def _moe_recipe(base: str, experts: list[str]) -> str:
    if not base or not experts:
        raise UserError("There is nothing to write yet.", "Choose a base and two experts or more.", "Experts")
    named = [{"source_model": name, "positive_prompts": [f"A prompt that {name} should answer."]} for name in experts]
    recipe = {"base_model": base, "gate_mode": "hidden", "experts_per_token": min(2, len(experts)), "experts": named}
    return dump_yaml(recipe)


# ---- family ------------------------------------------------------------------------------------------------


def family_tree(ctx: Context, _: JobPanel) -> None:
    """An artifact's ancestors and descendants; others may fill its picker as `family-tree`."""
    Static(heading("Family tree", "What a model was made from, and what was made of it."))
    chosen = ctx.picker(ctx.models, first=True, shown_empty=False, label="Model", value=None, elem_id="tree-model")
    drawn, words = Figure(elem_id="tree"), Static(elem_id="tree-words")

    mark = gr.Textbox(visible=False)
    outputs = [mark, drawn, words]

    def drawing(name: str) -> tuple[str, Any, str]:
        found = family(ctx.home, name)
        shown = family_figure.figure(found), "".join(hint(note) for note in found.notes)
        return tag(json_bytes([name, *shown])), *shown

    def draw(name: str | None) -> tuple[str, Any, str]:
        if not name:
            return (
                "none",
                None,
                empty("No model yet", "A tree grows as models are trained and merged.", "Get one first."),
            )
        return ctx.shelves.made(("family tree", name), lambda: (ctx.shelves.version_of_items(), name), drawing)

    def follow(before: str, name: str | None) -> Any:
        """Draws the tree anew where it changed; one of a model that is gone stays until another is chosen."""
        try:
            now = draw(name)
        except UserError:
            return gr.skip()
        return gr.skip() if now[0] == before else now

    chosen.change(guarded(draw), chosen, outputs, queue=False, **QUIET)
    ctx.on_change.append((follow, [mark, chosen], outputs))
    ctx.links.offer("family-tree", chosen, lambda _, name: gr.update(value=name, choices=ctx.models()))
