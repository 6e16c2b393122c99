"""How many votes every pair has: counted anew for a pair with each event of its own, and kept in its row.

The events are the truth. The count is what serving needs: without it the next pair would be looked for among the events
of all pairs that have their votes already, while everybody else waits for the lock.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from workbench.core.home import Home
from workbench.preferences import sessions, store, tables

EVENTS, PAIRS = tables.vote_events, tables.pairs
_STANDING = (
    sa.select(sa.func.count(EVENTS.c.id))
    .where(EVENTS.c.pair_id == PAIRS.c.id, sessions.effective(), sessions.is_verdict())
    .scalar_subquery()
)
_RECOUNT_ALL = PAIRS.update().values(votes=_STANDING)
_RECOUNT = _RECOUNT_ALL.where(PAIRS.c.id == sa.bindparam("of_pair"))
_TOTAL = sa.select(sa.func.coalesce(sa.func.sum(PAIRS.c.votes), 0), sa.func.count(PAIRS.c.id)).where(
    PAIRS.c.session_id == sa.bindparam("of_session"), PAIRS.c.state == sessions.OPEN, sessions.is_comparison()
)

_SESSION_EVENTS = tables.session_events
_OPEN_SESSIONS = (
    sa.select(
        tables.sessions.c.name,
        tables.sessions.c.complete,
        sa.func.coalesce(sa.func.sum(PAIRS.c.votes), 0).label("votes"),
        (sa.func.count(PAIRS.c.id) * tables.sessions.c.votes_per_pair).label("wanted"),
    )
    .outerjoin(
        PAIRS,
        sa.and_(PAIRS.c.session_id == tables.sessions.c.id, PAIRS.c.state == sessions.OPEN, sessions.is_comparison()),
    )
    .where(~sa.exists().where(_SESSION_EVENTS.c.session_id == tables.sessions.c.id, _SESSION_EVENTS.c.kind == "closed"))
    .group_by(
        tables.sessions.c.id, tables.sessions.c.name, tables.sessions.c.complete, tables.sessions.c.votes_per_pair
    )
    .order_by(tables.sessions.c.id.desc())
)


@dataclass(frozen=True)
class OpenSession:
    """A session in which votes are taken: `votes` of `wanted` stand; `complete` when all answers are in."""

    name: str
    votes: int
    wanted: int
    complete: bool


def recount(db: sa.Connection, pair: int) -> None:
    """Counts the votes of one pair, within the transaction that changed them."""
    db.execute(_RECOUNT, {"of_pair": pair})


def recount_all(db: sa.Connection) -> None:
    """Counts the votes of every pair, where events were written by other means."""
    db.execute(_RECOUNT_ALL)


def session_progress(db: sa.Connection, session_id: int) -> tuple[int, int]:
    """(votes that stand, pairs that can be shown) of a session."""
    votes, pairs = db.execute(_TOTAL, {"of_session": session_id}).one()
    return int(votes), int(pairs)


def sessions_in_progress(home: Home) -> list[OpenSession]:
    """The sessions that are not closed, the newest first, in one query that reads no events of votes."""
    with store.reading(home) as db:
        return [
            OpenSession(row.name, int(row.votes), int(row.wanted), bool(row.complete))
            for row in db.execute(_OPEN_SESSIONS)
        ]
