"""Connections to the label database and its transactions, on SQLite or PostgreSQL through the same code.

The tables are in `tables`, upgrades of older files in `migrations`, what can go wrong with the file in `failures`.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.settings import Settings, variable_of
from workbench.preferences import failures, migrations, storage_locks, tables

URL_VARIABLE = variable_of("labels_url")
_EXAMPLE = "Write it like postgresql+psycopg://user:password@host/labels, or unset it to use SQLite."


def clock() -> float:
    """Seconds since the epoch, by which leases expire."""
    return time.time()


def location(home: Home) -> sa.URL:
    """Where the labels are: where the operator says, else labels.sqlite in the home; raises `UserError`."""
    address = Settings.current().labels_url.get_secret_value()
    if not address:
        return sa.URL.create("sqlite", database=str(home.labels))
    try:
        return sa.make_url(address)
    except sa.exc.ArgumentError:
        raise UserError("is not a database address.", _EXAMPLE, URL_VARIABLE) from None


def file_of(home: Home) -> Path | None:
    """The SQLite file of the labels; None when they are on a database server. Raises `UserError`."""
    url = location(home)
    return Path(url.database or "").absolute() if url.get_backend_name() == "sqlite" else None


@dataclass
class _OpenFile:
    """A file this process has open: its engine, which file it is, and what is damaged in it, if anything."""

    engine: sa.Engine
    identity: failures.Identity
    damage: str = ""


_files: dict[tuple[Path, int], _OpenFile] = {}
_unsafe: dict[Path, UserError] = {}
_turns: dict[tuple[Path, int], threading.Lock] = {}
_servers: dict[tuple[sa.URL, int], sa.Engine] = {}
_lock = threading.Lock()


def engine(home: Home) -> sa.Engine:
    """The engine of that home's labels, with the schema made if missing; one per address and process.

    A file that was replaced since is opened anew. Raises `UserError` when the database cannot be opened or was made
    by a newer version, `LabelsUnusable` when its file is damaged, or gone while this process had it open.
    """
    file = file_of(home)
    if file is None:
        return _server(location(home))
    with _lock:
        return _current(file).engine


def _current(file: Path) -> _OpenFile:
    key = file, os.getpid()  # by process: a connection carried through a fork would corrupt the file
    cached, identity = _files.get(key), failures.file_identity(file)
    if cached and cached.identity == identity:
        return cached
    if identity is None and (cached or failures.journal_remains(file)):
        raise failures.labels_missing(file)
    if cached:
        del _files[key]
        cached.engine.dispose()
    new_engine = _connected(sa.URL.create("sqlite", database=str(file)))
    with failures.explaining(file):
        failures.check_whole(file)
        migrations.bring_up_to_date(new_engine, file)
    opened = failures.file_identity(file)
    if opened is None or (identity is not None and opened != identity):
        new_engine.dispose()
        raise failures.labels_missing(file)
    _files[key] = _OpenFile(new_engine, opened)
    return _files[key]


def forget(home: Home) -> None:
    """Closes this process's connections to the labels, so that the next call opens what is there then."""
    file = file_of(home)
    with _lock:
        if file is None:
            opened = _servers.pop((location(home), os.getpid()), None)
        else:
            cached = _files.pop((file, os.getpid()), None)
            opened = cached.engine if cached else None
    if opened:
        opened.dispose()


def _server(url: sa.URL) -> sa.Engine:
    key = url, os.getpid()
    with _lock:
        if key not in _servers:
            new_engine = _connected(url)
            with failures.explaining(None):
                migrations.bring_up_to_date(new_engine, None)
            _servers[key] = new_engine
        return _servers[key]


def _connected(url: sa.URL) -> sa.Engine:
    try:
        # a database server may have been restarted since a connection was last used
        new_engine = sa.create_engine(url, pool_pre_ping=url.get_backend_name() != "sqlite")
    except ImportError as error:
        driver = "Install the driver of that database, for PostgreSQL: pip install 'psycopg[binary]'."
        raise UserError(f"needs a driver: {error}.", driver, URL_VARIABLE) from None
    except sa.exc.ArgumentError as error:
        raise UserError(f"cannot be used: {error}.", _EXAMPLE, URL_VARIABLE) from None
    if new_engine.dialect.name == "sqlite":
        event.listen(new_engine, "connect", _prepare_sqlite)
        event.listen(new_engine, "begin", _begin_sqlite)
    return new_engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late to keep two writers apart
    cursor = connection.cursor()
    for setting in ("busy_timeout = 10000", "synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {setting}")
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        _switch_to_wal(cursor)
    cursor.close()


def _switch_to_wal(cursor: Any) -> None:
    """Retries for 10 s while others open the same new file: changing its mode does not wait as other locks do."""
    end = time.monotonic() + 10
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except Exception as error:
            if not failures.is_busy(error) or time.monotonic() > end:
                raise
            time.sleep(0.02)


