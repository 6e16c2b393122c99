"""The label store: tables, connections and transactions, on SQLite or PostgreSQL through the same code."""

import contextlib
import functools
import os
import time
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from workbench.errors import UserError
from workbench.home import Home

SCHEMA_VERSION = 1
URL_VARIABLE = "WORKBENCH_LABELS_URL"
CREATION_LOCK = 5_105_417

metadata = sa.MetaData()


def _reference(column: str) -> Any:
    return sa.ForeignKey(column, ondelete="CASCADE")


schema_version = sa.Table("schema_version", metadata, sa.Column("version", sa.Integer, primary_key=True))

sessions = sa.Table(
    "session",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(80), nullable=False, unique=True),
    sa.Column("models", sa.JSON, nullable=False),
    sa.Column("prompts_name", sa.Text, nullable=False),
    sa.Column("made_by", sa.JSON, nullable=False),
    sa.Column("votes_per_pair", sa.Integer, nullable=False),
    sa.Column("seed", sa.String(32), nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
    sa.Column("complete", sa.Boolean, nullable=False),
)

prompts = sa.Table(
    "prompt",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("session_id", _reference("session.id"), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("messages", sa.JSON, nullable=False),
    sa.UniqueConstraint("session_id", "position"),
)

answers = sa.Table(
    "answer",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("prompt_id", _reference("prompt.id"), nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("finish", sa.String(10), nullable=False),
    sa.Column("tokens", sa.Integer, nullable=False),
    sa.UniqueConstraint("prompt_id", "model"),
)

pairs = sa.Table(
    "pair",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("session_id", _reference("session.id"), nullable=False),
    sa.Column("prompt_id", _reference("prompt.id"), nullable=False, index=True),
    sa.Column("answer_a", _reference("answer.id"), nullable=False, index=True),
    sa.Column("answer_b", _reference("answer.id"), nullable=False, index=True),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("rank", sa.BigInteger, nullable=False),
    sa.Index("pair_in_order", "session_id", "state", "rank"),
)

leases = sa.Table(
    "lease",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("session_id", _reference("session.id"), nullable=False),
    sa.Column("pair_id", _reference("pair.id"), nullable=False, index=True),
    sa.Column("annotator", sa.Text, nullable=False),
    sa.Column("token", sa.String(64), nullable=False, unique=True),
    sa.Column("left_answer", _reference("answer.id"), nullable=False),
    sa.Column("right_answer", _reference("answer.id"), nullable=False),
    sa.Column("expires", sa.Float(53), nullable=False),
    sa.UniqueConstraint("session_id", "annotator"),
)

vote_events = sa.Table(
    "vote_event",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("session_id", _reference("session.id"), nullable=False),
    sa.Column("pair_id", _reference("pair.id"), nullable=False, index=True),
    sa.Column("annotator", sa.Text, nullable=False),
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("choice", sa.String(10), nullable=False),
    sa.Column("left_model", sa.Text, nullable=False),
    sa.Column("right_model", sa.Text, nullable=False),
    sa.Column("seconds", sa.Float(53), nullable=False),
    sa.Column("key", sa.String(200), nullable=False, unique=True),
    sa.Column("undoes", _reference("vote_event.id"), nullable=True, unique=True),
    sa.Column("created", sa.String(40), nullable=False),
    sa.Index("vote_event_of_annotator", "session_id", "annotator"),
)


def clock() -> float:
    """Seconds since the epoch, by which leases expire."""
    return time.time()


def location(home: Home) -> sa.URL:
    """Where the labels are: WORKBENCH_LABELS_URL if set, else labels.sqlite in the home; raises `UserError`."""
    given = os.environ.get(URL_VARIABLE, "").strip()
    if not given:
        return sa.URL.create("sqlite", database=str(home.labels))
    try:
        return sa.make_url(given)
    except sa.exc.ArgumentError:
        raise UserError("is not a database address.", _EXAMPLE, URL_VARIABLE) from None


_EXAMPLE = "Write it like postgresql+psycopg://user:password@host/labels, or unset it to use SQLite."


def engine(home: Home) -> sa.Engine:
    """The engine of that home's labels, with the schema made if missing; one per address and process.

    Raises `UserError` when the database cannot be opened or was made by a newer version.
    """
    return _open(location(home), os.getpid())


@functools.lru_cache(maxsize=32)
def _open(url: sa.URL, _process: int) -> sa.Engine:
    """Cached by process too: a connection carried through a fork would corrupt the file."""
    try:
        made = sa.create_engine(url)
    except ImportError as error:
        driver = "Install the driver of that database, for PostgreSQL: pip install 'psycopg[binary]'."
        raise UserError(f"needs a driver: {error}.", driver, URL_VARIABLE) from None
    except sa.exc.ArgumentError as error:
        raise UserError(f"cannot be used: {error}.", _EXAMPLE, URL_VARIABLE) from None
    if made.dialect.name == "sqlite":
        event.listen(made, "connect", _prepare_sqlite)
        event.listen(made, "begin", _begin_sqlite)
    with _plain_errors():
        _make_schema(made)
    return made


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late to keep two writers apart
    cursor = connection.cursor()
    for setting in ("busy_timeout = 10000", "synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {setting}")
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        _switch_to_wal(cursor)
    cursor.close()


def _switch_to_wal(cursor: Any) -> None:
    """Retries for 10 s: changing the mode of a new file does not wait for other openers as other locks do."""
    end = time.monotonic() + 10
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except Exception:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def _begin_sqlite(connection: sa.Connection) -> None:
    immediate = connection.get_execution_options().get("immediate")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _make_schema(made: sa.Engine) -> None:
    with made.connect().execution_options(immediate=True) as connection, connection.begin():
        if made.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(CREATION_LOCK)))
        metadata.create_all(connection)
        found = connection.scalar(sa.select(schema_version.c.version))
        if found is None:
            connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))
        elif found != SCHEMA_VERSION:
            raise UserError(
                f"The labels are in schema version {found}; this program reads version {SCHEMA_VERSION}.",
                "Use the version of the workbench that wrote them.",
                "labels",
            )


@contextlib.contextmanager
def reading(home: Home) -> Iterator[sa.Connection]:
    """A connection that sees one consistent state; raises `UserError` when the database fails."""
    with _plain_errors(), engine(home).connect() as connection, connection.begin():
        yield connection


@contextlib.contextmanager
def writing(home: Home) -> Iterator[sa.Connection]:
    """A transaction that holds the write lock from its start and is on the disk when the block has ended.

    On PostgreSQL the lock is the session's row, which every writer selects FOR UPDATE first.
    Raises `UserError` when the database fails; nothing is saved then.
    """
    with (
        _plain_errors(),
        engine(home).connect().execution_options(immediate=True) as connection,
        connection.begin(),
    ):
        yield connection


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise UserError(
            f"The label database failed: {error.orig}.",
            "Nothing was saved by this step. Check the disk and the database, then try again.",
            "labels",
        ) from error
