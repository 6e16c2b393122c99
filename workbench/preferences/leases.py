"""Leases: which pair is whose to judge, and for how long, so that no pair is judged too often."""

import secrets
from typing import Any

import sqlalchemy as sa

from workbench.errors import UserError
from workbench.preferences import sessions, store

LEASE_SECONDS = 600.0
EVENTS, PAIRS, LEASES = store.vote_events, store.pairs, store.leases


def open_pairs(row: Any, who: str) -> sa.Select[Any]:
    """The pairs that still need votes, counting others' live leases, and that `who` has not dealt with."""
    here = (EVENTS.c.pair_id == PAIRS.c.id) & sessions.effective()
    votes = sa.select(sa.func.count(EVENTS.c.id)).where(here, EVENTS.c.choice != "skip").scalar_subquery()
    others = (LEASES.c.pair_id == PAIRS.c.id) & (LEASES.c.annotator != who)
    taken = sa.select(sa.func.count(LEASES.c.id)).where(others, LEASES.c.expires > store.clock())
    return sa.select(PAIRS).where(
        PAIRS.c.session_id == row.id,
        PAIRS.c.state == sessions.OPEN,
        ~sa.exists().where(here, EVENTS.c.annotator == who),
        votes + taken.scalar_subquery() < row.votes_per_pair,
    )


def wanted(db: sa.Connection, row: Any, who: str, pair: int) -> bool:
    """Whether that pair still needs a vote of this annotator."""
    return db.execute(open_pairs(row, who).where(PAIRS.c.id == pair)).first() is not None


def lease_of(db: sa.Connection, row: Any, who: str) -> Any:
    """The annotator's lease in this session, live or expired, or None."""
    mine = (LEASES.c.session_id == row.id) & (LEASES.c.annotator == who)
    return db.execute(sa.select(LEASES).where(mine)).one_or_none()


def live_lease(db: sa.Connection, row: Any, who: str, token: str) -> Any:
    """The lease behind a token; raises `UserError` when it is wrong, expired or another annotator's."""
    lease = lease_of(db, row, who)
    if lease is None or lease.token != token:
        raise UserError(
            "This pair is not open for you: it was voted on, taken back, or is someone else's.",
            "Nothing was saved. Go on with the next pair.",
            "token",
        )
    if lease.expires <= store.clock():
        raise UserError(
            "This pair lay open for more than 10 minutes and was given back.",
            "Nothing was saved. Go on with the next pair.",
            "token",
        )
    return lease


def grant(db: sa.Connection, row: Any, who: str, pair: int, sides: tuple[int, int]) -> Any:
    """Leases the pair; an annotator has one open pair in a session, so an earlier lease ends."""
    db.execute(LEASES.delete().where(LEASES.c.session_id == row.id, LEASES.c.annotator == who))
    values = {"session_id": row.id, "pair_id": pair, "annotator": who, "token": secrets.token_urlsafe(24)}
    values |= {"left_answer": sides[0], "right_answer": sides[1], "expires": store.clock() + LEASE_SECONDS}
    db.execute(LEASES.insert().values(values))
    return lease_of(db, row, who)


def renew(db: sa.Connection, lease: Any) -> None:
    """Lets a lease run its full time from now."""
    end = store.clock() + LEASE_SECONDS
    db.execute(LEASES.update().where(LEASES.c.id == lease.id).values(expires=end))


def release(db: sa.Connection, lease: Any) -> None:
    """Ends a lease."""
    db.execute(LEASES.delete().where(LEASES.c.id == lease.id))
