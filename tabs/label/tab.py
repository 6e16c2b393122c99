"""The Label tab: a new session, the chosen one as its owner looks after it, the pair to judge, and the result."""

import gradio as gr

from tabs.label.adjudication_panel import adjudication_panel
from tabs.label.dashboard_panel import dashboard_panel
from tabs.label.database_problem import trouble_panel
from tabs.label.new_session_forms import NewSession
from tabs.label.result import result_panel
from tabs.label.session_folds import (
    NONE_CHOSEN,
    adding_fold,
    checks_fold,
    follow_session,
    guidelines_fold,
    settings_fold,
)
from tabs.label.session_head import session_head
from tabs.label.session_list import session_list
from tabs.label.voting import voting_panel
from tabs.shell.context import Context, guarded
from tabs.shell.job_panel import LAST, QUIET, job_panel
from tabs.shell.notes_panel import notes_panel
from tabs.shell.tab_registry import Tab

WRITING = ("generate", "import-answers", "extend-session")


def build(ctx: Context) -> None:
    """Left: new session. Right: the sessions, the chosen one, the pair to judge, then the result."""
    trouble_panel(ctx)
    with gr.Row(elem_classes="wb-cols"):
        with gr.Column(elem_classes="wb-panel wb-side", scale=0, min_width=340):
            new = NewSession(ctx)
        with gr.Column(elem_classes="wb-main"):
            with gr.Column(elem_classes="wb-panel"):
                tables = session_list(ctx)
            owner = gr.Column(elem_classes="wb-panel", elem_id="session-panel")
            with gr.Column(elem_classes="wb-panel"):
                session, annotator = voting_panel(ctx)
                notes_panel(ctx, "session", session)
            adjudication_panel(ctx, session, annotator)
            dashboard_panel(ctx, session)
            with gr.Column(elem_classes="wb-panel"):
                result_panel(ctx, session, annotator)
            with gr.Column(elem_classes="wb-panel"):
                panel = job_panel(
                    ctx, WRITING, "Answers under way",
                    ("No answers under way", "Models answer in the background; labelling can begin meanwhile.", ""),
                )  # fmt: skip
    with owner:
        session_head(ctx, session)
        with gr.Column(elem_classes=[NONE_CHOSEN], elem_id="session-folds") as column:
            folds = guidelines_fold(ctx, session), settings_fold(ctx, session), checks_fold(ctx, session)
            adding_fold(ctx, session, panel)
        follow_session(ctx, session, column, folds)
    new.wire(panel, session)
    for listed in tables:
        listed.input(
            guarded(lambda clicked: gr.update(value=(clicked or {}).get("key"), choices=ctx.sessions())), listed,
            session, queue=False, **LAST, **QUIET,
        )  # fmt: skip
    ctx.links.offer("session", session, lambda _, name: gr.update(value=name, choices=ctx.sessions()))


TAB = Tab("label", "Label", 70, build)
