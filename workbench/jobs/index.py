"""cache/jobs.sqlite: the rows of ended jobs, so that a new process need not read thousands of folders.

Derived from the folders, which are the truth: a row counts only while its job's files are as they were when it was
made, and the file may be deleted at any time. When it is damaged it is made anew; when it cannot be written the
jobs are read from their folders.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

VERSION = 1
"""Raised when rows get other columns: those of another version are dropped."""
Stored = tuple[str, list[Any]]


class JobIndex:
    """(signature, columns) of ended jobs by their ids."""

    def __init__(self, path: Path):
        self.path = path

    def load(self) -> dict[str, Stored]:
        """All rows; none when the file is missing, of another version or damaged."""
        if not self.path.is_file():
            return {}
        try:
            with self._connection() as database:
                if database.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                    return {}
                rows_by_id = database.execute("SELECT id, signature, columns FROM job").fetchall()
            return {job_id: (signature, json.loads(columns)) for job_id, signature, columns in rows_by_id}
        except (sqlite3.Error, ValueError, TypeError, OSError):
            return {}

    def save(self, rows: dict[str, Stored], gone: Iterable[str] = ()) -> bool:
        """Adds rows and takes out those of deleted jobs; whether it could."""
        lines = [(job_id, signature, json.dumps(columns)) for job_id, (signature, columns) in rows.items()]
        for last in (False, True):
            try:
                with self._connection() as database, database:
                    _prepare(database)
                    database.executemany("REPLACE INTO job VALUES (?, ?, ?)", lines)
                    database.executemany("DELETE FROM job WHERE id = ?", [(job_id,) for job_id in gone])
                return True
            except sqlite3.OperationalError:
                return False  # locked, or it cannot be written: tried again at the next look that has something new
            except (sqlite3.DatabaseError, OSError):
                if last:
                    return False
                with contextlib.suppress(OSError):
                    self.path.unlink(missing_ok=True)  # damaged
        return False

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.path, timeout=0.2)) as database:
            yield database


def _prepare(database: sqlite3.Connection) -> None:
    if database.execute("PRAGMA user_version").fetchone()[0] != VERSION:
        database.execute("DROP TABLE IF EXISTS job")
        database.execute(f"PRAGMA user_version = {VERSION}")
    database.execute("CREATE TABLE IF NOT EXISTS job (id TEXT PRIMARY KEY, signature TEXT, columns TEXT) WITHOUT ROWID")
