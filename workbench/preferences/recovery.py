"""A damaged or lost label database: what is wrong with it, and saving what can be read into a new one."""

import contextlib
import itertools
import json
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from workbench.core.change_log import record_change
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.preferences import failures, store, tables, vote_counts

NOT_SAVED = {"schema_version", "lease"}
SAVED = tuple(table.name for table in tables.metadata.sorted_tables if table.name not in NOT_SAVED)
"""Tables in the order in which their rows refer to one another; leases are not worth saving."""
JSON_COLUMNS = {
    table.name: tuple(column.name for column in table.columns if isinstance(column.type, sa.JSON))
    for table in tables.metadata.sorted_tables
}
Row = tuple[Any, ...]


@dataclass
class Recovered:
    """`aside`: the folder with the files as they were, None if there were none. `rows`: what was saved, by table.

    `dropped`: rows that could be read, but refer to others that could not; they are in the files set aside only.
    """

    aside: Path | None = None
    rows: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SAVED, 0))
    dropped: int = 0

    def sentence(self) -> str:
        where = f" The damaged files lie in {self.aside.name}." if self.aside else ""
        if not any(self.rows.values()):
            return f"A new label database was begun; nothing could be read from the old one.{where}"
        lost = f" {self.dropped} rows refer to others that are lost and were not saved." if self.dropped else ""
        return (
            f"Saved into a new label database: {self.rows['session']} sessions, {self.rows['answer']} answers, "
            f"{self.rows['vote_event']} votes, skips and undos.{lost}{where}"
        )


def trouble(home: Home) -> UserError | None:
    """Why labels cannot be read or written now; None when they can."""
    try:
        store.check_labels(home)
    except UserError as error:
        return error
    return None


def recover(home: Home) -> Recovered:
    """Reads what can be read of a damaged database into a new one, and sets the damaged files aside as they were.

    A vote whose undo could not be read stands again. A database that is missing is begun anew. Raises `UserError`
    when nothing is wrong with it, it is on a server, or the disk has no room; everything is as before then.
    """
    file, wrong = store.file_of(home), trouble(home)
    if file is None:
        raise UserError("The labels are on a database server.", "Restore them there, from its backups.", "labels")
    if not isinstance(wrong, failures.LabelsUnusable):
        reason = "Nothing is wrong with the label database." if wrong is None else wrong.message
        raise UserError(reason, "It was left as it is.", "labels")
    recovered = Recovered()
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".labels-recovery-") as folder:
        try:
            new = _new_database(Path(folder), file, recovered)
            store.forget(home)
            recovered.aside = _set_aside(file)
            new.replace(file)
        except (OSError, sqlite3.Error) as error:
            raise UserError(
                f"The labels could not be saved into a new database: {error}.", "Make room, then try again.", "labels"
            ) from error
    record_change(home.root, "recovered", "setting", "label database", rows=sum(recovered.rows.values()))
    return recovered


def _new_database(folder: Path, damaged: Path, recovered: Recovered) -> Path:
    """A whole database in `folder` with the rows of a copy of the damaged one: reading may change a database."""
    (copy_folder := folder / "copy").mkdir()
    for path in filter(Path.is_file, _files(damaged)):
        shutil.copyfile(path, copy_folder / path.name)
    new = folder / damaged.name
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(new)))
    with engine.begin() as db:
        tables.metadata.create_all(db)
        db.execute(tables.schema_version.insert().values(version=tables.SCHEMA_VERSION))
    copy = copy_folder / damaged.name
    if copy.exists():
        with contextlib.closing(sqlite3.connect(copy)) as source, contextlib.closing(sqlite3.connect(new)) as target:
            source.execute("PRAGMA writable_schema = ON")  # reads a file that is shorter than its header says
            with target:
                for table in SAVED:
                    recovered.rows[table] = _save(source, target, table)
                recovered.dropped = _drop_orphans(target, recovered)
    with engine.begin() as db:
        vote_counts.recount_all(db)
    engine.dispose()
    with new.open("rb") as written:
        os.fsync(written.fileno())
    return new


def _save(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> int:
    """Copies the readable rows of a table; the columns an earlier version did not have take their defaults."""
    try:
        present = [row[1] for row in source.execute(f"PRAGMA table_info({table})")]
    except sqlite3.DatabaseError:
        return 0
    expected = [column.name for column in tables.metadata.tables[table].columns]
    columns = [name for name in expected if name in present]
    if not columns:
        return 0
    json_indices = [columns.index(name) for name in JSON_COLUMNS.get(table, ())]
    insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 -- names of our own schema
    count = 0
    for row in readable_rows(source, table, columns):
        if not all(_is_json(row[index]) for index in json_indices):
            continue
        with contextlib.suppress(sqlite3.IntegrityError):  # what damage left may stand twice or lack a value
            target.execute(insert, row)
            count += 1
    return count


def _is_json(text: Any) -> bool:
    if text is None:
        return True
    try:
        json.loads(text)
    except (ValueError, TypeError):
        return False
    return True


def readable_rows(db: sqlite3.Connection, table: str, columns: list[str]) -> Iterator[Row]:
    """The rows in the order of their ids, damaged pages skipped: after each the next readable one is searched."""
    query = f"SELECT rowid, {', '.join(columns)} FROM {table} WHERE rowid >= ? ORDER BY rowid"  # noqa: S608 -- names of our own schema

    def readable(start: int) -> bool:
        try:
            return db.execute(f"{query} LIMIT 1", (start,)).fetchone() is not None
        except (sqlite3.DatabaseError, OverflowError):
            return False

    start: int | None = 0
    while start is not None:
        following = start
        try:
            for row in db.execute(query, (start,)):
                following = row[0] + 1
                yield row[1:]
            return
        except sqlite3.DatabaseError:
            start = _next_readable(readable, following + (following == start))


def _next_readable(readable: Callable[[int], bool], damaged: int) -> int | None:
    """The least id after a damaged one from which rows can be read; None when there is none."""
    steps = (damaged + (1 << power) for power in range(40))
    beyond = next((step for step in itertools.chain([damaged], steps) if readable(step)), None)
    if beyond is None:
        return None
    low, high = damaged, beyond
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if readable(middle) else (middle + 1, high)
    return high


def _drop_orphans(target: sqlite3.Connection, recovered: Recovered) -> int:
    """Deletes rows that refer to what could not be read, until none is left; how many those were."""
    dropped = 0
    while orphans := {(row[0], row[1]) for row in target.execute("PRAGMA foreign_key_check")}:
        for table, row_id in orphans:
            target.execute(f"DELETE FROM {table} WHERE rowid = ?", (row_id,))  # noqa: S608 -- names of our own schema
            recovered.rows[table] -= 1
        dropped += len(orphans)
    return dropped


def _files(file: Path) -> list[Path]:
    """The database's file and its journals, those of them that are there."""
    return [path for suffix in ("", "-wal", "-shm") if (path := file.with_name(file.name + suffix)).exists()]


def _set_aside(file: Path) -> Path | None:
    """Moves a database's files into a folder beside it."""
    if not (paths := _files(file)):
        return None
    aside = file.with_name(f"{file.stem}-damaged-{time.strftime('%Y%m%d-%H%M%S')}")
    aside.mkdir()
    for path in paths:
        path.rename(aside / path.name)
    return aside
