"""Files sent by browsers: where they lie, how much they may take, and when they go.

They lie under cache/uploads of the home, each in a folder of its own, until what they were sent for is done, or for a
day. All of them together have a quota.
"""

import contextlib
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterable
from pathlib import Path

from workbench.core.home import Home, free_name
from workbench.core.settings import Settings

KEPT_SECONDS = 86_400.0


def upload_folder(home: Home) -> Path:
    """Where the files lie that browsers sent."""
    return home.cache / "uploads"


def quota_bytes() -> int:
    """What all uploads together may take. Raises `SpecError` for wrong settings."""
    return int(Settings.current().upload_gb * 1e9)


def used_bytes(home: Home) -> int:
    """What the uploads that lie there take; links to one file count once."""
    total: dict[tuple[int, int], int] = {}
    for folder, _, names in os.walk(upload_folder(home)):
        for name in names:
            with contextlib.suppress(OSError):  # deleted meanwhile
                status = os.lstat(Path(folder) / name)
                total[status.st_dev, status.st_ino] = status.st_size
    return sum(total.values())


def sweep_uploads(home: Home, older_than: float = KEPT_SECONDS) -> None:
    """Deletes what has lain there for longer than this, in seconds since it came or was last asked for."""
    folder = upload_folder(home)
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        with contextlib.suppress(OSError):  # deleted meanwhile
            if time.time() - path.lstat().st_mtime > older_than:
                _remove(path)


def discard_uploads(home: Home, paths: Iterable[str | Path]) -> None:
    """Deletes those of the paths that are uploads, with the folders they lie in; every other path is left alone."""
    place = upload_folder(home).resolve()
    for path in paths:
        folders = Path(path).resolve()
        if folders.is_relative_to(place) and folders != place:
            _remove(place / folders.relative_to(place).parts[0])


def gathered_uploads(home: Home, files: list[str], purpose: str = "") -> Path:
    """A folder with these files under their own names: each comes from the browser in a folder of its own.

    Asked again for the same files and purpose it gives the same folder. Nothing is copied where the disk has hard
    links.
    """
    marks = [f"{file}:{status.st_size}:{status.st_mtime_ns}" for file in files for status in (Path(file).stat(),)]
    folder = (
        upload_folder(home)
        / f"together-{hashlib.sha256('|'.join([purpose, *marks]).encode('utf-8', 'replace')).hexdigest()[:16]}"
    )
    if not folder.is_dir():
        partial = folder.with_name(f"{folder.name}.{uuid.uuid4().hex[:6]}")
        partial.mkdir(parents=True)
        for file in files:
            _link(Path(file).resolve(), partial / free_name(partial, Path(file).name))
        try:
            partial.rename(folder)
        except OSError:  # another thread was quicker
            shutil.rmtree(partial, ignore_errors=True)
    os.utime(folder)
    return folder


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
