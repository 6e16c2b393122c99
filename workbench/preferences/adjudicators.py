"""Who settles disagreements in a session: chosen by its owner, as an event that stays."""

from typing import Any

import sqlalchemy as sa

from workbench.core.change_log import record_change
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.preferences import blinding, sessions, store, tables
from workbench.preferences.blinding import Voter, checked_name, record_session_event

APPOINTED, DISMISSED = "appointed", "dismissed"
"""Kinds of session events: somebody may settle disagreements, or may no more."""


def appoint(home: Home, session: str, name: str, who: Voter, may: bool = True) -> list[str]:
    """Lets somebody settle disagreements in this session, or (`may` False) no more; who may from now on, by name."""
    name = checked_name(name)
    with store.writing(home) as db:
        row = sessions.find_session(db, session, lock=True)
        if (name.casefold() in {each.casefold() for each in _appointed(db, row.id)}) != may:
            record_session_event(db, row.id, APPOINTED if may else DISMISSED, who, name)
            record_change(home.root, APPOINTED if may else DISMISSED, "session", session, adjudicator=name)
        return _appointed(db, row.id)


def adjudicators(home: Home, session: str) -> list[str]:
    """Who may settle disagreements in this session."""
    with store.reading(home) as db:
        return _appointed(db, sessions.find_session(db, session).id)


def _appointed(db: sa.Connection, session_id: int) -> list[str]:
    events = tables.session_events
    query = sa.select(events).where(events.c.session_id == session_id, events.c.kind.in_((APPOINTED, DISMISSED)))
    latest = {event.subject.casefold(): event for event in db.execute(query.order_by(events.c.id))}
    return sorted(event.subject for event in latest.values() if event.kind == APPOINTED)


def _refusal(db: sa.Connection, row: Any, who: Voter) -> tuple[str, str] | None:
    """Why this person may not settle disagreements now, with a remedy; None if they may."""
    if who.name.casefold() not in {name.casefold() for name in _appointed(db, row.id)}:
        return f"{who.name} was not chosen to settle disagreements in this session.", "Let its owner choose you."
    if sessions.closing(db, row.id):
        return "The session is closed: its result can be seen.", "Settle disagreements before a session is closed."
    if blinding.is_unblinded(db, row.id, who):
        return "You have seen the result of this session.", "Let somebody settle it who has not."
    return None


def check_adjudicator(db: sa.Connection, row: Any, who: Voter) -> None:
    """Raises `UserError` unless this person may settle disagreements now."""
    if refusal := _refusal(db, row, who):
        raise UserError(*refusal, "annotator")


def may_adjudicate(home: Home, session: str, who: Voter) -> bool:
    """Whether this person was chosen to settle disagreements, has not seen the result, and a session is not closed."""
    with store.reading(home) as db:
        return not _refusal(db, sessions.find_session(db, session), who)
