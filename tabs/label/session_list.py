"""The labelling sessions as a list: how far each has come, and no word of which models meet in it."""

import gradio as gr

from tabs.shell.context import Context
from tabs.shell.elements import heading
from tabs.shell.kit import Static
from tabs.shell.table import Column, ShelfTable, TableRow
from workbench.core.errors import UserError
from workbench.preferences.sessions import SessionInfo, get_session

EMPTY = (
    "No sessions yet",
    "In a session people judge the answers of models without knowing which is which.",
    "Choose two models and prompts on the left, then press 'Generate answers'.",
)
COLUMNS = (
    Column("Session", str.casefold), Column("State", kind="status"), Column("Votes", kind="number"),
    Column("Pairs", kind="number"), Column("Prompts from"), Column("Made", kind="time"),
)  # fmt: skip
ROWS = 5
"""Rows of a page of the list: the session chosen stands beneath it."""


def session_list(ctx: Context) -> gr.HTML:
    """The list, newest first; its value is {"key"} of the session clicked last."""
    Static(heading("Sessions", "A row opens its session beneath: to vote, or to see the result."))
    return ShelfTable(
        COLUMNS, lambda: [name for _, name in ctx.sessions()], lambda name: _row(ctx, name), str, EMPTY, size=ROWS,
        elem_id="sessions-table", notes=lambda name: ctx.shelves.notes_of("session", name),
    )  # fmt: skip


def _row(ctx: Context, name: str) -> TableRow:
    try:
        info = get_session(ctx.home, name)
    except UserError as error:
        return TableRow(name, (name, "failed", "—", "—", error.message, "—"))
    wanted = info.usable * info.votes_per_pair
    cells = (
        name, _state(info), f"{info.votes:,} of {wanted:,}", f"{info.usable:,}", info.prompts_name,
        info.created,
    )  # fmt: skip
    return TableRow(name, cells, moving=not info.closed)


def _state(info: SessionInfo) -> str:
    """The state in a word: 'open' while votes are taken, 'answering' while answers come as well."""
    if info.closed:
        return "closed"
    return "open" if info.complete else "answering"
