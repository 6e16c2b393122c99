"""Tags and notes of models, datasets, jobs and sessions by their kind and name, read and changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

import filelock

from workbench.core.change_log import record_change
from workbench.core.errors import UserError, suggestion
from workbench.core.home import Home, checked_entry, existing, list_all_artifacts
from workbench.core.notes import UserNotes, read_notes, shelf_notes, write_notes
from workbench.preferences.session_notes import change_session_notes, read_session_notes, session_overviews

ItemKind = Literal["model", "dataset", "job", "session"]
ITEM_KINDS: tuple[ItemKind, ...] = get_args(ItemKind)
LOCK_SECONDS = 30.0


def notes_of(home: Home, kind: str, name: str) -> UserNotes:
    """The notes of one; raises `UserError` when there is none of that name."""
    if kind == "session":
        return read_session_notes(home, name)
    return read_notes(item_folder(home, kind, name))


def notes_by_name(home: Home, kind: str) -> dict[str, UserNotes]:
    """The notes of all of one kind that have any."""
    if kind == "session":
        empty = UserNotes()
        return {each.name: each.notes for each in session_overviews(home) if each.notes != empty}
    return shelf_notes(item_shelf(home, kind))


def change_notes(home: Home, kind: str, name: str, change: Callable[[UserNotes], UserNotes]) -> UserNotes:
    """Writes what `change` makes of the notes of one; two that change at once are both kept.

    Raises `UserError` when there is none of that name, what is written is refused, or the disk cannot be written.
    """
    if kind == "session":
        return change_session_notes(home, name, change)
    folder = item_folder(home, kind, name)
    if not folder.is_dir():
        raise UserError(f"{name!r} is damaged: it is no folder.", "Delete it.", kind)
    checked_entry(folder)
    try:
        with filelock.FileLock(home.cache / ".notes.lock", timeout=LOCK_SECONDS):
            written = write_notes(folder, change(read_notes(folder)))
    except filelock.Timeout:
        raise UserError("Another process is writing notes.", "Try again.", kind) from None
    except OSError as error:
        raise UserError(f"Tags and note were not saved: {error.strerror}.", "Check the disk of the home.") from error
    record_change(home.root, "noted", kind, name)
    return written


def item_shelf(home: Home, kind: str) -> Path:
    """The folder in which those of a kind lie; raises `UserError` for a kind that is not known."""
    shelves = {"model": home.models, "dataset": home.datasets, "job": home.jobs}
    if kind not in shelves:
        raise UserError(f"There is no kind {kind!r}.", f"Use {', '.join(ITEM_KINDS)}.", "kind")
    return shelves[kind]


def item_folder(home: Home, kind: str, name: str) -> Path:
    """The folder of one, damaged ones included; raises `UserError` when there is none of that name."""
    shelf = item_shelf(home, kind)
    folder = existing(shelf, name)
    if folder is None:
        names = [path.name for path in list_all_artifacts(shelf)]
        raise UserError(f"There is no {kind} {name!r}.", suggestion(str(name), names), kind)
    return folder
