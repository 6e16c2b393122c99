"""notes.yaml beside an artifact or a job: the tags and the note that people gave it.

It is no part of what the artifact is: no digest covers it, nothing made from the artifact gets it, no card or upload
carries it. It stays when the artifact is made anew under its name.
"""

import os
import re
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.core.errors import Problems, UserError, explain, saying, shortened
from workbench.core.formats import NOTES_FORMAT, NewerVersion
from workbench.core.home import write_text
from workbench.core.limits import bounded_text
from workbench.core.row_cache import Mark, mark, settled
from workbench.core.spec import dump_yaml, load_yaml

NOTES_FILE = NOTES_FORMAT.file_name
MOST_TAGS = 12
TAG_CHARACTERS = 30
NOTE_CHARACTERS = 4000
MOST_SHELVES = 8
SIGNS = "-_.+/"
"""What a tag may hold besides letters and digits."""


@dataclass(frozen=True)
class UserNotes:
    """Tags in the order they were given, and a note in Markdown; `error` says why the file cannot be read."""

    tags: tuple[str, ...] = ()
    note: str = ""
    error: str = ""


NO_NOTES = UserNotes()


# ---- what may be written -----------------------------------------------------------------------------------------


def check_tag(text: Any) -> str:
    """The tag in lower case, without a leading '#'; raises `UserError` for what is no short word."""
    if not isinstance(text, str):
        raise UserError(f"{shortened(repr(text), 60)} is no text.", "Give words.", "tags")
    tag = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).strip().removeprefix("#").lower())
    if not tag:
        raise UserError("A tag is empty.", "Give a word.", "tags")
    if len(tag) > TAG_CHARACTERS:
        raise UserError(
            f"The tag {shortened(repr(tag), 60)} has {len(tag):,} characters.",
            f"Use {TAG_CHARACTERS} at most; what is longer belongs in the note.",
            "tags",
        )
    if not tag[0].isalnum() or not all(_fits(letter) for letter in tag):
        raise UserError(
            f"The tag {shortened(repr(tag), 60)} is no plain word.",
            f"Use letters, digits and {' '.join(SIGNS)}, beginning with a letter or digit.",
            "tags",
        )
    return tag


def _fits(letter: str) -> bool:
    return letter.isalnum() or letter in SIGNS or unicodedata.category(letter) in ("Mn", "Mc")


def check_tags(texts: Iterable[Any]) -> tuple[str, ...]:
    """The tags, each once, in their order; raises `SpecError` with all that is wrong with them."""
    problems, tags = Problems(), list[str]()
    for text in texts:
        try:
            tags.append(check_tag(text))
        except UserError as error:
            problems.collect("tags", error)
    unique = tuple(dict.fromkeys(tags))
    if len(unique) > MOST_TAGS:
        problems.add("tags", f"There would be {len(unique)}.", f"Use {MOST_TAGS} at most: take some away first.")
    problems.check()
    return unique


def changed_tags(tags: Sequence[str], add: Iterable[Any] = (), remove: Iterable[Any] = ()) -> tuple[str, ...]:
    """The tags with some added and others taken away. Raises `SpecError`, for a tag to take away that is not there
    too."""
    problems, gone = Problems(), check_tags(remove)
    for tag in gone:
        if tag not in tags:
            problems.add("tags", f"There is no tag {tag!r}.", f"It has: {', '.join(tags) or 'none'}.")
    problems.check()
    return check_tags([*(tag for tag in tags if tag not in gone), *add])


def check_note(text: Any) -> str:
    """The note without spaces around it; raises `UserError` for what is too long or no text."""
    if not isinstance(text, str):
        raise UserError("is no text.", "Give text.", "note")
    note = re.sub(r"\r\n?|[\u0085\u2028\u2029]", "\n", text).strip()
    if len(note) > NOTE_CHARACTERS:
        raise UserError(
            f"has {len(note):,} characters.", f"Use {NOTE_CHARACTERS:,} at most: it is {len(note) - NOTE_CHARACTERS:,} "
            "too long.", "note",
        )  # fmt: skip
    odd = next((letter for letter in note if letter not in "\n\t" and _is_control(letter)), "")
    if odd:
        raise UserError(f"holds the character U+{ord(odd):04X}, which is no text.", "Take it out.", "note")
    return note


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cs", "Cn") or letter in "\ufeff\ufffe\uffff"


# ---- the file ----------------------------------------------------------------------------------------------------


def read_notes(folder: Path) -> UserNotes:
    """The notes in a folder; none where there is no file. What cannot be read is said in `error`."""
    try:
        return _read(folder)
    except FileNotFoundError:
        return NO_NOTES
    except Exception as error:
        # Whatever one file holds, the thing it lies beside must still be shown.
        return UserNotes(error=shortened(f"{NOTES_FILE} cannot be read: {explain(error)}", 500))


def _read(folder: Path) -> UserNotes:
    path = folder / NOTES_FILE
    path.lstat()
    data = NOTES_FORMAT.upgrade(load_yaml(bounded_text(path)), folder.name)
    if not isinstance(data, dict) or not isinstance(data.get("tags", []), list):
        raise UserError("it holds no tags and note.", "Give it tags and a note anew.")
    return UserNotes(check_tags(data.get("tags", [])), check_note(data.get("note", "")))


def write_notes(folder: Path, notes: UserNotes) -> UserNotes:
    """Writes the notes of an artifact or a job whole or not at all; without any the file goes.

    Raises `UserError` for tags or a note that are refused, a disk that cannot be written, and where the file there is
    of a newer version.
    """
    checked = UserNotes(check_tags(notes.tags), check_note(notes.note))
    path = folder / NOTES_FILE
    try:
        _read(folder)
    except NewerVersion:
        raise
    except Exception:  # noqa: S110 -- a damaged or missing file is what is written anew
        pass
    with saying("Tags and note were not saved"):
        if checked == NO_NOTES:
            path.unlink(missing_ok=True)
        else:
            content = {"tags": list(checked.tags), "note": checked.note}
            write_text(path, dump_yaml(NOTES_FORMAT.stamp(content)))
    _writes.append(None)
    return checked


# ---- all of a shelf ----------------------------------------------------------------------------------------------

_lock = threading.Lock()
_writes: list[None] = []
_shelves: OrderedDict[str, dict[str, tuple[Mark | None, UserNotes]]] = OrderedDict()


def notes_revision() -> int:
    """Grows when this process writes notes: what it wrote is looked at at once."""
    return len(_writes)


def shelf_notes(shelf: Path) -> dict[str, UserNotes]:
    """The notes of what lies in a folder of artifacts or jobs, by name; what has none is left out.

    A file that did not change is not read again.
    """
    with os.scandir(shelf) as entries:
        paths = [(entry.name, entry.path) for entry in entries if not entry.name.startswith(".")]
    with _lock:
        before = _shelves.get(str(shelf), {})
    fresh: dict[str, tuple[Mark | None, UserNotes]] = {}
    for name, path in paths:
        try:
            now = mark(os.lstat(f"{path}/{NOTES_FILE}"))
        except OSError:
            continue
        kept_mark, notes = before.get(name, (None, NO_NOTES))
        if kept_mark != now:
            steady = settled([now])
            notes, kept_mark = read_notes(Path(path)), now if steady else None
        fresh[name] = kept_mark, notes
    with _lock:
        _shelves[str(shelf)] = fresh
        _shelves.move_to_end(str(shelf))
        while len(_shelves) > MOST_SHELVES:
            _shelves.popitem(last=False)
    return {name: notes for name, (_, notes) in fresh.items()}
