"""Rows of a shelf kept from one look to the next: a folder is read again only when one of its files changed."""

import os
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

Row = TypeVar("Row")
Mark = tuple[int, int, int, int]
Signature = tuple[Mark, tuple[tuple[str, Mark], ...]]

RACY_NS = 50_000_000
"""A file changed so short a time ago may change again within the same tick of the file system's clock (4 to 10 ms)."""


def mark(status: os.stat_result) -> Mark:
    """What tells one state of a file from another: the change time is kept by the kernel and cannot be set back."""
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def folder_signature(folder: Path) -> Signature:
    """The marks of a folder and of the files right in it; raises `OSError` when it is gone."""
    files = []
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                status = entry.stat()
            except OSError:  # a link to nothing, or deleted meanwhile
                continue
            if not stat.S_ISDIR(status.st_mode):
                files.append((entry.name, mark(status)))
    return mark(folder.stat()), tuple(sorted(files))


def settled(marks: Iterable[Mark]) -> bool:
    """Whether a change after these marks were taken would change them too.

    A time in the future (the clock was set back) counts: the next change gets another one.
    """
    now = time.time_ns()
    return all(abs(now - max(marks[:2])) > RACY_NS for marks in marks)


class RowCache(Generic[Row]):
    """Rows read from the folders of shelves, by the state of the folders' files. For use by any number of threads.

    `read` makes the row of a folder; what it raises is passed on and not kept. Rows for which `lasting` is false
    (errors, which may have passed) are read again after `SOON` seconds although nothing changed.
    """

    SOON = 30.0
    MOST_SHELVES = 8

    def __init__(self, read: Callable[[Path], Row], lasting: Callable[[Row], bool] = lambda _: True):
        self._read, self._lasting = read, lasting
        self._shelves: OrderedDict[str, dict[str, tuple[Signature, float, Row]]] = OrderedDict()
        self._lock = threading.Lock()

    def row(self, folder: Path) -> Row:
        """The row of a folder; the same object as long as its files are the same. Raises what `read` raises."""
        before = folder_signature(folder)
        with self._lock:
            kept = self._shelf(folder).get(folder.name)
        if kept and kept[0] == before and time.monotonic() < kept[1]:
            return kept[2]
        steady = settled([before[0], *(found for _, found in before[1])])  # so what changes from here on is noticed
        row = self._read(folder)
        if steady:
            until = float("inf") if self._lasting(row) else time.monotonic() + self.SOON
            with self._lock:
                self._shelf(folder)[folder.name] = before, until, row
        return row

    def rows(self, folders: Sequence[Path], otherwise: Callable[[Path, OSError], Row]) -> list[Row]:
        """The rows of all folders of one shelf, in their order; `otherwise` for one that cannot be looked into."""
        rows = []
        for folder in folders:
            try:
                rows.append(self.row(folder))
            except OSError as error:
                rows.append(otherwise(folder, error))
        self.keep_only(folders)
        return rows

    def keep_only(self, folders: Sequence[Path]) -> None:
        """Drops the rows of a shelf's folders that are not among these; `folders` are of one shelf."""
        if not folders:
            return  # which shelf is not known; there is little to win
        names = {folder.name for folder in folders}
        with self._lock:
            shelf = self._shelf(folders[0])
            for name in shelf.keys() - names:
                del shelf[name]

    def _shelf(self, folder: Path) -> dict[str, tuple[Signature, float, Row]]:
        parent = str(folder.parent)
        shelf = self._shelves.setdefault(parent, {})
        self._shelves.move_to_end(parent)
        while len(self._shelves) > self.MOST_SHELVES:
            self._shelves.popitem(last=False)
        return shelf
