"""What can go wrong with the label database's file, and how it is said: damaged, moved away, full disk, read-only."""

import contextlib
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from workbench.core.errors import UserError

DAMAGED, MISSING = "damaged", "missing"
MAGIC = b"SQLite format 3\0"
CHECKED_BYTES = 16 * 2**20
"""Files up to this size are checked page by page when a process opens them (some 50 ms); larger ones by length."""

AT_ONCE = ("23505", "40001", "40P01")
"""PostgreSQL's codes for what only happens when two do something at once: a unique value that came from elsewhere, a
transaction that cannot be put in an order with another, a deadlock.
Source: https://www.postgresql.org/docs/current/errcodes-appendix.html"""

Identity = tuple[int, int]
NOT_SAVED = "Nothing was saved by this step."


class LabelsUnusable(UserError):
    """The file of the labels is `state`: 'damaged', with the driver's `detail`, or 'missing'."""

    def __init__(self, state: str, detail: str, message: str, remedy: str):
        super().__init__(message, remedy, "labels")
        self.state, self.detail = state, detail


def damaged_labels(file: Path, detail: str) -> LabelsUnusable:
    """The error for a database that SQLite cannot read."""
    remedy = f"{NOT_SAVED} In the Label tab, or with 'recover-labels', what can be read is saved into a new file."
    return LabelsUnusable(DAMAGED, detail, f"The label database {file.name} is damaged: {detail}.", remedy)


def labels_missing(file: Path) -> LabelsUnusable:
    """The error for a database whose files are gone, or others than those that were opened."""
    return LabelsUnusable(
        MISSING,
        "",
        f"The label database {file.name}, or its journal, was moved, deleted or replaced while it was open.",
        f"{NOT_SAVED} Put the files back where they were, or begin a new database in the Label tab "
        "or with 'recover-labels'.",
    )


def read_only(file: Path, detail: str = "") -> UserError:
    """The error for a database that cannot be written."""
    return UserError(
        f"The label database {file.name} cannot be written{f': {detail}' if detail else ''}.",
        f"{NOT_SAVED} Check that its folder is there and may be written.",
        "labels",
    )


def file_identity(file: Path) -> Identity | None:
    """Which file a name leads to (device and inode); None when there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def journal(file: Path) -> Path:
    """SQLite's write-ahead log, which holds the latest transactions."""
    return file.with_name(f"{file.name}-wal")


def journal_remains(file: Path) -> bool:
    """Whether a journal with transactions lies there; SQLite would delete it beside a new, empty file."""
    try:
        return journal(file).stat().st_size > 0
    except OSError:
        return False


def check_whole(file: Path) -> None:
    """Raises `LabelsUnusable` when the file is no database, too short, or (up to 16 MiB) has a damaged page."""
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            raise damaged_labels(file, "it is not a regular file")  # reading a pipe would wait for ever
        size = status.st_size
        with file.open("rb") as opened:
            header = opened.read(100)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(
            f"The label database {file.name} cannot be read: {error.strerror}.",
            f"{NOT_SAVED} Check who owns it.",
            "labels",
        ) from error
    if not size:
        return  # an empty file is a new database
    if not header.startswith(MAGIC):
        raise damaged_labels(file, "it is not an SQLite database")
    page = int.from_bytes(header[16:18], "big")
    length = int.from_bytes(header[28:32], "big") * (65536 if page == 1 else page)
    if size <= CHECKED_BYTES or size < length:
        _check_pages(file)


def _check_pages(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file, timeout=10)) as connection:
        try:
            finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.DatabaseError as error:
            if _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise damaged_labels(file, str(error)) from error
            raise explain_database(file, error) from error
    if finding != "ok":
        raise damaged_labels(file, " ".join(str(finding).split())[:200])


def is_busy(error: Exception) -> bool:
    """Whether another writer held the database too long."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _code(error: BaseException | None) -> int:
    """SQLite's primary result code; 0 for another driver's errors."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


@contextlib.contextmanager
def explaining(file: Path | None) -> Iterator[None]:
    """Turns the driver's errors into `UserError`; `file` is None for a database server."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise explain_database(file, error.orig) from error


def explain_database(file: Path | None, error: BaseException | None) -> UserError:
    """What a driver's error means, and what to do."""
    name, code = file.name if file else "", _code(error)
    if file and code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return damaged_labels(file, str(error))
    if code == sqlite3.SQLITE_FULL:
        return UserError(
            f"The disk is full: {name} could not be written.",
            f"{NOT_SAVED} Make room, then try again.",
            "labels",
        )
    if file and code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return read_only(file, str(error))
    if code == sqlite3.SQLITE_IOERR:
        return UserError(
            f"Writing or reading {name} failed: {error}.",
            f"{NOT_SAVED} Check the disk and the room left on it, then try again.",
            "labels",
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return UserError(
            f"The label database {name} is held by another program.",
            f"{NOT_SAVED} Try again; end programs that hold it open.",
            "labels",
        )
    at_once = getattr(error, "sqlstate", None) in AT_ONCE
    return UserError(
        "Somebody else changed the same at the same moment." if at_once else f"The label database failed: {error}.",
        f"{NOT_SAVED} {'Try again.' if at_once else 'Check the disk and the database, then try again.'}",
        "labels",
    )
