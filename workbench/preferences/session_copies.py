"""A labelling session as text, with its answers, votes and notes, and the session made of it again.

What has been judged is told to nobody by this: the text lies in the bin, where only the home's owner can read it, as in
the database itself. Leases last minutes and are left out.
"""

import json
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from workbench.core.change_log import record_change
from workbench.core.errors import UserError
from workbench.core.home import Home, remove_entry, safe_name
from workbench.core.recycle_bin import BinEntry, name_taken, put_text_in_bin, record_restored, refuse_damaged
from workbench.preferences import store, tables, vote_counts
from workbench.preferences.migrations import number_matchups
from workbench.preferences.sessions import find_session

COPY_KIND = "session copy 1"
PARTS = {
    "prompt": tables.prompts, "answer": tables.answers, "pair": tables.pairs, "vote_event": tables.vote_events,
    "session_event": tables.session_events, "session_note": tables.session_notes, "guideline": tables.guidelines,
}  # fmt: skip
"""What hangs on a session, in the order in which rows refer to one another."""
REFERENCES = {
    "session_id": "session", "prompt_id": "prompt", "pair_id": "pair", "answer_a": "answer", "answer_b": "answer",
    "undoes": "vote_event",
}  # fmt: skip
"""Columns that hold the id of a row of another of these tables."""


def session_copy(db: sa.Connection, row: Any) -> str:
    """The rows of a session as JSON, read in the transaction of `db`."""
    mine = sa.select(tables.prompts.c.id).where(tables.prompts.c.session_id == row.id)
    content: dict[str, list[dict[str, Any]]] = {"session": [dict(row._mapping)]}
    for name, table in PARTS.items():
        within = table.c.prompt_id.in_(mine) if name == "answer" else table.c.session_id == row.id
        content[name] = [
            dict(each._mapping) for each in db.execute(sa.select(table).where(within).order_by(table.c.id))
        ]
    return json.dumps({"format": COPY_KIND, "schema": tables.SCHEMA_VERSION, "tables": content}, ensure_ascii=False)


def delete_session(home: Home, session: str) -> None:
    """Puts a session with its answers and all its votes into the bin: a file there has them, the database no more."""
    copy: Path | None = None
    try:
        with store.writing(home) as db:
            row = find_session(db, session, lock=True)
            copy = put_text_in_bin(home, "session", session, session_copy(db, row))
            db.execute(tables.sessions.delete().where(tables.sessions.c.id == row.id))
    except BaseException:
        if copy is not None:
            copy.unlink(missing_ok=True)
        raise
    record_change(home.root, "deleted", "session", session, bin=copy.stem)


def restore_session(home: Home, entry: BinEntry, name: str = "") -> str:
    """Makes a session of the bin's again, under its name or another, with every answer and vote; the name it has now.

    Raises `UserError` when the name is taken, or the file is damaged or of a newer version; nothing is changed then.
    """
    refuse_damaged(entry)
    new_name = safe_name(name or entry.name)
    content = _read(entry)
    try:
        with store.writing(home) as db:
            _refuse_known(db, entry, content, new_name)
            ids: dict[str, dict[Any, int]] = {}
            for table_name, table in {"session": tables.sessions, **PARTS}.items():
                ids[table_name] = {}
                for row in content[table_name]:
                    values = _values(table, row, ids)
                    if table_name == "session":
                        values["name"] = new_name
                        values.setdefault("state", _state_before_7(content))
                    key = db.execute(table.insert().values(values)).inserted_primary_key
                    assert key is not None
                    ids[table_name][row["id"]] = int(key[0])
            number_matchups(db)
            vote_counts.recount_all(db)
    except (KeyError, TypeError, AttributeError, ValueError, sa.exc.StatementError) as error:
        raise _damaged(entry, f"{type(error).__name__}: {error}"[:200]) from error
    remove_entry(entry.path)
    record_restored(home, entry, new_name)
    return new_name


def _state_before_7(content: dict[str, Any]) -> str:
    """What a session's state was in copies that do not say it."""
    return "closed" if any(event["kind"] == "closed" for event in content["session_event"]) else "open"


def _refuse_known(db: sa.Connection, entry: BinEntry, content: dict[str, Any], name: str) -> None:
    """Raises `UserError` when the name is taken, or the session was never deleted: the process died before it was."""
    seed = content["session"][0]["seed"]
    same = db.scalar(sa.select(tables.sessions.c.name).where(tables.sessions.c.seed == seed))
    if same:
        raise UserError(f"The session is still there, as {same!r}.", "Remove this entry from the bin.", "item")
    if db.scalar(sa.select(tables.sessions.c.id).where(tables.sessions.c.name == name)):
        raise name_taken(entry, name)


def _values(table: sa.Table, row: dict[str, Any], ids: dict[str, dict[Any, int]]) -> dict[str, Any]:
    """A row as it is inserted: without its id, and with the ids that what it refers to has now."""
    values = {}
    for column in table.columns:
        if column.name == "id" or column.name not in row:
            continue
        value = row[column.name]
        refers = REFERENCES.get(column.name)
        values[column.name] = ids[refers][value] if refers and value is not None else value
    return values


def _read(entry: BinEntry) -> dict[str, Any]:
    try:
        data = json.loads(entry.path.read_text(encoding="utf-8"))
        version, content = data["schema"], {"guideline": [], **data["tables"]}
        whole = all(isinstance(content[name], list) for name in ("session", *PARTS)) and len(content["session"]) == 1
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise _damaged(entry, type(error).__name__) from error
    if data.get("format") != COPY_KIND or not isinstance(version, int) or version > tables.SCHEMA_VERSION:
        raise UserError(
            f"{entry.name} was deleted by a newer LLM Workbench.", "Update this one, then restore it.", "item"
        )
    if not whole:
        raise _damaged(entry, "rows are missing")
    return dict(content)


def _damaged(entry: BinEntry, why: str) -> UserError:
    return UserError(f"The copy of the session {entry.name} is damaged ({why}).", "It stays in the bin.", "item")
