"""Ensembles in the Merge tab: models that stay apart and answer together."""

import typing
from typing import Any

import gradio as gr
from pydantic import Field

from tabs._context import Context, guarded
from tabs._form import Form
from tabs._job_panel import QUIET, JobPanel
from tabs._kit import Static, heading, hint, table
from tabs._sections import Section, job_section, picker, written
from workbench.chat.ensemble import ENSEMBLES
from workbench.errors import UserError
from workbench.home import entries
from workbench.jobs.job import JOBS
from workbench.models.ensembles import create_ensemble, is_ensemble, read_ensemble
from workbench.spec import Spec

STACKING = Section(
    "fit-stacking", "Fit on votes", {"session": "sessions"}, ("session", "output"), ("sessions", 1),
    ("No labelling session yet", "A stacking ensemble learns from votes which answer to take.",
     "Make a session in the Label tab and vote."),
)  # fmt: skip


class NewEnsemble(Spec):
    """An ensemble about to be put on the shelf."""

    members: list[str] = Field(default_factory=list, description="Two to eight models, in the order they are asked.")
    name: str = Field("", description="Name on the shelf.")


def ensembles(ctx: Context, panel: JobPanel) -> None:
    """Models that stay apart and answer together: making one, the list, and fitting one on votes."""
    Static(heading("New ensemble", "The models stay as they are and answer together. Use it like any model."))
    base = Form(NewEnsemble, {"members": picker(ctx, "models*")})
    ways = [way for way in ENSEMBLES if not way.fitted]
    titles = [(way.title, way.method) for way in ways]
    chosen = gr.Dropdown(titles, value=ways[0].method, label="How they answer", interactive=True)
    forms, columns = {}, []
    for way in ways:
        with gr.Column(visible=way is ways[0], elem_classes="wb-method") as column:
            Static(hint(way.summary()))
            forms[way.method] = Form(way, {name: picker(ctx, kind) for name, kind in _lists(way).items()})
        columns.append(column)
    make = gr.Button("Put it on the shelf", variant="primary", elem_id="make-ensemble")
    listed = Static(_listed(ctx), visible=bool(_listed(ctx)))
    ctx.follow(listed, lambda: gr.update(value=(rows := _listed(ctx)), visible=bool(rows)))
    inputs = [chosen, *base.inputs, *(one for form in forms.values() for one in form.inputs)]
    make.click(guarded(lambda method, *values: _create(ctx, base, forms, method, values)), inputs, None, **QUIET)
    chosen.change(
        lambda method: [gr.update(visible=way.method == method) for way in ways], chosen, columns, queue=False, **QUIET
    )
    if STACKING.method in JOBS.all():
        with gr.Accordion("Fit one on votes", open=False, elem_classes="wb-more"):
            job_section(ctx, STACKING, panel)


def _create(ctx: Context, base: Form, forms: dict[str, Form], method: str, values: tuple[Any, ...]) -> None:
    """Puts an ensemble on the shelf from the widgets' values; settings left empty keep their default."""
    given, start = base.data(values[: len(base.inputs)]), len(base.inputs)
    for name, form in forms.items():
        if name == method:
            settings = form.data(values[start : start + len(form.inputs)])
        start += len(form.inputs)
    for name, kind in _lists(forms[method].spec).items():
        settings[name] = written(kind, settings[name])
    settings = {name: value for name, value in settings.items() if value != []}
    create_ensemble(ctx.home, given["name"], {"method": method, **settings}, given["members"])
    gr.Info(f"{given['name']} is on the shelf: choose it in Compare or Label.")


def _lists(way: type[Spec]) -> dict[str, str]:
    """The list fields of a way of combining, and how they are written: as numbers or as lines."""
    found = {}
    for name, info in way.model_fields.items():
        if typing.get_origin(info.annotation) is list:
            item = typing.get_args(info.annotation)[0]
            found[name] = "lines" if getattr(item, "__origin__", item) is str else "numbers"
    return found


def _listed(ctx: Context) -> str:
    """The ensembles of the shelf."""
    rows = []
    for folder in entries(ctx.home.models):
        try:
            if is_ensemble(ctx.home, folder.name):
                found = read_ensemble(ctx.home, folder.name)
                rows.append((found.name, found.method.title, ", ".join(found.members)))
        except UserError as error:
            rows.append((folder.name, "—", error.message))
    return table(["Ensemble", "How", "Members"], rows) if rows else ""
