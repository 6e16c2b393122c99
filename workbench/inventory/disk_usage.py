"""What files take on the disk: hard links once, symbolic links as themselves, folders that did not change not again."""

import contextlib
import os
import threading
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.core.row_cache import Mark, mark, settled

BLOCK_BYTES = 512
"""What `st_blocks` counts in, whatever the file system's own blocks are."""
MOST_TREES = 50_000

Inode = tuple[int, int]


@dataclass(frozen=True)
class Usage:
    """The files of a tree. own: bytes of those with one name. shared: (inode, bytes, names of it, names of it in here)
    of the others. changed: when the newest was written, in seconds since the epoch. has_folders: whether there are
    folders in it."""

    own: int = 0
    shared: tuple[tuple[Inode, int, int, int], ...] = ()
    changed: float = 0.0
    has_folders: bool = False

    def counted_once(self, seen: set[Inode]) -> int:
        """Bytes, without those of inodes that are in `seen` already; its own are added there."""
        fresh = [(inode, size) for inode, size, _, _ in self.shared if inode not in seen]
        seen.update(inode for inode, _ in fresh)
        return self.own + sum(size for _, size in fresh)

    @property
    def freed(self) -> int:
        """Bytes that come free when the tree goes: files that have a name elsewhere stay."""
        return self.own + sum(size for _, size, names, here in self.shared if here >= names)


def joined_usage(usages: Sequence[Usage]) -> Usage:
    """Several trees as one, which go together: names of a file in two of them are both names in here."""
    shared: dict[Inode, tuple[Inode, int, int, int]] = {}
    for inode, size, names, here in (link for usage in usages for link in usage.shared):
        before = shared[inode][3] if inode in shared else 0
        shared[inode] = inode, size, names, before + here
    return Usage(
        sum(usage.own for usage in usages), tuple(shared.values()),
        max((usage.changed for usage in usages), default=0.0), any(usage.has_folders for usage in usages),
    )  # fmt: skip


class UsageCache:
    """The usage of trees by their paths, measured anew when one of their folders changed. For any number of threads.

    A folder changes when a file comes, goes or is replaced, not when one grows in place: what does that is measured
    with `growing`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._trees: OrderedDict[str, tuple[tuple[tuple[str, Mark], ...], Usage]] = OrderedDict()

    def usage(self, path: Path, growing: bool = False) -> Usage:
        """What a file or a tree takes; nothing for what is not there."""
        with self._lock:
            before = self._trees.get(str(path))
        if before and not growing and _unchanged(before[0]):
            return before[1]
        folders, usage = _walk(path)
        if folders and settled([each for _, each in folders]):
            with self._lock:
                self._trees[str(path)] = tuple(folders), usage
                while len(self._trees) > MOST_TREES:
                    self._trees.popitem(last=False)
        return usage


def _unchanged(folders: tuple[tuple[str, Mark], ...]) -> bool:
    try:
        return all(mark(os.lstat(path)) == before for path, before in folders)
    except OSError:
        return False


def _walk(root: Path) -> tuple[list[tuple[str, Mark]], Usage]:
    """The folders of a tree as they were before their files were looked at, and what the files take."""
    own, changed, folders = 0, 0.0, list[tuple[str, Mark]]()
    sizes, links, here = dict[Inode, int](), dict[Inode, int](), Counter[Inode]()

    def add(status: os.stat_result) -> None:
        nonlocal own, changed
        changed = max(changed, status.st_mtime)
        if status.st_nlink <= 1:
            own += on_disk(status)
            return
        inode = status.st_dev, status.st_ino
        sizes[inode], links[inode] = on_disk(status), status.st_nlink
        here[inode] += 1

    if root.is_symlink() or not root.is_dir():
        with contextlib.suppress(OSError):
            add(root.lstat())
        return [], Usage(own, _shared(sizes, links, here), changed)
    waiting = [str(root)]
    while waiting:
        folder = waiting.pop()
        with contextlib.suppress(OSError):  # deleted meanwhile, or not to be read
            folders.append((folder, mark(os.lstat(folder))))
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        with contextlib.suppress(OSError):
                            add(entry.stat(follow_symlinks=False))
    return folders, Usage(own, _shared(sizes, links, here), changed, len(folders) > 1)


def _shared(
    sizes: dict[Inode, int], links: dict[Inode, int], here: Counter[Inode]
) -> tuple[tuple[Inode, int, int, int], ...]:
    return tuple((inode, size, links[inode], here[inode]) for inode, size in sorted(sizes.items()))


def on_disk(status: os.stat_result) -> int:
    """Bytes that a file takes: its blocks, where the file system tells them, so that holes count nothing."""
    blocks: int | None = getattr(status, "st_blocks", None)  # Windows has none
    return status.st_size if blocks is None else blocks * BLOCK_BYTES
