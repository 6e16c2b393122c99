"""The form of a kind of job with its button, for tabs that start several kinds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from tabs.forms.form import Form, List
from tabs.shell.context import Choices, Context, guarded
from tabs.shell.job_panel import QUIET, JobPanel
from tabs.shell.kit import REVEAL, Static, empty, heading, hint
from workbench.jobs.job import JOBS
from workbench.merging import catalogue


@dataclass(frozen=True)
class Section:
    """The form of one kind of job.

    lists: which list a field is chosen from (see `choices_of`; with '*' several of it). needs: what there must be, and
    how many, for the form to make sense; else `empty` says what to do.
    """

    method: str
    button: str
    lists: dict[str, str]
    main: tuple[str, ...]
    needs: tuple[str, int] = ("models", 1)
    empty: tuple[str, str, str] = ("No models yet", "This works on models of the shelf.", "Get one in the Models tab.")


def choices_of(ctx: Context, kind: str) -> List:
    """The list behind a name."""
    lists: dict[str, List] = {
        "models": ctx.models,
        "answering": ctx.answering,
        "adapters": ctx.adapters,
        "ggufs": lambda: ggufs(ctx),
        "single": lambda: [*ctx.models(), *ggufs(ctx)],
        "sessions": ctx.sessions,
        "trainings": lambda: ctx.jobs(("train",)),
        "prompts": ctx.of_kind("prompts", "conversation", "preference"),
        "datasets": ctx.of_kind("conversation", "text"),
        "lessons": lambda: tagged(ctx.of_kind("conversation", "text", "preference")()),
        "sets": lambda: tagged(ctx.datasets()),
        "methods": lambda: [(method.title, name) for name, method in catalogue.methods().items()],
    }
    return lists[kind]


def ggufs(ctx: Context) -> Choices:
    """The GGUF files of the shelf, newest first."""
    found = [info for info in ctx.infos() if info.kind == "gguf" and not info.error]
    return [(f"{info.name} · {info.dtype}", info.name) for info in reversed(found)]


def tagged(datasets: Choices) -> list[tuple[str, str, str]]:
    """Datasets with their kinds, by which methods are offered."""
    return [(label, name, label.rsplit(" · ", 1)[1]) for label, name in datasets]


def named(ctx: Context, lists: Mapping[str, str]) -> dict[str, tuple[str, List]]:
    """The lists of a form's fields, as `Form` takes them."""
    return {name: (kind, choices_of(ctx, kind.rstrip("*"))) for name, kind in lists.items()}


def job_section(ctx: Context, section: Section, panel: JobPanel, titled: bool = True) -> Form:
    """The form and its button; the job it starts is shown in the panel."""
    job = JOBS.get(section.method)
    Static(heading(job.title, job.summary()) if titled else hint(job.summary()))
    missing = lacks(ctx, section)
    lacking = Static(missing, visible=bool(missing))
    ctx.follow(lacking, lambda: gr.update(value=(words := lacks(ctx, section)), visible=bool(words)))
    form = Form(job, named(ctx, section.lists), main=list(section.main), elem_id=f"form-{section.method}")
    start = gr.Button(section.button, variant="primary", elem_id=f"start-{section.method}")

    def submit(value: Any) -> Any:
        return shown(ctx, ctx.queue.submit(form.parsed(value)))

    started = start.click(guarded(submit), form.input, panel.picker, **QUIET)
    started.success(None, None, None, js=REVEAL, queue=False, **QUIET)
    return form


def lacks(ctx: Context, section: Section) -> str:
    kind, least = section.needs
    return "" if len(choices_of(ctx, kind)()) >= least else empty(*section.empty)


def shown(ctx: Context, job: str) -> Any:
    """The update that makes the job panel show a job just submitted."""
    view = ctx.queue.get(job)
    return gr.update(choices=[(view.label, job)], value=job)