def _begin_sqlite(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    durable = bool(options.get("durable", True))
    if connection.info.get("durable", True) is not durable:  # it cannot be changed within a transaction
        connection.exec_driver_sql(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.info["durable"] = durable
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("immediate") else "BEGIN")


@contextlib.contextmanager
def reading(home: Home) -> Iterator[sa.Connection]:
    """A connection that sees one consistent state; raises `UserError` when the database fails."""
    with _failing_plainly(home), engine(home).connect() as connection:
        if connection.dialect.name == "postgresql":  # where each statement would see what was committed meanwhile
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


def insert_unique(db: sa.Connection, statement: sa.Insert, taken: UserError) -> sa.CursorResult[Any]:
    """Inserts a row; raises `taken` when somebody else has inserted one with the same name at the same moment.

    On SQLite writers come one after another, so that a look beforehand is enough; on PostgreSQL two may have looked.
    """
    try:
        with db.begin_nested():
            return db.execute(statement)
    except sa.exc.IntegrityError:
        raise taken from None


def check_labels(home: Home) -> None:
    """Raises `UserError` when labels cannot be read, or plainly could not be written."""
    file = file_of(home)
    if file:
        _refuse_damaged(file)
    with reading(home) as db:
        db.execute(sa.select(tables.sessions.c.id).limit(1)).first()
    if file and not all(os.access(path, os.W_OK) for path in (file, file.parent)):
        raise failures.read_only(file)


def check_storage(home: Home) -> UserError | None:
    """Tries whether the storage of the labels' file can keep votes. From then on nothing is written where it cannot.

    Some hundred milliseconds, for the start of a server. None where all is well, or a database server has the labels.
    """
    file = file_of(home)
    if file is None:
        return None
    found = storage_locks.storage_problem(file.parent)
    if found is None:
        _unsafe.pop(file, None)
    else:
        _unsafe[file] = found
    return found


@contextlib.contextmanager
def writing(home: Home, durable: bool = True) -> Iterator[sa.Connection]:
    """A transaction that holds the write lock from its start and is on the disk when the block has ended.

    What is not `durable` is kept by a process that is killed, and may be lost when the power fails, whole: leases,
    which nobody was promised. A durable transaction takes all before it to the disk.

    On PostgreSQL the lock is the session's row, which every writer selects FOR UPDATE first. On SQLite the files
    that were written must still be the ones their names lead to, before and after the commit: what went into a
    file that was moved away or deleted meanwhile is not kept. Raises `UserError` when the database fails or its
    files are gone: count on nothing of the block being saved then.
    """
    file = file_of(home)
    with _failing_plainly(home):
        if file:
            if file in _unsafe:
                raise _unsafe[file]
            _refuse_damaged(file)
        options = {"immediate": True, "durable": durable}
        # threads of this process wait for each other here, each as long as the other writes: SQLite would have them
        # look again after pauses of up to a tenth of a second, in which others come first
        with _turn(file), engine(home).connect().execution_options(**options) as connection:
            with connection.begin():
                if not durable and file is None:
                    connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
                _check_not_replaced(connection, file)
                yield connection
            _check_not_replaced(connection, file)


def _turn(file: Path | None) -> contextlib.AbstractContextManager[Any]:
    return _turns.setdefault((file, os.getpid()), threading.Lock()) if file else contextlib.nullcontext()


def _refuse_damaged(file: Path) -> None:
    cached = _files.get((file, os.getpid()))
    if cached and cached.damage and failures.file_identity(file) == cached.identity:
        raise failures.damaged_labels(file, cached.damage)


def _check_not_replaced(connection: sa.Connection, file: Path | None) -> None:
    """Raises when the file or its journal is not the one this connection has open.

    SQLite keeps a journal's name and inode for as long as one connection is open, so any other was put there.
    """
    if file is None:
        return
    identities = failures.file_identity(file), failures.file_identity(failures.journal(file))
    if None in identities or connection.info.setdefault("files", identities) != identities:
        connection.invalidate()
        _discard(file)
        raise failures.labels_missing(file)


def _discard(file: Path) -> None:
    """Closes the connections to files that were replaced; the entry stays, so that a missing file is noticed."""
    with _lock:
        if cached := _files.get((file, os.getpid())):
            cached.engine.dispose()


@contextlib.contextmanager
def _failing_plainly(home: Home) -> Iterator[None]:
    """Turns the driver's errors into `UserError`, and remembers damage: nothing is written to that file any more."""
    file = file_of(home)
    try:
        with failures.explaining(file):
            yield
    except failures.LabelsUnusable as error:
        cached = _files.get((file, os.getpid())) if file else None
        if cached and error.state == failures.DAMAGED:
            cached.damage = cached.damage or error.detail
        raise
