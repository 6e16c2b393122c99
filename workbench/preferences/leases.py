"""Leases: which pair lies open in which browser, and for how long, so that no pair is judged too often.

A browser session has one open pair a session, whatever names are typed in it. A lease ends with its vote, when the
page is closed, or ten minutes after it was last heard of. So that closed laptops and scripts that invent a new
browser with every request cannot keep a session's pairs from the people who judge, a lease is held against others
only while its page says that the pair is seen: five seconds from the start, in which the page says so for the first
time, then a minute from each time. One that is not held is still good for a vote, but when no pair is free it is
taken over, by a browser that has asked in vain before: one that is invented anew never has. Pages that are really
open are therefore the only ones that can make somebody wait for more than seconds.
"""

import secrets
from collections import OrderedDict
from typing import Any

import sqlalchemy as sa

from workbench.core.errors import UserError
from workbench.preferences import sessions, store, tables
from workbench.preferences.blinding import Voter

LEASE_SECONDS = 600.0
UNCONFIRMED_SECONDS = 5.0
HELD_SECONDS = 60.0
LATEST_SECONDS = 2 * LEASE_SECONDS
"""A lease that ends later than this from now was made before the clock was set back, and is over."""
MOST_WAITING_LEASES = 10_000
EVENTS, PAIRS, LEASES = tables.vote_events, tables.pairs, tables.leases


_waiting: OrderedDict[tuple[str, int, str], None] = OrderedDict()
"""Browsers that asked in vain, by database and session, the latest last. Lost with the process: they ask again."""


def open_pairs(row: Any, who: Voter, unblinded: bool, take_over: bool = False) -> sa.Select[Any]:
    """The pairs that still need votes, counting others' live leases, and that `who` has not dealt with.

    Votes and leases of unblinded people count for the `unblinded` only: the others' pairs still need blind votes.
    With `take_over`, leases that are not held against others do not count.
    """
    here = EVENTS.c.pair_id == PAIRS.c.id
    votes = sa.select(sa.func.count(EVENTS.c.id)).where(
        here, sessions.effective(with_unblinded=unblinded), EVENTS.c.choice != "skip"
    )
    now = store.clock()
    live = ((LEASES.c.held_until if take_over else LEASES.c.expires) > now) & (LEASES.c.expires <= now + LATEST_SECONDS)
    others = (LEASES.c.pair_id == PAIRS.c.id) & (LEASES.c.browser != who.browser) & live
    counted = others if unblinded else others & LEASES.c.unblinded.is_(False)
    taken = sa.select(sa.func.count(LEASES.c.id)).where(counted)
    dealt_with = sa.exists().where(here, EVENTS.c.annotator == who.name, sessions.effective(with_unblinded=True))
    return sa.select(PAIRS).where(
        PAIRS.c.session_id == row.id,
        PAIRS.c.state == sessions.OPEN,
        ~dealt_with,
        ~sa.exists().where(others, LEASES.c.annotator == who.name),
        votes.scalar_subquery() + taken.scalar_subquery() < row.votes_per_pair,
    )


def is_open(db: sa.Connection, row: Any, who: Voter, unblinded: bool, pair: int) -> bool:
    """Whether that pair still needs a vote of this annotator."""
    return db.execute(open_pairs(row, who, unblinded).where(PAIRS.c.id == pair)).first() is not None


def lease_of(db: sa.Connection, row: Any, browser: str) -> Any:
    """The browser's lease in this session, live or expired, or None."""
    mine = (LEASES.c.session_id == row.id) & (LEASES.c.browser == browser)
    return db.execute(sa.select(LEASES).where(mine)).one_or_none()


def live_lease(db: sa.Connection, row: Any, who: Voter, token: str) -> Any:
    """The lease behind a token; raises `UserError` when it is wrong, expired or another's."""
    lease = lease_of(db, row, who.browser)
    if lease is None or lease.token != token or lease.annotator != who.name:
        raise UserError(
            "This pair is not open for you: it was voted on, taken back, or went to someone else.",
            "Nothing was saved. Go on with the next pair.",
            "token",
        )
    if not _is_live(lease):
        raise UserError(
            "This pair lay open for more than 10 minutes and was given back.",
            "Nothing was saved. Go on with the next pair.",
            "token",
        )
    return lease


