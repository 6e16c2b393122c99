"""Bringing a label database of an earlier version up to date: numbered steps, one transaction, a backup before."""

import contextlib
import itertools
import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from workbench.core.errors import UserError
from workbench.core.formats import UPDATE
from workbench.preferences import tables

CREATION_LOCK = 5_105_417


def bring_up_to_date(engine: sa.Engine, file: Path | None) -> None:
    """Makes the tables of an empty database, or upgrades those of an older version; all of it or nothing.

    `file` is the SQLite file, which is copied to `<name>.v<version>.bak` before its first change; on a database
    server (None) backups are the operator's. Raises `UserError` when a newer version wrote it, or the copy fails.
    """
    with engine.connect().execution_options(immediate=True) as db, db.begin():
        if db.dialect.name == "postgresql":
            db.execute(sa.select(sa.func.pg_advisory_xact_lock(CREATION_LOCK)))
        version = _version(db)
        if version is None:
            tables.metadata.create_all(db)
            db.execute(tables.schema_version.insert().values(version=tables.SCHEMA_VERSION))
        elif version > tables.SCHEMA_VERSION:
            raise UserError(
                f"The labels are in schema version {version}, this program reads up to {tables.SCHEMA_VERSION}: "
                "they were written by a newer LLM Workbench.",
                UPDATE,
                "labels",
            )
        elif version < tables.SCHEMA_VERSION:
            if file is not None:
                back_up(file, version)
            for step in range(version, tables.SCHEMA_VERSION):
                UPGRADES[step](db)
            db.execute(tables.schema_version.update().values(version=tables.SCHEMA_VERSION))


def _version(db: sa.Connection) -> int | None:
    """The schema's version; None for a database without tables."""
    if not sa.inspect(db).has_table("schema_version"):
        return None
    return db.scalar(sa.select(tables.schema_version.c.version))


def back_up(file: Path, version: int) -> Path:
    """Copies a database whole, beside itself, without replacing an earlier copy; raises `UserError`."""
    target = file.with_name(f"{file.name}.v{version}.bak")
    number = 2
    while target.exists():
        target = file.with_name(f"{file.name}.v{version}-{number}.bak")
        number += 1
    partial = target.with_name(f".{target.name}.partial")
    try:
        with (
            contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as source,
            contextlib.closing(sqlite3.connect(partial)) as copy,
        ):
            source.backup(copy)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.rename(target)
    except (OSError, sqlite3.Error) as error:
        partial.unlink(missing_ok=True)
        raise UserError(
            f"The labels could not be copied before their upgrade: {error}.",
            "Nothing was changed. Make room beside them, then try again.",
            "labels",
        ) from error
    return target


def _to_2(db: sa.Connection) -> None:
    """Sessions can be closed and unblinded; leases belong to browsers; events say whether they were given blind.

    Leases last minutes and are not carried over: a pair that lay open is served again.
    """
    db.execute(sa.text("ALTER TABLE vote_event ADD COLUMN browser VARCHAR(100) NOT NULL DEFAULT ''"))
    no = "false" if db.dialect.name == "postgresql" else "0"
    db.execute(sa.text(f"ALTER TABLE vote_event ADD COLUMN unblinded BOOLEAN NOT NULL DEFAULT {no}"))
    db.execute(sa.text("DROP TABLE lease"))
    metadata = sa.MetaData()
    for name in ("session", "pair", "answer"):
        sa.Table(name, metadata, sa.Column("id", sa.Integer, primary_key=True))
    lease = sa.Table(
        "lease",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        _reference("session_id", "session.id"),
        _reference("pair_id", "pair.id", index=True),
        sa.Column("annotator", sa.Text, nullable=False),
        sa.Column("browser", sa.String(100), nullable=False),
        sa.Column("token", sa.String(64), nullable=False, unique=True),
        _reference("left_answer", "answer.id"),
        _reference("right_answer", "answer.id"),
        sa.Column("unblinded", sa.Boolean, nullable=False),
        sa.Column("expires", sa.Float(53), nullable=False),
        sa.Column("held_until", sa.Float(53), nullable=False),
        sa.UniqueConstraint("session_id", "browser"),
    )
    session_event = sa.Table(
        "session_event",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        _reference("session_id", "session.id", index=True),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("annotator", sa.Text, nullable=False),
        sa.Column("browser", sa.String(100), nullable=False),
        sa.Column("created", sa.String(40), nullable=False),
    )
    metadata.create_all(db, tables=[lease, session_event])


