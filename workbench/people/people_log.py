"""What happened to people and accounts: a row for every login, invitation and change, which is only ever added.

The rows stand in the database of the accounts, written by the transaction that changes them; `record` shows them beside
all other changes.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from workbench.core import change_log, lineage
from workbench.core.home import Home
from workbench.preferences import store, tables

EVENTS = tables.people_events
SERVER, NOBODY = change_log.SERVER, change_log.NOBODY


@dataclass(frozen=True)
class PeopleEvent:
    """One event. actor: who did it, by name. kind: such as 'logged in'. subject: whom or what it was done to, ""."""

    created: str
    actor: str
    kind: str
    subject: str


def record(db: sa.Connection, actor: str, kind: str, subject: str = "") -> None:
    """Adds an event within a transaction; neither passwords nor tokens may be in it."""
    db.execute(EVENTS.insert().values(created=lineage.now(), actor=actor, kind=kind, subject=subject[:200]))


def record_event(home: Home, actor: str, kind: str, subject: str = "") -> None:
    """Adds an event by itself; raises `UserError` when the database cannot be written."""
    with store.writing(home) as db:
        record(db, actor, kind, subject)


def people_events(home: Home) -> list[PeopleEvent]:
    """All events, newest first."""
    query = sa.select(EVENTS).order_by(EVENTS.c.id.desc())
    with store.reading(home) as db:
        rows = db.execute(query).all()
    return [PeopleEvent(row.created, row.actor, row.kind, row.subject) for row in rows]
