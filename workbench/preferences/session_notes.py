"""The tags and notes of labelling sessions: rows of the label database, where the sessions themselves are.

So they are gone with their session, are copied and recovered with its votes, and are the same for every home that
shares a database server. A file in the home would be neither.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from workbench.core.change_log import record_change
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.notes import NO_NOTES, UserNotes, check_note, check_tags
from workbench.preferences import store, tables
from workbench.preferences.sessions import find_session


@dataclass(frozen=True)
class SessionOverview:
    """What lists show of a session without counting its votes; `models` are named only once it is closed.

    `state` is one of `sessions.STATES`.
    """

    name: str
    models: tuple[str, ...]
    prompts_name: str
    created: str
    closed: bool
    notes: UserNotes
    state: str = "open"


_SESSIONS, _NOTES, _EVENTS = tables.sessions, tables.session_notes, tables.session_events
_OVERVIEWS = (
    sa.select(
        *(_SESSIONS.c.id, _SESSIONS.c.name, _SESSIONS.c.models, _SESSIONS.c.prompts_name, _SESSIONS.c.created),
        _SESSIONS.c.state,
        *(_NOTES.c.tags, _NOTES.c.note),
    )
    .outerjoin(_NOTES, _NOTES.c.session_id == _SESSIONS.c.id)
    .order_by(_SESSIONS.c.id.desc())
)
_CLOSED = sa.select(_EVENTS.c.session_id).where(_EVENTS.c.kind == "closed")


def session_overviews(home: Home) -> list[SessionOverview]:
    """All sessions, the newest first, in two queries."""
    with store.reading(home) as db:
        closed = set(db.scalars(_CLOSED))
        rows = db.execute(_OVERVIEWS).all()
    return [
        SessionOverview(
            row.name, tuple(row.models) if row.id in closed else (), row.prompts_name, row.created, row.id in closed,
            NO_NOTES if row.tags is None else _checked(row.tags, row.note), row.state,
        )
        for row in rows
    ]  # fmt: skip


def read_session_notes(home: Home, session: str) -> UserNotes:
    """The tags and the note of a session; raises `UserError` when there is none of that name."""
    notes = tables.session_notes
    with store.reading(home) as db:
        session_id = find_session(db, session).id
        row = db.execute(sa.select(notes).where(notes.c.session_id == session_id)).one_or_none()
    return NO_NOTES if row is None else _checked(row.tags, row.note)


def change_session_notes(home: Home, session: str, change: Callable[[UserNotes], UserNotes]) -> UserNotes:
    """Writes what `change` makes of a session's notes; raises `UserError` for what is refused or cannot be written."""
    notes = tables.session_notes
    with store.writing(home) as db:
        session_id = find_session(db, session, lock=True).id
        mine = notes.c.session_id == session_id
        row = db.execute(sa.select(notes).where(mine)).one_or_none()
        changed = change(NO_NOTES if row is None else _checked(row.tags, row.note))
        checked = UserNotes(check_tags(changed.tags), check_note(changed.note))
        db.execute(notes.delete().where(mine))
        if checked != NO_NOTES:
            values = {"session_id": session_id, "tags": list(checked.tags), "note": checked.note}
            db.execute(notes.insert().values(values))
    record_change(home.root, "noted", "session", session)
    return checked


def _checked(tags: Any, note: Any) -> UserNotes:
    """The notes as the database has them; what a foreign hand wrote there is said, like that of a damaged file."""
    try:
        return UserNotes(check_tags(tags if isinstance(tags, list) else [tags]), check_note(note))
    except UserError as error:
        return UserNotes(error=f"The notes of this session cannot be read: {error}")
