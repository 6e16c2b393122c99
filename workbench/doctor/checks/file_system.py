"""The disk of the home: room, how long a write takes to be safe, and whether locks hold between processes."""

import os
import shutil
import sqlite3
import statistics
import sys
import time
import uuid
from pathlib import Path
from typing import ClassVar

import filelock

from workbench.core.child_process import ChildFailed, run_child
from workbench.core.errors import UserError, explain
from workbench.core.files import write_synced
from workbench.doctor.machine_check import CHECKS, Check, CheckProbe

LEAST_BYTES, FEW_BYTES = 500_000_000, 5_000_000_000
SYNCS = 15
SLOW_MS = 100
LOCAL_DISK = (
    "Put the home on a disk of this machine (WORKBENCH_HOME); network disks often do not do this. Labels can lie in a "
    "PostgreSQL database instead (WORKBENCH_LABELS_URL)."
)
OTHER_LOCK = """
import sys, filelock
try:
    filelock.FileLock(sys.argv[1]).acquire(timeout=0)
except filelock.Timeout:
    print("refused", end="")
"""
OTHER_WRITER = """
import sys, sqlite3
base = sqlite3.connect(sys.argv[1], timeout=0.2, isolation_level=None)
try:
    base.execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError:
    print("refused", end="")
"""
OTHER_SECONDS = 30


@CHECKS.register
class FileSystem(Check):
    """The disk of the home: free room, how long a write takes, atomic renames, file locks and SQLite's locks."""

    method: ClassVar[str] = "file-system"
    title: ClassVar[str] = "Disk of the home"
    order: ClassVar[int] = 30
    remedy: ClassVar[str] = LOCAL_DISK

    def measure(self, probe: CheckProbe) -> None:
        folder = probe.home / f".doctor-{uuid.uuid4().hex[:8]}"
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise _unwritable(error) from None
        try:
            _measure_room(probe, folder)
            _measure_writes(probe, folder)
            _check_rename(folder)
            probe.fact("atomic rename", True)
            _check_file_lock(folder)
            probe.fact("file lock between processes", True)
            _check_sqlite_lock(folder)
            probe.fact("SQLite lock between processes", True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _unwritable(error: OSError) -> UserError:
    return UserError(
        f"The home cannot be written: {explain(error).message}",
        "Set WORKBENCH_HOME to a folder of yours, or mount it for writing.",
    )


def _measure_room(probe: CheckProbe, folder: Path) -> None:
    usage = shutil.disk_usage(folder)
    probe.fact("free", usage.free, "bytes")
    probe.fact("size", usage.total, "bytes")
    if usage.free < LEAST_BYTES:
        raise UserError(
            "The disk of the home is almost full.", "Free some space: llm-workbench disk lists what may go."
        )
    if usage.free < FEW_BYTES:
        probe.warn("Less than 5 GB are free.", "Free some space: llm-workbench disk lists what may go.")


def _measure_writes(probe: CheckProbe, folder: Path) -> None:
    """Writes small files, each flushed to the disk as every event and vote is; reports how long that takes."""
    spent = []
    try:
        for index in range(SYNCS):
            began = time.perf_counter()
            write_synced(folder / f"write-{index}", "x" * 4096)
            spent.append(1000 * (time.perf_counter() - began))
    except OSError as error:
        raise _unwritable(error) from None
    probe.fact("median flushed write", statistics.median(spent), "ms")
    probe.fact("slowest flushed write", max(spent), "ms")
    if statistics.median(spent) > SLOW_MS:
        probe.warn("The disk takes long to make a write safe: jobs and votes wait for it.", LOCAL_DISK)


def _check_rename(folder: Path) -> None:
    target = folder / "target"
    for text in ("first", "second"):
        source = folder / f"{text}.partial"
        write_synced(source, text)
        os.replace(source, target)  # noqa: PTH105 -- the very call that is proved
    other, taken = folder / "folder", folder / "other"
    other.mkdir()
    other.rename(taken)
    if target.read_text() != "second" or not taken.is_dir() or other.exists() or (folder / "second.partial").exists():
        raise UserError("Files are not renamed as they should be.", LOCAL_DISK)


def _check_file_lock(folder: Path) -> None:
    path = folder / "lock"
    try:
        with filelock.FileLock(path):
            held = _other_process(OTHER_LOCK, path)
    except OSError as error:
        raise UserError(f"Files cannot be locked here: {explain(error).message}", LOCAL_DISK) from None
    if held != "refused" or _other_process(OTHER_LOCK, path):
        raise UserError("A file lock does not hold between two processes: they would overwrite each other.", LOCAL_DISK)


def _check_sqlite_lock(folder: Path) -> None:
    path = folder / "base.sqlite"
    try:
        base = sqlite3.connect(path, isolation_level=None)
        base.execute("PRAGMA journal_mode=WAL")
        base.execute("CREATE TABLE votes (id INTEGER)")
        base.execute("BEGIN IMMEDIATE")
        base.execute("INSERT INTO votes VALUES (1)")
        held = _other_process(OTHER_WRITER, path)
        base.execute("COMMIT")
        after = _other_process(OTHER_WRITER, path)
        base.close()
    except sqlite3.Error as error:
        raise UserError(f"SQLite cannot write here: {error}.", LOCAL_DISK) from None
    if held != "refused" or after:
        raise UserError("SQLite's lock does not hold between two processes: labels could be lost.", LOCAL_DISK)


def _other_process(code: str, path: Path) -> str:
    """What another process says that tries the same: 'refused', or '' where it got through."""
    try:
        return run_child([sys.executable, "-c", code, str(path)], seconds=OTHER_SECONDS).data.decode()
    except ChildFailed as error:
        raise UserError(f"A second process at the same file {error}.", LOCAL_DISK) from None
