"""The labelling sessions as a list: how far each has come, and no word of which models meet in it."""

from collections.abc import Callable

import gradio as gr

from tabs.shell.context import Context
from tabs.shell.elements import heading
from tabs.shell.kit import Lines, Static
from tabs.shell.table import Column, ShelfTable, TableRow
from workbench.core.errors import UserError
from workbench.preferences.sessions import ARCHIVED, RUNNING, SessionInfo, get_session

EMPTY = (
    "No sessions yet",
    "In a session people judge the answers of models without knowing which is which.",
    "Choose two models and prompts on the left, then press 'Generate answers'.",
)
COLUMNS = (
    Column("Session", str.casefold), Column("State", kind="status"), Column("Votes", kind="number"),
    Column("Pairs", kind="number"), Column("Prompts from"), Column("Made", kind="time"),
)  # fmt: skip
NO_ARCHIVED = ("Nothing archived", "Closed sessions can be archived: they are kept whole, and leave the lists.", "")
ROWS = 5
"""Rows of a page of the list: the session chosen stands beneath it."""


def session_list(ctx: Context) -> tuple[gr.HTML, gr.HTML]:
    """The list, newest first, and the archived ones; the value of each is {"key"} of the session clicked last."""
    Static(heading("Sessions", "A row opens its session beneath: to look after it, to vote, or to see the result."))
    current = _table(ctx, lambda: [name for _, name in ctx.sessions()], EMPTY, "sessions-table")
    with gr.Accordion("Archived", open=False, elem_id="archived-fold"):
        archived = _table(ctx, lambda: _archived(ctx), NO_ARCHIVED, "archived-table")
    return current, archived


def _table(ctx: Context, names: Callable[[], list[str]], empty: Lines, elem_id: str) -> gr.HTML:
    return ShelfTable(
        COLUMNS, names, lambda name: _row(ctx, name), str, empty, size=ROWS, elem_id=elem_id,
        notes=lambda name: ctx.shelves.notes_of("session", name),
    )  # fmt: skip


def _archived(ctx: Context) -> list[str]:
    return [each.name for each in ctx.shelves.sessions.look()[1] if each.state == ARCHIVED]


def _row(ctx: Context, name: str) -> TableRow:
    try:
        info = get_session(ctx.home, name)
    except UserError as error:
        return TableRow(name, (name, "failed", "—", "—", error.message, "—"))
    wanted = info.usable * info.votes_per_pair
    cells = (
        name, state_word(info), f"{info.votes:,} of {wanted:,}", f"{info.usable:,}", info.prompts_name,
        info.created,
    )  # fmt: skip
    return TableRow(name, cells, moving=not info.closed)


def state_word(info: SessionInfo) -> str:
    """The state in a word: 'open' while votes are taken, 'answering' while answers come as well."""
    return "answering" if info.state == RUNNING and not info.complete else info.state
