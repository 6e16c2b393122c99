"""What lies on the shelves, read once a change for all browsers, and what of it the page does not have yet."""

import contextlib
import hashlib
import json
import os
import shutil
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import orjson
from starlette.responses import Response

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.lineage import Manifest
from workbench.core.notes import NO_NOTES, UserNotes, notes_revision, shelf_notes
from workbench.core.recycle_bin import free_space_remedy
from workbench.core.settings import Settings
from workbench.core.units import human_size
from workbench.data.store.datasets import list_datasets
from workbench.inventory.shelf_items import ShelfItem, dataset_items, job_items, model_items, session_items
from workbench.jobs.listing import JobRow
from workbench.jobs.queue import Queue
from workbench.models.shelf import ModelInfo, list_models
from workbench.preferences.session_notes import SessionOverview, session_overviews

T = TypeVar("T")
R = TypeVar("R")

SECONDS = 2.0
"""How old a shelf may be that looks unchanged from outside: what changes within its folders is seen that late."""
REST_RATIO = 9
"""Nine tenths of the time nothing is made anew for votes: while many people vote, the page follows them more slowly."""
LEAST_FREE_BYTES = 20_000_000
"""Bytes: with fewer the page says that the disk is full."""
MARKS = 64
"""States of the page that are remembered; a browser that comes from an older one is sent everything."""


class Look(Generic[T]):
    """One shelf. `version` grows with every change; a look in between costs one call of `outside`."""

    def __init__(self, read: Callable[[], T], outside: Callable[[], Hashable]):
        self._read, self._outside = read, outside
        self._lock = threading.Lock()
        self._seen: Hashable = None
        self._until = float("-inf")
        self._version, self._value = 0, None

    def look(self) -> tuple[int, T]:
        """(version, what lies there)."""
        with self._lock:
            seen = self._outside()
            if seen != self._seen or time.monotonic() >= self._until:
                value: Any = self._read()
                if not self._version or value != self._value:
                    self._version, self._value = self._version + 1, value
                self._seen, self._until = seen, time.monotonic() + SECONDS
            return self._version, self._value  # type: ignore[return-value]


class Shelves:
    """The shelves of a home as the page shows them, and lists made of them once a change."""

    def __init__(self, home: Home, queue: Queue):
        self._home, self._queue = home, queue
        self.models: Look[list[ModelInfo]] = Look(lambda: list_models(home), lambda: _stamp(home.models))
        self.datasets: Look[list[Manifest]] = Look(lambda: list_datasets(home), lambda: _stamp(home.datasets))
        self.sessions: Look[list[SessionOverview]] = Look(self._sessions, self._labels)
        self._notes: Look[dict[str, dict[str, UserNotes]]] = Look(self._shelf_notes, notes_revision)
        self.storage = "", ""
        """(why its storage keeps no votes, what to do about it), known when the server starts."""
        self.also: list[Callable[[], Hashable]] = []
        """Versions of what else the page shows, which takes too long to be looked at with every change."""
        self._made: dict[Hashable, tuple[Hashable, Any]] = {}
        self._making = threading.RLock()  # one for all: what is made of a shelf is often made of what else is

    def jobs(self) -> tuple[int, list[JobRow]]:
        """(version, every job, oldest first)."""
        rows = self._queue.all()
        return self._queue.revision, rows

    def notes(self, kind: str) -> dict[str, UserNotes]:
        """The notes of what is of this kind and has any, by its name."""
        if kind == "session":
            return self.made("session notes", self.sessions.look, lambda rows: {row.name: row.notes for row in rows})
        return self._notes.look()[1][kind]

    def notes_of(self, kind: str, name: str) -> UserNotes:
        """The notes of one; none where there is none of that name."""
        return self.notes(kind).get(name, NO_NOTES)

    def items(self) -> list[ShelfItem]:
        """Everything there is, made once a change."""
        return self.made("items", lambda: (self.version_of_items(), None), lambda _: self._items())

    def version_of_items(self) -> Hashable:
        """Changes when a model, dataset, job, session or note does."""
        looks = (self.models.look, self.datasets.look, self.sessions.look, self.jobs, self._notes.look)
        return tuple(look()[0] for look in looks)

    def _items(self) -> list[ShelfItem]:
        infos = self.models.look()[1]
        return [
            *model_items(infos, self.notes("model")),
            *dataset_items(self.datasets.look()[1], self.notes("dataset")),
            *job_items(self.jobs()[1], self.notes("job"), infos),
            *session_items(self.sessions.look()[1]),
        ]

    def made(self, key: Hashable, look: Callable[[], tuple[Hashable, T]], make: Callable[[T], R]) -> R:
        """`make` of a shelf, called once a change of it, however many ask at once; `key` names the result among
        others."""
        with self._making:
            version, value = look()
            kept = self._made.get(key)
            if kept is None or kept[0] != version:
                kept = self._made[key] = version, make(value)
            result: R = kept[1]
            return result

    def version(self) -> Hashable:
        """Changes when a model, dataset, job, session or note does, when a running job writes a new file, and when the
        home can be written no more."""
        live = tuple(_stamp(view.folder) for view in self._queue.live())
        also = tuple(version() for version in self.also)
        return self.version_of_items(), live, self.problem(), also

    def version_of_votes(self) -> Hashable:
        """Changes with every vote, and whenever a pair is shown to somebody."""
        return self._labels()

    def version_with_votes(self) -> Hashable:
        """Changes when either does."""
        return self.version(), self.version_of_votes()

    def problem(self) -> tuple[str, str]:
        """(what keeps the home from being written, what to do about it); ('', '') when nothing does."""
        root = self._home.root
        if not os.access(self._home.jobs, os.W_OK):
            return (
                f"The home {root} can only be read.",
                "Nothing new is kept. Mount it for writing, or check its owner.",
            )
        with contextlib.suppress(OSError):
            if (free := shutil.disk_usage(root).free) < LEAST_FREE_BYTES:
                return f"The disk of the home {root} is full ({human_size(free)} free).", free_space_remedy(self._home)
        return self.storage

    def _shelf_notes(self) -> dict[str, dict[str, UserNotes]]:
        shelves = {"model": self._home.models, "dataset": self._home.datasets, "job": self._home.jobs}
        return {kind: shelf_notes(shelf) for kind, shelf in shelves.items()}

    def _sessions(self) -> list[SessionOverview]:
        try:
            return session_overviews(self._home)
        except UserError:
            return []  # what is wrong with the labels is said where they are used

    def _labels(self) -> Hashable:
        if Settings.current().labels_url:
            return None  # no file tells that another database changed: it is asked every few seconds
        return tuple(_stamp(self._home.labels.with_name(self._home.labels.name + end)) for end in ("", "-wal"))