def _to_3(db: sa.Connection) -> None:
    """Sessions have tags and a note."""
    metadata = sa.MetaData()
    sa.Table("session", metadata, sa.Column("id", sa.Integer, primary_key=True))
    note = sa.Table(
        "session_note",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        _reference("session_id", "session.id", unique=True),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    metadata.create_all(db, tables=[note])


def _to_4(db: sa.Connection) -> None:
    """People have accounts; names that were typed before stay what they are in the votes."""
    metadata = sa.MetaData()
    person = sa.Table(
        "person",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("name_key", sa.String(250), nullable=False, unique=True),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("logins", sa.Integer, nullable=False),
        sa.Column("created", sa.String(40), nullable=False),
    )
    invitation = sa.Table(
        "invitation",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("person_id", sa.ForeignKey("person.id", ondelete="CASCADE"), nullable=True, index=True),
        sa.Column("expires", sa.Float(53), nullable=False),
        sa.Column("used", sa.String(40), nullable=False),
        sa.Column("created_by", sa.String(80), nullable=False),
        sa.Column("created", sa.String(40), nullable=False),
    )
    people_event = sa.Table(
        "people_event",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("created", sa.String(40), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
    )
    metadata.create_all(db, tables=[person, invitation, people_event])


def _to_5(db: sa.Connection) -> None:
    """People log in with accounts of the Hugging Face hub, too; owners decide who may join by it."""
    metadata = sa.MetaData()
    sa.Table("person", metadata, sa.Column("id", sa.Integer, primary_key=True))
    hub_account = sa.Table(
        "hub_account",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        _reference("person_id", "person.id", unique=True),
        sa.Column("hub_id", sa.String(80), nullable=False, unique=True),
        sa.Column("hub_name", sa.String(100), nullable=False),
        sa.Column("created", sa.String(40), nullable=False),
    )
    people_setting = sa.Table(
        "people_setting",
        metadata,
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("value", sa.String(200), nullable=False),
    )
    metadata.create_all(db, tables=[hub_account, people_setting])


def _to_6(db: sa.Connection) -> None:
    """Pairs carry how many votes of theirs stand: blind ones that no blind undo took back; skips are no votes."""
    db.execute(sa.text("ALTER TABLE pair ADD COLUMN votes INTEGER NOT NULL DEFAULT 0"))
    standing = """SELECT count(*) FROM vote_event v
        WHERE v.pair_id = pair.id AND v.kind = 'vote' AND v.choice <> 'skip' AND v.unblinded = :no
        AND NOT EXISTS (SELECT 1 FROM vote_event u WHERE u.undoes = v.id AND u.unblinded = :no)"""
    db.execute(sa.text(f"UPDATE pair SET votes = ({standing})"), {"no": False})  # noqa: S608 -- our own words alone
    db.execute(sa.text("CREATE INDEX pair_by_votes ON pair (session_id, state, votes)"))


def _to_7(db: sa.Connection) -> None:
    """Sessions have settings, a state and guidelines; votes a strength, aspects, reasons, edits and rankings."""
    mapping = "JSON NOT NULL DEFAULT '{}'"
    text = "TEXT NOT NULL DEFAULT ''"
    number = "INTEGER NOT NULL DEFAULT 0"
    added = {
        "session": {"settings": mapping, "state": "VARCHAR(10) NOT NULL DEFAULT 'open'"},
        "pair": {
            "kind": "VARCHAR(10) NOT NULL DEFAULT 'judged'", "expected": "VARCHAR(10) NOT NULL DEFAULT ''",
            "explanation": text, "matchup": number,
        },
        "lease": {"ranked_answers": "JSON"},
        "vote_event": {
            "strength": number, "aspects": mapping, "reason": text, "edited_text": text,
            "edited_side": "VARCHAR(10) NOT NULL DEFAULT ''", "ranking": "JSON", "guideline": number,
        },
        "session_event": {"subject": text},
    }  # fmt: skip
    for table, columns in added.items():
        for name, kind in columns.items():
            db.execute(sa.text(f"ALTER TABLE {table} ADD COLUMN {name} {kind}"))
    db.execute(sa.text("CREATE INDEX pair_of_kind ON pair (session_id, kind)"))
    closed = "SELECT 1 FROM session_event e WHERE e.session_id = session.id AND e.kind = 'closed'"
    db.execute(sa.text(f"UPDATE session SET state = 'closed' WHERE EXISTS ({closed})"))  # noqa: S608 -- our own words alone
    number_matchups(db)
    metadata = sa.MetaData()
    sa.Table("session", metadata, sa.Column("id", sa.Integer, primary_key=True))
    guideline = sa.Table(
        "guideline",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        _reference("session_id", "session.id"),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("created", sa.String(40), nullable=False),
        sa.UniqueConstraint("session_id", "version"),
    )
    metadata.create_all(db, tables=[guideline])


def number_matchups(db: sa.Connection) -> None:
    """Gives every pair the number of the two models that meet in it, 1000 × index of A + index of B."""
    for session, models in db.execute(sa.text("SELECT id, models FROM session")).all():
        names = json.loads(models) if isinstance(models, str) else models
        for i, j in itertools.combinations(range(len(names)), 2):
            db.execute(
                sa.text(
                    "UPDATE pair SET matchup = :matchup WHERE session_id = :session"
                    " AND answer_a IN (SELECT id FROM answer WHERE model = :a)"
                    " AND answer_b IN (SELECT id FROM answer WHERE model = :b)"
                ),
                {"matchup": 1000 * i + j, "session": session, "a": names[i], "b": names[j]},
            )


def _reference(name: str, column: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.ForeignKey(column, ondelete="CASCADE"), nullable=False, **options)


UPGRADES: dict[int, Callable[[sa.Connection], None]] = {1: _to_2, 2: _to_3, 3: _to_4, 4: _to_5, 5: _to_6, 6: _to_7}
"""By the version a step starts from. A step spells out its own tables: those of `tables` move on."""
