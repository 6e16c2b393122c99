"""The Label tab: a new session, the pair to judge, and the result when it may be seen."""

from typing import Any

import gradio as gr

from tabs.forms.form import Form, beside_fields
from tabs.label.adjudication_panel import adjudication_panel
from tabs.label.dashboard_panel import dashboard_panel
from tabs.label.database_problem import trouble_panel
from tabs.label.result import result_panel
from tabs.label.session_list import session_list
from tabs.label.voting import voting_panel
from tabs.shell.context import Context, guarded
from tabs.shell.elements import heading, hint
from tabs.shell.job_panel import QUIET, job_panel
from tabs.shell.kit import Static
from tabs.shell.notes_panel import notes_panel
from tabs.shell.tab_registry import Tab
from workbench.preferences.jobs.generate import Generate

MAKER = (
    "You choose the models, so you know which ones meet; which answer is whose stays hidden from you as from everyone, "
    "and sides are drawn at random for every pair. Others learn the names when the session is closed."
)


def build(ctx: Context) -> None:
    """Left: new session. Right: the sessions, the pair to judge, then the result."""
    trouble_panel(ctx)
    with gr.Row(elem_classes="wb-cols"):
        with gr.Column(elem_classes="wb-panel wb-side", scale=0, min_width=340):
            form, start = _new_session(ctx)
        with gr.Column(elem_classes="wb-main"):
            with gr.Column(elem_classes="wb-panel"):
                listed = session_list(ctx)
            with gr.Column(elem_classes="wb-panel"):
                session, annotator = voting_panel(ctx)
                notes_panel(ctx, "session", session)
            adjudication_panel(ctx, session, annotator)
            with gr.Column(elem_classes="wb-panel"):
                dashboard_panel(ctx, session, annotator)
            with gr.Column(elem_classes="wb-panel"):
                result_panel(ctx, session, annotator)
            with gr.Column(elem_classes="wb-panel"):
                panel = job_panel(
                    ctx, ("generate",), "Answers under way",
                    ("No answers under way", "Models answer in the background; labelling can begin meanwhile.", ""),
                )  # fmt: skip
    started = beside_fields(lambda value: _start(ctx, form, value), [form], outputs=2)
    start.click(started, form.input, [panel.picker, session, form.input], **QUIET)
    ctx.links.offer("label", form.input, form.filled)
    listed.input(
        guarded(lambda clicked: gr.update(value=(clicked or {}).get("key"), choices=ctx.sessions())), listed, session,
        queue=False, **QUIET,
    )  # fmt: skip
    ctx.links.offer("session", session, lambda _, name: gr.update(value=name, choices=ctx.sessions()))


def _new_session(ctx: Context) -> tuple[Form, gr.Button]:
    Static(
        heading("New session", "Two or more models answer the same prompts; you judge without knowing which is which.")
    )
    form = Form(Generate, ctx.choices, first=("prompts",), elem_id="label-form")
    start = gr.Button("Generate answers", variant="primary", elem_id="label-start", elem_classes="wb-start")
    Static(hint(MAKER))
    return form, start


def _start(ctx: Context, form: Form, value: Any) -> tuple[Any, Any]:
    job = form.parsed(value)
    job_id = ctx.queue.submit(job)
    view = ctx.queue.get(job_id)
    name = job.session
    return gr.update(choices=[(view.label, job_id)], value=job_id), gr.update(choices=[(name, name)], value=name)


TAB = Tab("label", "Label", 70, build)
