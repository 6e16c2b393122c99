"""events.jsonl of a home: who changed what and when, one JSON object a line, which is only ever added to.

It is a file and no table because most changes are files themselves: a model can be deleted while the label database is
damaged, and a job's process needs no connection. A line is on the disk before the change is acknowledged. What happens
to accounts stands in their database, in the transaction that does it; `people.record` reads both as one.
"""

import contextlib
import contextvars
import datetime
import errno
import json
import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workbench.core.limits import text_up_to
from workbench.core.os_user import os_user_with_sudo

log = logging.getLogger(__name__)

EVENTS_FILE = "events.jsonl"
LOCAL, COMMAND_LINE, SERVER, NOBODY = "local", "the command line", "the server", "nobody"
"""Who does something without an account: whoever has this page or this machine, a command, the server by itself, and
somebody whom it did not let in. Of a command the name of the operating system's user is recorded, too."""
SHELVES = {"models": "model", "datasets": "dataset"}
MOST_CHARACTERS = 200  # of a text in an event
MOST_FACTS = 12
MOST_LINE_BYTES = 64 * 1024

_PLAIN_BYTES = getattr(os, "O_BINARY", 0)  # else Windows writes other line ends
_person: contextvars.ContextVar[str] = contextvars.ContextVar("person", default=LOCAL)
_lock = threading.Lock()
_unwritten: dict[Path, list[bytes]] = {}


@dataclass(frozen=True)
class ChangeEvent:
    """One event. time: ISO 8601 in UTC. person: who did it. kind: what was done, such as 'deleted'. object_kind and
    object_name: to what, such as 'model' and its name. facts: a few short words more, never what people wrote."""

    time: str
    person: str
    kind: str
    object_kind: str
    object_name: str
    facts: dict[str, str | int | float | bool] = field(default_factory=dict)


@contextlib.contextmanager
def acting_as(person: str) -> Iterator[None]:
    """Within the block, changes made by this thread or task are this person's."""
    token = _person.set(person)
    try:
        yield
    finally:
        _person.reset(token)


def current_person() -> str:
    """Who acts now."""
    return _person.get()


def command_line_person() -> str:
    """Who acts at the command line: 'the command line (anna)'.

    Whoever can write the files of a home acts as its owner there; no login could keep them from anything.
    """
    return f"{COMMAND_LINE} ({os_user_with_sudo()})"[:MOST_CHARACTERS]


def stands_for_no_account(name: str) -> bool:
    """Whether the record writes this name for somebody without an account, so that nobody may have it as their own."""
    plain = name.casefold()
    return plain in (LOCAL, SERVER, NOBODY) or plain.startswith(COMMAND_LINE)


def record_change(root: Path, kind: str, object_kind: str, object_name: str, **facts: Any) -> None:
    """Adds an event to the log of the home in the folder `root`; it is on the disk when this returns.

    facts: numbers and short texts; passwords, tokens, rows and votes are none. A disk that cannot be written keeps
    nobody from deleting: the event is said in the server's log, and written with the next one.
    """
    change = ChangeEvent(_now(), current_person(), kind, object_kind, object_name, {})
    line = json.dumps({**_short(asdict(change)), "facts": _short(dict(list(facts.items())[:MOST_FACTS]))})
    path = root / EVENTS_FILE
    with _lock:
        waiting = [*_unwritten.pop(path, []), line.encode() + b"\n"]
        try:
            _append(path, b"".join(waiting))
        except OSError as error:
            _unwritten[path] = waiting
            log.error("an event could not be written to %s (%s): %s", path, error.strerror or error, line)


def record_arrival(target: Path, replaced: bool) -> None:
    """Adds the event of an artifact that took its name on a shelf of a home; nothing for folders that lie elsewhere."""
    root, object_kind = target.parent.parent, SHELVES.get(target.parent.name)
    if object_kind and (root / "jobs").is_dir() and (root / "cache").is_dir():
        record_change(root, "changed" if replaced else "created", object_kind, target.name)


def read_changes(root: Path) -> list[ChangeEvent]:
    """Every event of a home, the oldest first; a line that is none, as a killed writer leaves it, is left out.

    What was read before is not read again. Raises `OSError` for a file that cannot be read.
    """
    path = root / EVENTS_FILE
    try:
        with _lock, path.open("rb") as file:
            return _reading.setdefault(path, _Reading()).read(file)
    except FileNotFoundError:
        return []


class _Reading:
    """What was read of one file, and up to where."""

    def __init__(self) -> None:
        self.inode, self.offset, self.changes = 0, 0, list[ChangeEvent]()

    def read(self, file: Any) -> list[ChangeEvent]:
        stat = os.fstat(file.fileno())
        if stat.st_ino != self.inode or stat.st_size < self.offset:
            self.inode, self.offset, self.changes = stat.st_ino, 0, []
        file.seek(self.offset)
        while line := file.readline(MOST_LINE_BYTES):
            if not line.endswith(b"\n") and len(line) < MOST_LINE_BYTES:
                break  # its writer is at it, or was killed
            self.offset += len(line)
            if change := _parsed(line):
                self.changes.append(change)
        return self.changes.copy()


_reading: dict[Path, _Reading] = {}


def _append(path: Path, data: bytes) -> None:
    """One write at the end of the file, after a line that a killed writer left unfinished on a line of its own."""
    new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | _PLAIN_BYTES, 0o600)
    try:
        if os.fstat(descriptor).st_size:
            os.lseek(descriptor, -1, os.SEEK_END)
            if os.read(descriptor, 1) != b"\n":
                data = b"\n" + data
        if os.write(descriptor, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if new:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not every file system has folders that can be synced
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _parsed(line: bytes) -> ChangeEvent | None:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or not isinstance(data.get("kind"), str) or not _is_time(data.get("time")):
        return None
    facts = data.get("facts")
    texts = {name: text_up_to(data.get(name), MOST_CHARACTERS) for name in ("time", "person", "kind", "object_kind")}
    name = text_up_to(data.get("object_name"), MOST_CHARACTERS)
    return ChangeEvent(**texts, object_name=name, facts=_short(facts) if isinstance(facts, dict) else {})


def _is_time(value: Any) -> bool:
    try:
        return datetime.datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _short(values: dict[str, Any]) -> dict[str, Any]:
    """Texts cut to their length, numbers as they are, whatever else there is left out."""
    short: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, str):
            short[name] = value[:MOST_CHARACTERS]
        elif isinstance(value, bool | int | float):
            short[name] = value
    return short


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
