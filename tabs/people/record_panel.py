"""The record in the People tab: who changed what and when, searched and turned page by page, and as a file."""

import time
from collections.abc import Hashable

import gradio as gr

from tabs.shell.context import Context, guarded
from tabs.shell.elements import heading
from tabs.shell.job_panel import QUIET
from tabs.shell.kit import Static
from tabs.shell.table import Column, ShelfTable, TableRow
from workbench.core.change_log import EVENTS_FILE, ChangeEvent
from workbench.people.record import (
    all_changes,
    changes_as_csv,
    changes_as_jsonl,
    described_facts,
    described_object,
)

COLUMNS = (
    Column("Time", lambda change: change.time, "time"), Column("Who", lambda change: change.person.casefold()),
    Column("Event", lambda change: change.kind), Column("What", lambda change: described_object(change).casefold()),
    Column("Facts"),
)  # fmt: skip
EMPTY = (
    "Nothing has happened yet",
    "Imports, jobs, deletions, sessions closed, logins and roles will stand here, with who did it and when.",
    "What somebody votes never does.",
)
SUBTITLE = "Newest first. Search by person, event or name: 'olga deleted model'. What somebody voted is no part of it."
SAVE = """(text, name) => { if (!text) return ['', name];
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  link.download = name; link.click(); URL.revokeObjectURL(link.href); return ['', name]; }"""
"""JavaScript that saves a text the server sent as a file."""
REREAD_SECONDS = 5
ROWS = 12


def record_panel(ctx: Context) -> None:
    """The table and two buttons that save all of it."""
    with gr.Row(equal_height=True, elem_classes="wb-toolbar"):
        Static(heading("What happened", SUBTITLE))
        buttons = {
            kind: gr.Button(f"Save as {kind}", size="sm", min_width=110, scale=0, elem_id=f"record-{kind.lower()}")
            for kind in ("CSV", "JSONL")
        }
    ctx.shelves.also.append(lambda: _stamp(ctx))
    ShelfTable(COLUMNS, lambda: recorded(ctx), _row, _words, EMPTY, size=ROWS, elem_id="record-table")
    text, name = gr.Textbox(visible=False), gr.Textbox(visible=False)

    def as_csv() -> list[str]:
        return [changes_as_csv(all_changes(ctx.home)), "events.csv"]

    def as_jsonl() -> list[str]:
        return [changes_as_jsonl(all_changes(ctx.home)), "events.jsonl"]

    for kind, write in (("CSV", as_csv), ("JSONL", as_jsonl)):
        done = buttons[kind].click(guarded(write), None, [text, name], **QUIET)
        done.success(None, [text, name], [text, name], js=SAVE, queue=False, **QUIET)


def recorded(ctx: Context) -> list[ChangeEvent]:
    """Every event, newest first, read once a change for all browsers."""

    def look() -> tuple[Hashable, None]:
        # accounts may be in another database, which tells of no change
        return (_stamp(ctx), ctx.shelves.sessions.look()[0], time.monotonic() // REREAD_SECONDS), None

    return ctx.shelves.made("record", look, lambda _: all_changes(ctx.home))


def _stamp(ctx: Context) -> tuple[int, int]:
    """Changes with every event."""
    try:
        stat = (ctx.home.root / EVENTS_FILE).stat()
    except OSError:
        return 0, 0
    return stat.st_mtime_ns, stat.st_size


def _row(change: ChangeEvent) -> TableRow:
    cells = (change.time, change.person, change.kind, described_object(change), described_facts(change) or "—")
    return TableRow(f"{change.time} {change.kind} {change.object_name}", cells)


def _words(change: ChangeEvent) -> str:
    return f"{change.person} {change.kind} {described_object(change)} {described_facts(change)}"
