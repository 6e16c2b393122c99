"""The form of a kind of job with its button, for tabs that start several kinds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from tabs._context import Choices, Context, guarded
from tabs._form import Form
from tabs._job_panel import QUIET, JobPanel
from tabs._kit import Static, empty, heading, hint
from workbench.jobs.job import JOBS
from workbench.merging import catalogue
from workbench.models.shelf import list_models


@dataclass(frozen=True)
class Section:
    """The form of one kind of job.

    pickers: which list fills a field (see `choices_of`; with '*' several of it), or how it is written ('numbers',
    'lines', 'yaml'). needs: what there must be, and how many, for the form to make sense; else `empty` says what to do.
    """

    method: str
    button: str
    pickers: dict[str, str]
    main: tuple[str, ...]
    needs: tuple[str, int] = ("models", 1)
    empty: tuple[str, str, str] = ("No models yet", "This works on models of the shelf.", "Get one in the Models tab.")


def choices_of(ctx: Context, kind: str) -> Callable[[], Choices]:
    """The list behind a kind of picker."""
    lists: dict[str, Callable[[], Choices]] = {
        "models": ctx.models,
        "adapters": ctx.adapters,
        "ggufs": lambda: ggufs(ctx),
        "single": lambda: [*ctx.models(), *ggufs(ctx)],
        "sessions": ctx.sessions,
        "trainings": lambda: ctx.jobs(("train",)),
        "prompts": ctx.of_kind("prompts", "conversation", "preference"),
        "datasets": ctx.of_kind("conversation", "text"),
        "methods": lambda: [(method.title, name) for name, method in catalogue.methods().items()],
    }
    return lists[kind]


def ggufs(ctx: Context) -> Choices:
    """The GGUF files of the shelf, newest first."""
    found = [info for info in list_models(ctx.home) if info.kind == "gguf" and not info.error]
    return [(f"{info.name} · {info.dtype}", info.name) for info in reversed(found)]


HINTS = {"numbers": (1, "0.5, 0.5"), "lines": (3, "one a line"), "yaml": (9, "base_model: …")}


def picker(ctx: Context, kind: str) -> Callable[..., Any]:
    """What makes the widget of a field: a dropdown that follows a shelf, or a box for what is written."""
    if kind in HINTS:
        return lambda **options: _box(kind, **options)
    many, choices = kind.endswith("*"), choices_of(ctx, kind.rstrip("*"))
    blank: list[str] | None = [] if many else None
    return lambda **options: ctx.picker(choices, multiselect=many, **{**options, "value": blank})


def _box(kind: str, value: list[Any] | None = None, **options: Any) -> gr.Textbox:
    lines, hint_ = HINTS[kind]
    text = ("\n" if kind == "lines" else ", ").join(map(str, value or []))
    return gr.Textbox(text, lines=lines, placeholder=hint_, elem_classes=f"wb-box-{kind}", **options)


def written(kind: str, value: Any) -> Any:
    """What a box holds: numbers, lines, or YAML as it is."""
    text = str(value or "")
    if kind == "yaml":
        return text
    return text.replace(",", " ").split() if kind == "numbers" else [line for line in text.splitlines() if line.strip()]


def job_section(ctx: Context, section: Section, panel: JobPanel, titled: bool = True) -> Form:
    """The form and its button; the job it starts is shown in the panel."""
    job = JOBS.get(section.method)
    Static(heading(job.title, job.summary()) if titled else hint(job.summary()))
    missing = lacks(ctx, section)
    lacking = Static(missing, visible=bool(missing))
    ctx.follow(lacking, lambda: gr.update(value=(words := lacks(ctx, section)), visible=bool(words)))
    form = Form(job, {name: picker(ctx, kind) for name, kind in section.pickers.items()}, main=list(section.main))
    start = gr.Button(section.button, variant="primary", elem_id=f"start-{section.method}")

    def submit(*values: Any) -> Any:
        data = form.data(values)
        for name, kind in section.pickers.items():
            if kind in HINTS:
                data[name] = written(kind, data[name])
        return shown(ctx, ctx.queue.submit(JOBS.parse({"method": section.method, **data})))

    start.click(guarded(submit), form.inputs, panel.picker, **QUIET)
    return form


def lacks(ctx: Context, section: Section) -> str:
    kind, least = section.needs
    return "" if len(choices_of(ctx, kind)()) >= least else empty(*section.empty)


def shown(ctx: Context, job: str) -> Any:
    """The update that makes the job panel show a job just submitted."""
    view = ctx.queue.get(job)
    return gr.update(choices=[(view.label, job)], value=job)
