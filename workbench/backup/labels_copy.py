"""A whole copy of the labels as one SQLite file, taken while votes come in, and such a copy put into a database.

The copy holds every vote that was acknowledged before it began: SQLite's online backup copies one state of the file;
a server's rows are read in one transaction that sees one state.
Source: https://www.sqlite.org/backup.html
"""

import contextlib
import os
import sqlite3
from pathlib import Path

import sqlalchemy as sa

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.preferences import migrations, store, tables

ROWS = 1_000
COPIED = [table for table in tables.metadata.sorted_tables if table.name != tables.schema_version.name]


def copy_labels(home: Home, target: Path) -> int:
    """Writes the copy; how many events of votes are in it. Raises `UserError` when the labels cannot be read."""
    with store.reading(home) as db:  # made, or brought to today's schema
        file = store.file_of(home)
        if file is None:
            with _file_engine(target).begin() as written:
                tables.metadata.create_all(written)
                written.execute(tables.schema_version.insert().values(version=tables.SCHEMA_VERSION))
                copy_rows(db, written)
    if file is not None:
        uri = f"{file.as_uri()}?mode=ro"
        with (
            contextlib.closing(sqlite3.connect(uri, uri=True)) as source,
            contextlib.closing(sqlite3.connect(target)) as written_file,
        ):
            source.backup(written_file)
    with target.open("rb") as opened:
        os.fsync(opened.fileno())
    with contextlib.closing(sqlite3.connect(target)) as counted:
        return int(counted.execute("SELECT count(*) FROM vote_event").fetchone()[0])


def copy_rows(source: sa.Connection, target: sa.Connection) -> None:
    """Copies every row of every table into an empty database of the same schema, with their ids."""
    for table in COPIED:
        keys = list(table.primary_key.columns)
        # in the order of their ids: an undo comes after what it undoes
        rows = source.execution_options(yield_per=ROWS).execute(sa.select(table).order_by(*keys))
        for part in rows.mappings().partitions(ROWS):
            target.execute(table.insert(), [dict(row) for row in part])
        if target.dialect.name == "postgresql" and "id" in table.c:  # else the next row would take an id that is used
            following = sa.select(sa.func.coalesce(sa.func.max(table.c.id), 0) + 1).scalar_subquery()
            sequence = sa.func.pg_get_serial_sequence(table.name, "id")
            target.execute(sa.select(sa.func.setval(sequence, following, False)))


def upgrade_copy(file: Path) -> None:
    """Brings a copy that an older version wrote to today's schema; raises `UserError` for one of a newer version."""
    migrations.bring_up_to_date(_file_engine(file), None)


def holds_nothing(home: Home) -> bool:
    """Whether the database that the settings name holds nothing yet."""
    with store.reading(home) as db:
        return all(db.execute(sa.select(table).limit(1)).first() is None for table in COPIED)


def load_labels(home: Home, file: Path) -> None:
    """Puts the rows of a copy into the server's database that the settings name; all of them or none.

    Raises `UserError` when there are rows already.
    """
    if not holds_nothing(home):
        raise UserError(
            "The database of the labels is not empty.",
            "Make a new one (`createdb`), and name it in WORKBENCH_LABELS_URL.",
            store.URL_VARIABLE,
        )
    with _file_engine(file).connect() as source, store.writing(home) as target:
        copy_rows(source, target)


def _file_engine(file: Path) -> sa.Engine:
    """An engine of a file that nobody else has open; it keeps no connection."""
    return sa.create_engine(sa.URL.create("sqlite", database=str(file)), poolclass=sa.pool.NullPool)
