"""The bin: what was deleted stays for some days and can be restored whole.

A deleted thing is moved, in one rename, into the hidden folder `.bin` of its own shelf, which lies on the same file
system; its new name there tells when it was deleted and what it was called. So deleting needs no room on a full disk, a
killed process leaves it in one place or the other, and its bytes are never copied. Labelling sessions, which are rows
of a database, lie there as a file that `preferences.session_copies` writes.
"""

import datetime
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from workbench.core.change_log import record_change
from workbench.core.errors import UserError, saying, suggestion
from workbench.core.home import Home, remove_entry, remove_stale, safe_join, write_text
from workbench.core.settings import Settings

FOLDER = ".bin"
SESSION_SUFFIX = ".json"
LONGEST_NAME_BYTES = 225  # with the time, the digits and a session's suffix within the 255 of a file system
_ID = re.compile(r"(?P<time>\d{8}T\d{6})-[0-9a-f]{8}~(?P<name>.+)", re.DOTALL)
_TIME = "%Y%m%dT%H%M%S"
FREE_SPACE = "Free some space."
STRANGE = "This was not put here by the workbench."


@dataclass(frozen=True)
class BinEntry:
    """One deleted thing. id: what it is restored by. kind: 'model', 'dataset', 'job' or 'session'. name: what it was
    called. deleted and expires: ISO 8601 in UTC. error: why it cannot be restored, '' for one that can."""

    id: str
    kind: str
    name: str
    deleted: str
    expires: str
    path: Path
    error: str = ""


def bin_folders(home: Home) -> dict[str, Path]:
    """Where what was deleted lies, by its kind; a folder is made when it is needed."""
    shelves = {"model": home.models, "dataset": home.datasets, "job": home.jobs, "session": home.root}
    return {kind: shelf / FOLDER for kind, shelf in shelves.items()}


def put_in_bin(home: Home, kind: str, path: Path, **facts: str) -> str:
    """Moves an entry of a shelf into the bin, gone at once for whoever looks; the id by which it is restored.

    Of a link the link itself is moved. Raises `UserError` when it cannot be moved, and leaves it where it was.
    """
    entry_id = _new_id(path.name)
    with saying(f"{path.name} was not deleted"):
        folder = bin_folders(home)[kind]
        folder.mkdir(exist_ok=True)
        path.rename(folder / entry_id)
    record_change(home.root, "deleted", kind, path.name, bin=entry_id, **facts)
    return entry_id


def put_text_in_bin(home: Home, kind: str, name: str, text: str) -> Path:
    """Writes what is kept of something that is no folder; whoever deletes it records that, or takes the file back."""
    folder = bin_folders(home)[kind]
    with saying(f"{name} was not deleted", "Empty the bin first: `bin empty`, or 'Empty now' in the Overview."):
        folder.mkdir(exist_ok=True)
        path = folder / f"{_new_id(name)}{SESSION_SUFFIX}"
        write_text(path, text)
        path.chmod(0o600)
    return path


def list_bin(home: Home) -> list[BinEntry]:
    """What lies in the bin, deleted last first; what is strange there comes with its error."""
    entries = [
        _entry(kind, path)
        for kind, folder in bin_folders(home).items()
        if folder.is_dir() and not folder.is_symlink()
        for path in folder.iterdir()
        if not path.name.startswith(".")
    ]
    return sorted(entries, key=lambda entry: (entry.deleted, entry.id), reverse=True)


def free_space_remedy(home: Home) -> str:
    """What to do about a disk that is full: what is deleted comes free when the bin is emptied."""
    count = len(list_bin(home))
    items = "1 item" if count == 1 else f"{count} items"
    return f"Empty the bin ({items}) in the Overview or with `bin empty`, or free some space." if count else FREE_SPACE


