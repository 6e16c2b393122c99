"""The pages of people who are no owners: an annotator's shows the work alone, a viewer's the results."""

from typing import Any

import gradio as gr

from tabs.label.result import NO_RESULT, redraw, redraw_if_changed
from tabs.label.voting import voting_panel
from tabs.people.signed_in import signed_in
from tabs.serving.page import Page
from tabs.shell.context import Context, guarded
from tabs.shell.elements import empty, heading, role_header
from tabs.shell.job_panel import QUIET
from tabs.shell.kit import Figure, Static
from workbench.preferences.sessions import is_closed

SHOWN_PARTS = 3
"""The first updates of a result: its mark, words and figure. The others are the owner's buttons."""


def annotator_page(ctx: Context) -> gr.Blocks:
    """The sessions that are open, and the pad; nothing that tells of models, results or others."""
    demo = Page(title="LLM Workbench", fill_width=True, analytics_enabled=False)
    with demo:
        with gr.Row(elem_classes="wb-top"):
            Static(role_header())
            signed_in(ctx)
        with gr.Column(elem_classes="wb-panel"):
            Static(
                heading("Judge answers", "Two answers to one prompt: say which is better. Nobody sees whose they are.")
            )
            voting_panel(ctx, open_only=True)
        ctx.wire(demo)
    return demo


def viewer_page(ctx: Context) -> gr.Blocks:
    """The results of sessions that are closed."""
    demo = Page(title="LLM Workbench", fill_width=True, analytics_enabled=False)
    with demo:
        with gr.Row(elem_classes="wb-top"):
            Static(role_header())
            signed_in(ctx)
        with gr.Column(elem_classes="wb-panel"):
            Static(heading("Results", "Win rates and ratings of sessions whose voting has ended."))
            session = ctx.picker(
                lambda: [pair for pair in ctx.sessions() if is_closed(ctx.home, pair[1])], first=True, label="Session",
                value=None, elem_id="session",
            )  # fmt: skip
            mark = gr.Textbox(visible=False)
            outputs = [mark, Static(empty(*NO_RESULT), elem_id="result"), Figure(elem_id="result-plot")]
        _show_results(ctx, session, mark, outputs)
        ctx.wire(demo)
    return demo


def _show_results(ctx: Context, session: gr.Dropdown, mark: gr.Textbox, outputs: list[Any]) -> None:
    def view_result(name: str | None) -> list[Any]:
        return redraw(ctx, name, False, "")[:SHOWN_PARTS]

    def view_changed(before: str, name: str | None) -> list[Any]:
        return redraw_if_changed(ctx, before, name, False, "")[:SHOWN_PARTS]

    session.change(guarded(view_result), session, outputs, queue=False, **QUIET)
    ctx.on_change.append((view_changed, [mark, session], outputs))