def _is_live(lease: Any) -> bool:
    return bool(0 < lease.expires - store.clock() <= LATEST_SECONDS)


def find_pair(db: sa.Connection, row: Any, who: Voter, unblinded: bool) -> Any:
    """The first pair in the session's order to judge, taken over if none is free; None when there is none.

    Whoever has seen the result takes nothing over: their votes do not count.
    """
    pair = db.execute(open_pairs(row, who, unblinded).order_by(PAIRS.c.rank).limit(1)).one_or_none()
    if pair is None and not unblinded and _asked_before(db, row, who):
        query = open_pairs(row, who, unblinded, take_over=True).order_by(PAIRS.c.rank).limit(1)
        pair = db.execute(query).one_or_none()
        if pair is not None:
            _displace(db, who, pair.id)
    return pair


def _asked_before(db: sa.Connection, row: Any, who: Voter) -> bool:
    """Whether this browser found no free pair in this session before; notes that it found none now."""
    key = str(db.engine.url), row.id, who.browser
    asked = key in _waiting
    _waiting[key] = None
    _waiting.move_to_end(key)
    while len(_waiting) > MOST_WAITING_LEASES:
        _waiting.popitem(last=False)
    return asked


def _displace(db: sa.Connection, who: Voter, pair: int) -> None:
    """Ends the lease of a pair that was heard of longest ago, and those of the same annotator."""
    blind = LEASES.c.unblinded.is_(False)
    loose = (LEASES.c.pair_id == pair) & blind & (LEASES.c.held_until <= store.clock())
    rows = db.execute(sa.select(LEASES).where(loose).order_by(LEASES.c.held_until)).all()
    for index, lease in enumerate(rows):
        if index == 0 or lease.annotator == who.name:
            release(db, lease)


def grant(db: sa.Connection, row: Any, who: Voter, pair: Any, unblinded: bool) -> Any:
    """Leases the pair with sides drawn anew; the browser's earlier lease in the session ends."""
    db.execute(LEASES.delete().where(LEASES.c.session_id == row.id, LEASES.c.browser == who.browser))
    left, right = (pair.answer_a, pair.answer_b) if secrets.randbelow(2) else (pair.answer_b, pair.answer_a)
    now = store.clock()
    values = {"session_id": row.id, "pair_id": pair.id, "annotator": who.name, "browser": who.browser}
    values |= {"token": secrets.token_urlsafe(24), "left_answer": left, "right_answer": right, "unblinded": unblinded}
    values |= {"expires": now + LEASE_SECONDS, "held_until": now + UNCONFIRMED_SECONDS}
    db.execute(LEASES.insert().values(values))
    return lease_of(db, row, who.browser)


def renew(db: sa.Connection, row: Any, who: Voter, lease: Any) -> Any:
    """Lets a lease run its full time from now, under the name that is typed now."""
    end = store.clock() + LEASE_SECONDS
    db.execute(LEASES.update().where(LEASES.c.id == lease.id).values(expires=end, annotator=who.name))
    return lease_of(db, row, who.browser)


def extend_lease(db: sa.Connection, row: Any, browser: str, token: str, seconds: float) -> bool:
    """Notes that the pair is being looked at, and holds it against others for so long; False if it is gone."""
    lease = lease_of(db, row, browser)
    if lease is None or lease.token != token or not _is_live(lease):
        return False
    now = store.clock()
    if lease.held_until < now + seconds / 2:  # every write has all open pages look for changes
        values = {"expires": now + LEASE_SECONDS, "held_until": now + seconds}
        db.execute(LEASES.update().where(LEASES.c.id == lease.id).values(values))
    return True


def release(db: sa.Connection, lease: Any) -> None:
    """Ends a lease."""
    db.execute(LEASES.delete().where(LEASES.c.id == lease.id))
