"""The tags and the note of the thing a panel shows, read and changed where they stand."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from tabs.shell.context import Context
from tabs.shell.kit import Query, component
from workbench.core.errors import UserError
from workbench.core.notes import NOTE_CHARACTERS, TAG_CHARACTERS, UserNotes, changed_tags
from workbench.inventory.item_notes import ItemKind, change_notes, notes_of

OFFERED_TAGS = 50
"""Tags in use that are offered while one is typed."""


def notes_panel(ctx: Context, kind: ItemKind, picker: gr.Dropdown) -> gr.HTML:
    """The tags and the note of what `picker` has; takes no room while that is nothing."""

    def state(name: str, notes: UserNotes) -> dict[str, Any]:
        offered = sorted({tag for each in ctx.shelves.notes(kind).values() for tag in each.tags})
        shown = {"tags": list(notes.tags), "note": notes.note, "problem": notes.error}
        return {"name": name, **shown, "offered": offered[:OFFERED_TAGS]}

    def read(query: Query) -> dict[str, Any]:
        name = _text(query, "name")
        return state(name, notes_of(ctx.home, kind, name))

    def change(query: Query) -> dict[str, Any]:
        name = _text(query, "name")
        add, remove = _texts(query, "add"), _texts(query, "remove")
        changed = change_notes(
            ctx.home, kind, name, lambda now: UserNotes(changed_tags(now.tags, add, remove), now.note, now.error)
        )
        return state(name, changed)

    def write(query: Query) -> dict[str, Any]:
        name, note, before = (_text(query, field) for field in ("name", "note", "before"))

        def written(now: UserNotes) -> UserNotes:
            if now.note not in (before, note):
                remedy = "It stands above now: put yours together with it, then save again."
                raise UserError("The note was changed elsewhere meanwhile.", remedy)
            return UserNotes(now.tags, note)

        return state(name, change_notes(ctx.home, kind, name, written))

    panel = component(
        "notes_panel", "", {"read": read, "change": change, "write": write}, ("", "", ""), kind=kind,
        limits={"tag": TAG_CHARACTERS, "note": NOTE_CHARACTERS}, elem_id=f"{kind}-notes",
    )  # fmt: skip
    picker.change(None, picker, panel, js="(name) => name || ''", queue=False, show_progress="hidden")
    return panel


def _text(query: Query, field: str) -> str:
    value = query.get(field)
    return value if isinstance(value, str) else ""


def _texts(query: Query, field: str) -> Sequence[Any]:
    value = query.get(field)
    return value if isinstance(value, list) else []
