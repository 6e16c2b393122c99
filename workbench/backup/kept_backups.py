"""The backups kept in a home itself: what one would take, which there are, and deleting one.

They lie in a folder that no backup takes along, beside the copies that upgrades make.
"""

import datetime
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from workbench.backup.backup_writer import backup_files, large_models
from workbench.core.change_log import record_change
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.home_upgrade import BACKUPS
from workbench.preferences import store

NEVER_IN_IT = (
    "Never in it: checkpoints of jobs, the bin, caches, uploads, links, other backups, and the key that signs logins."
)
ABANDONED_SECONDS = 24 * 3600
_NAME = re.compile(r"llm-workbench-(\d{8}-\d{6})\.tar\.gz")


@dataclass(frozen=True)
class KeptBackup:
    """An archive of the home. size: in bytes. created: ISO 8601 in UTC, when it was begun."""

    name: str
    size: int
    created: str


@dataclass(frozen=True)
class BackupPlan:
    """What a backup would take. size: bytes of what goes into it, before it is packed. free, total: bytes of the disk
    of the home. left_out: models whose weights are not in it."""

    size: int
    free: int
    total: int
    left_out: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether it fits even if nothing becomes smaller by packing."""
        return self.size < self.free


def backup_folder(home: Home) -> Path:
    """Where they lie; it need not be there yet."""
    return home.root / BACKUPS


def plan_backup(home: Home, with_models: bool = False) -> BackupPlan:
    """Looks at what is there now."""
    left_out = tuple(one.name for one in large_models(home)) if not with_models else ()
    size = sum(size for _, size in backup_files(home, set(left_out)))
    if (labels := store.file_of(home)) is not None and labels.is_file():
        size += labels.stat().st_size  # how large a server's tables become as a file nobody knows before
    disk = shutil.disk_usage(home.root)
    return BackupPlan(size, disk.free, disk.total, left_out)


def list_backups(home: Home) -> list[KeptBackup]:
    """Those that are whole, newest first."""
    try:
        entries = list(os.scandir(backup_folder(home)))
    except FileNotFoundError:
        return []
    kept = [
        KeptBackup(entry.name, entry.stat().st_size, _moment(match[1]))
        for entry in entries
        if (match := _NAME.fullmatch(entry.name)) and entry.is_file(follow_symlinks=False)
    ]
    return sorted(kept, key=lambda backup: backup.name, reverse=True)


def backup_path(home: Home, name: str) -> Path:
    """The file of a backup; raises `UserError` for any other name, whatever it leads to."""
    if not any(backup.name == name for backup in list_backups(home)):
        raise UserError(f"There is no backup {str(name)[:80]!r}.", "`list backups` shows those there are.", "backup")
    return backup_folder(home) / name


def delete_backup(home: Home, name: str) -> int:
    """Deletes a backup for good; the bytes that freed. Raises `UserError` when there is none."""
    path = backup_path(home, name)
    size = path.stat().st_size
    path.unlink()
    record_change(home.root, "deleted", "backup", name)
    return size


def remove_unfinished(home: Home) -> None:
    """Removes what writers that were killed left behind, a day later."""
    for path in backup_folder(home).glob(".llm-workbench-*.partial-*"):
        if time.time() - path.lstat().st_mtime > ABANDONED_SECONDS:
            path.unlink(missing_ok=True)


def _moment(stamp: str) -> str:
    """The time a name tells, '' for one that is none."""
    try:
        moment = datetime.datetime.strptime(stamp, "%Y%m%d-%H%M%S").replace(tzinfo=datetime.UTC)
    except ValueError:
        return ""
    return moment.isoformat(timespec="seconds")
