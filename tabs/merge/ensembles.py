"""Ensembles in the Merge tab: models that stay apart and answer together."""

from typing import Annotated, Any

import gradio as gr
from pydantic import Field

from tabs.forms.form import Form, beside_fields
from tabs.shell.context import Context
from tabs.shell.elements import heading, table
from tabs.shell.job_panel import QUIET, JobPanel
from tabs.shell.kit import Static
from workbench.core.errors import SpecError, UserError
from workbench.core.spec import Spec
from workbench.ensembles.method import ENSEMBLES, Ensemble
from workbench.ensembles.shelf import MEMBER, create_ensemble, read_ensemble


class NewEnsemble(Spec):
    """An ensemble about to be put on the shelf."""

    members: Annotated[list[str], MEMBER] = Field(
        default_factory=list, title="Members", description="Two to eight models, in the order they are asked."
    )
    name: str = Field("", title="Name", description="The ensemble's name on the shelf.")
    how: Annotated[Ensemble, ENSEMBLES] = ENSEMBLES.field(
        "average", "How the members' predictions or answers become one.", title="Method"
    )


def ensembles(ctx: Context, _: JobPanel) -> None:
    """Models that stay apart and answer together: making one, and the list."""
    Static(heading("New ensemble", "The models stay as they are and answer together. Use it like any model."))
    fitted = [way.method for way in ENSEMBLES if way.fitted]
    form = Form(
        NewEnsemble, ctx.choices, without={"how": fitted}, elem_id="ensemble-form"
    )  # fmt: skip
    make = gr.Button("Put it on the shelf", variant="primary", elem_id="make-ensemble", elem_classes="wb-start")
    listed = Static(_listed(ctx), visible=bool(_listed(ctx)))
    ctx.follow(listed, lambda: gr.update(value=(rows := _listed(ctx)), visible=bool(rows)))
    made = beside_fields(lambda value: _create(ctx, form.data(value)), [form], outputs=0)
    make.click(made, form.input, form.input, **QUIET)


def _create(ctx: Context, given: dict[str, Any]) -> None:
    """Puts an ensemble on the shelf; settings left empty keep their default."""
    settings = {name: value for name, value in given["how"].items() if value != []}
    try:
        create_ensemble(ctx.home, given["name"], settings, given["members"])
    except SpecError as error:
        own = (("name",), ("members",))
        raise SpecError([each if each.path in own else each.below(("how",)) for each in error.problems]) from None
    gr.Info(f"{given['name']} is on the shelf: choose it in Compare or Label.")


def _listed(ctx: Context) -> str:
    """The ensembles of the shelf."""
    rows = [_listed_row(ctx, info.name) for info in ctx.infos() if info.is_ensemble]
    return table(["Ensemble", "How", "Members"], rows) if rows else ""


def _listed_row(ctx: Context, name: str) -> tuple[str, str, str]:
    try:
        found = read_ensemble(ctx.home, name)
    except UserError as error:
        return name, "—", error.message
    return found.name, found.method.title, ", ".join(found.members)
