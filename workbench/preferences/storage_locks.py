"""Whether the folder of an SQLite file is on storage whose locks hold, tried by two processes as the server starts.

On mounted buckets and some network disks locks are granted to everybody: two writers would destroy each other's votes.
SQLite's write-ahead log needs memory shared through a file besides, which only one machine's processes have.
Source: https://www.sqlite.org/faq.html#q5 and https://www.sqlite.org/wal.html
"""

import contextlib
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path

from workbench.core.child_process import ChildFailed, run_child
from workbench.core.errors import UserError

SECOND_WRITER = """
import sys, sqlite3
base = sqlite3.connect(sys.argv[1], timeout=0.1, isolation_level=None)
try:
    base.execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError:
    print("refused", end="")
else:
    print(base.execute("SELECT count(*) FROM votes").fetchone()[0], end="")
"""
SECONDS = 30
REFUSED = "refused"
REMEDY = (
    "Nothing is voted on here until the labels lie elsewhere: set WORKBENCH_LABELS_URL to a PostgreSQL database, or "
    "put the home on a disk of this machine (WORKBENCH_HOME)."
)


def storage_problem(folder: Path) -> UserError | None:
    """Why votes cannot be kept safely in an SQLite file of this folder; None when they can, or it cannot be tried.

    Tried are SQLite's lock against another process, that this one's rows are seen there, and a rename over a file.
    """
    try:
        place = Path(tempfile.mkdtemp(prefix=".locks-", dir=folder))
    except OSError:
        return None  # a home that can only be read says so itself
    try:
        reason = _broken_promise(place)
    except ChildFailed:
        return None  # no second process, so nothing is known
    except (OSError, sqlite3.Error) as error:
        reason = f"SQLite cannot use it ({error})"
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if not reason:
        return None
    kind = mount_type(folder)
    named = f" ({kind})" if kind else ""
    return UserError(f"The storage of {folder}{named} cannot keep votes safely: {reason}.", REMEDY, "labels")


def _broken_promise(place: Path) -> str:
    """What this storage does not do; '' when it does all."""
    base = place / "base.sqlite"
    with contextlib.closing(sqlite3.connect(base, isolation_level=None)) as connection:
        if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            return "it has no memory that processes share"
        connection.execute("CREATE TABLE votes (id INTEGER)")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO votes VALUES (1)")
        if _second_writer(base) != REFUSED:
            return "a lock does not hold between two processes"
        connection.execute("COMMIT")
        if _second_writer(base) != "1":
            return "one process does not see what another has written"
    first, second = place / "first", place / "second"
    first.write_text("old")
    second.write_text("new")
    second.replace(first)
    return "" if first.read_text() == "new" and not second.exists() else "files are not renamed whole"


def _second_writer(base: Path) -> str:
    return run_child([sys.executable, "-I", "-S", "-c", SECOND_WRITER, str(base)], seconds=SECONDS).data.decode()


def mount_type(folder: Path, mounts: Path = Path("/proc/mounts")) -> str:
    """The type of the file system a folder is on, such as 'ext4' or 'fuse.gcsfuse'; '' where that is not said."""
    best, kind = "", ""
    with contextlib.suppress(OSError):
        for line in mounts.read_text().splitlines():
            _, point, found, *_ = line.split()
            point = point.replace("\\040", " ")
            if folder.resolve().is_relative_to(point) and len(point) >= len(best):
                best, kind = point, found
    return kind
