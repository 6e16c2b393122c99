"""Which sessions wait for somebody's votes, by how many pairs, and until when."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from workbench.core.home import Home
from workbench.preferences import sessions, store, tables
from workbench.preferences.admission import refusal_of_name

EVENTS, PAIRS, CHANGES = tables.vote_events, tables.pairs, tables.session_events


@dataclass(frozen=True)
class WaitingSession:
    """A session that one person can vote in now. pairs: how many lack votes and were not judged or skipped by them.
    since: when votes began to be taken, or more answers came (ISO 8601). deadline: the first moment at which none is
    taken, None without. changed: when the settings were changed last, or the session was made."""

    name: str
    pairs: int
    since: str
    deadline: datetime | None
    changed: str


def sessions_waiting_for(home: Home, name: str) -> list[WaitingSession]:
    """Those that wait for this annotator, newest first; counts alone, nothing of pairs or of others' votes."""
    is_closed = sa.exists().where(CHANGES.c.session_id == tables.sessions.c.id, CHANGES.c.kind == "closed")
    running = sa.select(tables.sessions).where(~is_closed).order_by(tables.sessions.c.id.desc())
    with store.reading(home) as db:
        rows = [row for row in db.execute(running).all() if not refusal_of_name(row, name)]
        waiting = [_waiting(db, row, name) for row in rows]
    return [session for session in waiting if session.pairs]


def _waiting(db: sa.Connection, row: Any, name: str) -> WaitingSession:
    dealt_with = sa.exists().where(
        EVENTS.c.pair_id == PAIRS.c.id, EVENTS.c.annotator == name, sessions.effective(with_unblinded=True)
    )
    pairs = sa.select(sa.func.count(PAIRS.c.id)).where(
        PAIRS.c.session_id == row.id, PAIRS.c.state == sessions.OPEN, sessions.is_comparison(),
        PAIRS.c.votes < row.votes_per_pair, ~dealt_with,
    )  # fmt: skip
    settings = sessions.session_settings(row)
    deadline = settings.deadline_moment() if settings.deadline else None
    since, changed = _last(db, row, "opened", "resumed", "extended"), _last(db, row, "changed")
    return WaitingSession(row.name, db.scalar(pairs) or 0, since, deadline, changed)


def _last(db: sa.Connection, row: Any, *kinds: str) -> str:
    """When the last event of these kinds was; when the session was made, where there is none."""
    query = sa.select(sa.func.max(CHANGES.c.created)).where(CHANGES.c.session_id == row.id, CHANGES.c.kind.in_(kinds))
    return db.scalar(query) or str(row.created)
