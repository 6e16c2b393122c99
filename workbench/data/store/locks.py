"""One change of a dataset at a time, files shared between its versions, and the cache of steps kept small."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import filelock

from workbench.core.errors import UserError
from workbench.core.home import PARTIAL, Home, remove_stale, safe_name

CACHE_LIMIT_BYTES = 20 * 10**9  # bytes of results kept for going back


@contextlib.contextmanager
def locked(home: Home, name: str) -> Iterator[None]:
    """One change of a dataset at a time, over all processes; raises `UserError` when another takes long."""
    folder = home.cache / "locks"
    folder.mkdir(exist_ok=True)
    try:
        with filelock.FileLock(folder / f"{safe_name(name)}.lock", timeout=60, is_singleton=True):
            yield
    except filelock.Timeout:
        raise UserError(f"{name!r} is being changed by somebody else.", "Try again in a minute.", "dataset") from None


def prune_cache(folder: Path, used: set[str], limit: int = CACHE_LIMIT_BYTES) -> None:
    """Removes the results in a folder of the cache that were used longest ago until the rest takes less than `limit`
    bytes; never those named in `used`."""
    remove_stale(folder)
    folders = [path for path in folder.iterdir() if not path.name.startswith(PARTIAL)] if folder.is_dir() else []
    sizes = {path: sum(file.stat().st_size for file in path.iterdir()) for path in folders}
    total = sum(sizes.values())
    for path in sorted(folders, key=lambda path: path.stat().st_mtime):
        if total <= limit:
            return
        if path.name not in used:
            shutil.rmtree(path, ignore_errors=True)
            total -= sizes[path]


def link(source: Path, target: Path) -> None:
    """Hard links of a file, or of all files of a folder; copies where the disk has no links."""
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_link_file, dirs_exist_ok=True)
    elif source.exists():
        _link_file(source, target)


def _link_file(source: Path | str, target: Path | str) -> None:
    """A hard link, or a copy where the file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