def bin_entry(home: Home, entry_id: str) -> BinEntry:
    """The entry of that id, or the one deleted last of that name; raises `UserError` when there is none."""
    entries = list_bin(home)
    found = next((entry for entry in entries if entry_id in (entry.id, f"{entry.kind} {entry.name}")), None)
    found = found or next((entry for entry in entries if entry.name == entry_id), None)
    if found is None:
        names = [entry.name for entry in entries]
        raise UserError(
            f"Nothing in the bin is called {str(entry_id)[:100]!r}.",
            suggestion(str(entry_id), names) or "`bin list` shows what lies there.",
            "item",
        )
    return found


def restore_folder(home: Home, entry: BinEntry, name: str = "") -> str:
    """Moves a model, dataset or job back, in one rename, under its name or another; the name it has now.

    Raises `UserError` when the name is taken meanwhile or cannot be one, and leaves the entry in the bin.
    """
    refuse_damaged(entry)
    shelf = bin_folders(home)[entry.kind].parent
    new_name = name or entry.name
    kept = new_name == entry.name and not new_name.startswith(".")  # a damaged one may have an odd name
    target = shelf / new_name if kept else safe_join(shelf, new_name)
    if os.path.lexists(target):
        raise name_taken(entry, new_name)
    with saying(f"{entry.name} was not restored"):
        entry.path.rename(target)
    record_restored(home, entry, new_name)
    return new_name


def name_taken(entry: BinEntry, name: str) -> UserError:
    """What is said where something else has the name."""
    return UserError(f"There is a {entry.kind} {name!r} by now.", "Restore it under another name.", "name")


def refuse_damaged(entry: BinEntry) -> None:
    """Raises `UserError` for what cannot be restored."""
    if entry.error:
        raise UserError(f"{entry.name} cannot be restored: {entry.error}", "Look at it by hand.", "item")


def record_restored(home: Home, entry: BinEntry, name: str) -> None:
    """Adds the event of something restored."""
    was = {"was": entry.name} if name != entry.name else {}
    record_change(home.root, "restored", entry.kind, name, bin=entry.id, **was)


def remove_for_good(home: Home, entry: BinEntry) -> None:
    """Removes an entry from the bin; raises `UserError` where the disk does not let it."""
    with saying(f"{entry.name} was not removed"):
        remove_entry(entry.path)
    record_change(home.root, "removed for good", entry.kind, entry.name, bin=entry.id)


def empty_expired(home: Home, now: datetime.datetime | None = None) -> list[BinEntry]:
    """Removes what has been in the bin for longer than the operator's days, and what killed removals left; what went.

    What the workbench did not put there stays.
    """
    moment = (now or datetime.datetime.now(datetime.UTC)).isoformat()
    for folder in bin_folders(home).values():
        if folder.is_dir():
            remove_stale(folder)
    gone = [entry for entry in list_bin(home) if not entry.error and entry.expires <= moment]
    for entry in gone:
        remove_for_good(home, entry)
    return gone


def _new_id(name: str) -> str:
    """A name in the bin: the time, eight random digits, and what it was called, cut to what a file system takes."""
    stamp = datetime.datetime.now(datetime.UTC).strftime(_TIME)
    kept = os.fsencode(name)[:LONGEST_NAME_BYTES]
    return f"{stamp}-{secrets.token_hex(4)}~{os.fsdecode(kept)}"


def _entry(kind: str, path: Path) -> BinEntry:
    shown = path.name.removesuffix(SESSION_SUFFIX) if kind == "session" else path.name
    match = _ID.fullmatch(shown)
    try:
        deleted = datetime.datetime.strptime(match["time"], _TIME).replace(tzinfo=datetime.UTC) if match else None
    except ValueError:
        deleted = None
    if match is None or deleted is None:
        return BinEntry(path.name, kind, path.name, "", "", path, STRANGE)
    expires = deleted + datetime.timedelta(days=Settings.current().bin_days)
    return BinEntry(shown, kind, match["name"], deleted.isoformat(), expires.isoformat(), path)