class Updates:
    """The state of the page's parts, made once a change and sent as what differs from the state a browser has.

    `frequent` is the version of what many people change all the time: it is not followed more often than leaves the
    server free for them `REST_RATIO` times as long as making the state takes.
    """

    def __init__(
        self,
        version: Callable[[], Hashable],
        make: Callable[[], Sequence[Any]],
        frequent: Callable[[], Hashable] = lambda: None,
    ):
        self._version, self._make, self._frequent = version, make, frequent
        self._frequent_now: Hashable = None
        self._rest_until = 0.0  # on the monotonic clock
        self._lock = threading.Lock()
        self._now: Hashable = None
        self._mark = ""
        self._parts: dict[str, bytes] = {}
        self._tags: OrderedDict[str, list[str]] = OrderedDict()
        self._replies: dict[str, bytes] = {}

    def since(self, mark: str) -> Response:
        """JSON of {"mark", "parts": {tag: state}, "places": {place: tag}} for the parts that differ from those at
        `mark`; equal states are sent once."""
        with self._lock:
            self._look()
            mark = mark if mark in self._tags else ""
            if mark not in self._replies:
                self._replies[mark] = self._difference(mark)
            return Response(self._replies[mark], media_type="application/json")

    def _look(self) -> None:
        version, frequent, began = self._version(), self._frequent(), time.monotonic()
        if self._mark and version == self._now and (frequent == self._frequent_now or began < self._rest_until):
            return
        parts = [json_bytes(state) for state in self._make()]
        tags = [tag(part) for part in parts]
        ended = time.monotonic()
        self._rest_until = ended + min(SECONDS, REST_RATIO * (ended - began))
        self._now, self._frequent_now, self._mark = version, frequent, uuid.uuid4().hex[:12]
        self._parts, self._replies = dict(zip(tags, parts, strict=True)), {}
        self._tags[self._mark] = tags
        while len(self._tags) > MARKS:
            self._tags.popitem(last=False)

    def _difference(self, mark: str) -> bytes:
        now, before = self._tags[self._mark], self._tags.get(mark, [])
        places = {str(place): name for place, name in enumerate(now) if before[place : place + 1] != [name]}
        parts = {name: orjson.Fragment(self._parts[name]) for name in places.values()}
        return orjson.dumps({"mark": self._mark, "parts": parts, "places": places})


def json_bytes(value: Any) -> bytes:
    """The value as JSON; names of files that are no UTF-8, which orjson refuses, keep their odd bytes as escapes."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value).encode("ascii")


def tag(data: bytes) -> str:
    """A short name of these bytes."""
    return hashlib.blake2b(data, digest_size=9).hexdigest()


def _stamp(path: Path) -> int:
    """When a file or folder changed; 0 when it is not there."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
