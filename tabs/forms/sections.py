"""The forms of the kinds of job that say themselves in which tab they stand, among the parts a tab draws by hand."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from tabs.forms.form import Form, beside_fields
from tabs.shell.context import Context
from tabs.shell.elements import empty, heading, hint
from tabs.shell.job_panel import QUIET, JobPanel
from tabs.shell.kit import REVEAL, Static
from tabs.shell.plugin_part import plugin_part
from workbench.core.plugins import Plugin
from workbench.jobs.job import JOBS, Job
from workbench.jobs.page import JobPage


@dataclass(frozen=True)
class Part:
    """Something drawn in a section of a tab: `build` is called inside it; the first title of a section names it."""

    section: str
    order: int
    build: Callable[[Context, JobPanel], Any]
    title: str = ""
    plugin: Plugin | None = None


def sections(ctx: Context, tab: str, panel: JobPanel, by_hand: Sequence[Part], elem_id: str) -> None:
    """The tabs within a tab: the parts it draws by hand, and the form of every kind of job that is placed in it.

    The jobs they start are shown in `panel`. Each section can be filled or opened by others, see `job_section`.
    """
    grouped: dict[str, list[Part]] = {}
    for part in sorted([*by_hand, *_forms(ctx, tab)], key=lambda part: part.order):
        grouped.setdefault(part.section, []).append(part)
    with gr.Tabs(overflow_behavior="wrap", elem_classes="wb-subtabs", elem_id=elem_id) as tabs:
        for section, parts in grouped.items():
            title = next((part.title for part in parts if part.title), section)
            with ctx.links.tab(tabs, title, section):
                for part in parts:
                    with plugin_part(ctx, part.plugin):
                        part.build(ctx, panel)


def kinds_of(tab: str) -> tuple[str, ...]:
    """The ids of the kinds of job that are started in a tab."""
    return tuple(kind.method for kind in JOBS.of_tab(tab))


def _forms(ctx: Context, tab: str) -> Iterator[Part]:
    """The form of every kind of job placed in a tab that is not drawn by hand, and may be shown here."""
    for kind in JOBS.of_tab(tab):
        page = kind.page
        if page is None or page.by_hand or (page.takes_paths and not ctx.gate.is_open):
            continue
        title = page.title or ("" if page.section else kind.title)
        form = partial(_form, kind, page)
        yield Part(page.section or kind.method, page.order, form, title, JOBS.plugin(kind.method))


def _form(kind: type[Job], page: JobPage, ctx: Context, panel: JobPanel) -> None:
    if not page.fold:
        return job_section(ctx, kind, page, panel)
    with gr.Accordion(page.fold, open=False):
        return job_section(ctx, kind, page, panel)


def job_section(ctx: Context, job: type[Job], page: JobPage, panel: JobPanel) -> None:
    """The form of a kind of job and its button; the job it starts is shown in the panel.

    Others may fill it by the kind's id.
    """
    Static(hint(job.summary()) if page.fold else heading(job.title, job.summary()))
    missing = lacks(ctx, page)
    lacking = Static(missing, visible=bool(missing))
    ctx.follow(lacking, lambda: gr.update(value=(words := lacks(ctx, page)), visible=bool(words)))
    form = Form(job, ctx.choices, elem_id=f"form-{job.method}")
    start = gr.Button(page.button, variant="primary", elem_id=f"start-{job.method}", elem_classes="wb-start")

    def submit(value: Any) -> Any:
        return shown(ctx, ctx.queue.submit(form.parsed(value)))

    started = start.click(beside_fields(submit, [form]), form.input, [panel.picker, form.input], **QUIET)
    started.success(None, None, None, js=REVEAL, queue=False, **QUIET)
    ctx.links.offer(job.method, form.input, form.filled)


def lacks(ctx: Context, page: JobPage) -> str:
    """What has to be there first, as HTML; '' if nothing is missing."""
    if page.needs is None:
        return ""
    mark, least = page.needs
    return "" if len(ctx.pairs(mark)) >= least else empty(*page.empty)


def shown(ctx: Context, job: str) -> Any:
    """The update that makes the job panel show a job just submitted."""
    view = ctx.queue.get(job)
    return gr.update(choices=[(view.label, job)], value=job)
