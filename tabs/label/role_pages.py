"""The pages of people who are no owners: an annotator's shows the work alone, a viewer's the results.

Owners open them, too, at the address of a session.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import gradio as gr
from htpy import a, div, h2
from markupsafe import Markup

from tabs.label.adjudication_panel import adjudication_panel
from tabs.label.pad_texts import pad_words
from tabs.label.result import redraw, redraw_if_changed
from tabs.label.voting import open_sessions, voting_panel
from tabs.notices.notice_bell import annotator_bell, lead_to
from tabs.people.signed_in import signed_in
from tabs.serving.page import Page
from tabs.serving.routes import LABEL, RESULTS
from tabs.shell.address import session_address
from tabs.shell.context import Context, guarded
from tabs.shell.elements import empty, heading, hint, render_html, role_header, table
from tabs.shell.job_panel import QUIET
from tabs.shell.kit import Figure, Static
from workbench.core.errors import UserError
from workbench.preferences import vote_counts

SHOWN_PARTS = 3
"""The first updates of a result: its mark, words and figure. The others are the owner's buttons."""
NO_SESSION = ("No session is open", "Sessions whose answers wait for votes are listed here.", "")
NONE_OPEN = "wb-none-open"
"""The class of what cannot be used while no session is open."""
NO_RESULTS = ("No results yet", "Win rates and ratings stand here once the voting of a session has ended.", "")


def annotator_page(ctx: Context) -> gr.Blocks:
    """The sessions that are open, and the pad; nothing that tells of models, results or others."""
    words = pad_words("en")
    with _role_page(ctx, lambda: annotator_bell(ctx)) as (demo, bell, noted):
        with gr.Column(elem_classes="wb-panel"):
            # the pad puts what carries `data-word` into the language of the session that is judged
            title, text = h2(".wb-h", data_word="page_title"), div(".wb-hint", data_word="page_text")
            Static(render_html(title[words["page_title"]], text[words["page_text"]]))
            listed = Static(elem_id="open-sessions")
            ctx.follow(listed, lambda: _open_list(ctx))
            back = a(href=LABEL, data_session="", data_word="page_back")[words["page_back"]]
            Static(render_html(back), elem_id="all-sessions")
            with gr.Column(elem_classes=NONE_OPEN) as judging:
                session, annotator = voting_panel(ctx, open_only=True)
            ctx.follow(judging, lambda: gr.update(elem_classes=[] if open_sessions(ctx) else [NONE_OPEN]))
        adjudication_panel(ctx, session, annotator, follows=False)
        if bell:
            lead_to(bell, session)
        with noted:
            session_address(LABEL, session, lambda: open_sessions(ctx))
    return demo


def viewer_page(ctx: Context) -> gr.Blocks:
    """The results of sessions that are closed."""

    def closed() -> list[tuple[str, str]]:
        return [(each.name, each.name) for each in ctx.shelves.sessions.look()[1] if each.closed]

    with _role_page(ctx) as (demo, _, noted):
        with gr.Column(elem_classes="wb-panel"):
            Static(heading("Results", "Win rates and ratings of sessions whose voting has ended."))
            session = ctx.picker(
                closed, first=True, shown_empty=False, label="Session", value=None, elem_id="session"
            )  # fmt: skip
            mark = gr.Textbox(visible=False)
            outputs = [mark, Static(empty(*NO_RESULTS), elem_id="result"), Figure(elem_id="result-plot")]
        _show_results(ctx, session, mark, outputs)
        with noted:
            session_address(RESULTS, session, closed)
    return demo


@contextmanager
def _role_page(
    ctx: Context, make_bell: Callable[[], gr.HTML] | None = None
) -> Iterator[tuple[gr.Blocks, gr.HTML | None, gr.Column]]:
    """A page with its head, the bell in it, and a place beneath for the address line; what is built within the page is
    wired in the end."""
    with Page(title="LLM Workbench", fill_width=True, analytics_enabled=False) as demo:
        with gr.Row(elem_classes="wb-top"):
            Static(role_header(ctx.asks_login))
            signed_in(ctx)
            bell = make_bell() if make_bell else None
        with gr.Column(elem_classes="wb-address-place") as noted:
            pass
        yield demo, bell, noted
        ctx.wire(demo)


def _open_list(ctx: Context) -> Markup:
    """The open sessions as links, with how far each has come."""
    try:
        sessions = vote_counts.sessions_in_progress(ctx.home)
    except UserError:
        sessions = []  # what is wrong with the labels is said where they are used
    rows: list[list[object]] = []
    for each in sessions:
        link = render_html(a(href=f"{LABEL}/{quote(each.name, safe='')}", data_session=each.name)[each.name])
        state = "all answers are in" if each.complete else "answers still to come"
        rows.append([link, f"{each.votes:,} of {each.wanted:,}", state])
    if not rows:
        return empty(*NO_SESSION)
    return render_html(hint("Choose a session to judge."), table(["Session", "Votes", "Answers"], rows))


def _show_results(ctx: Context, session: gr.Dropdown, mark: gr.Textbox, outputs: list[Any]) -> None:
    def shown(name: str | None, parts: list[Any]) -> list[Any]:
        """Of no session it is said what will stand here."""
        return parts[:SHOWN_PARTS] if name else [parts[0], empty(*NO_RESULTS), None]

    def view_result(name: str | None) -> list[Any]:
        return shown(name, redraw(ctx, name, False, ""))

    def view_changed(before: str, name: str | None) -> list[Any]:
        return redraw_if_changed(ctx, before, name, False, "")[:SHOWN_PARTS] if name else [gr.skip()] * SHOWN_PARTS

    session.change(guarded(view_result), session, outputs, queue=False, **QUIET)
    ctx.on_change.append((view_changed, [mark, session], outputs))
