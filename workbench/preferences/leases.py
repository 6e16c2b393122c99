"""Leases: which pair lies open in which browser, and for how long, so that no pair is judged too often.

A browser session has one open pair a session, whatever names are typed in it. A lease ends with its vote, when the
page is closed, or ten minutes after it was last heard of. So that closed laptops and scripts that invent a new
browser with every request cannot keep a session's pairs from the people who judge, a lease is held against others
only while its page is heard of: for a minute from the vote it comes after and from each time its page says that the
pair is seen; where there was no vote, for the five seconds in which the page says so for the first time. One that is
not held is still good for a vote, but when no pair is free it is taken over, by a browser that has asked in vain
before: one that is invented anew never has. Pages that are really open are therefore the only ones that can make
somebody wait for more than seconds.
"""

import functools
import secrets
from collections import OrderedDict
from typing import Any

import sqlalchemy as sa

from workbench.preferences import pair_choice, quality_checks, sessions, store, tables
from workbench.preferences.admission import VoteRefused
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


@functools.cache
def open_pairs(unblinded: bool, take_over: bool = False) -> sa.Select[Any]:
    """The pairs that still need votes, counting others' live leases, and that a voter has not dealt with; its
    parameters are `parameters`.

    Votes and leases of unblinded people count for the `unblinded` only: the others' pairs still need blind votes.
    With `take_over`, leases that are not held against others do not count.
    """
    here = EVENTS.c.pair_id == PAIRS.c.id
    all_votes = sa.select(sa.func.count(EVENTS.c.id)).where(
        here, sessions.effective(with_unblinded=True), sessions.is_verdict()
    )
    votes: Any = all_votes.scalar_subquery() if unblinded else PAIRS.c.votes
    here_leased = (LEASES.c.pair_id == PAIRS.c.id) & _others(take_over)
    counted = here_leased if unblinded else here_leased & LEASES.c.unblinded.is_(False)
    taken = sa.select(sa.func.count(LEASES.c.id)).where(counted)
    dealt_with = sa.exists().where(here, EVENTS.c.annotator == _NAME, sessions.effective(with_unblinded=True))
    return sa.select(PAIRS).where(
        PAIRS.c.session_id == _SESSION,
        PAIRS.c.state == sessions.OPEN,
        sessions.is_comparison(),
        votes < _WANTED,
        ~dealt_with,
        ~sa.exists().where(here_leased, LEASES.c.annotator == _NAME),
        votes + taken.scalar_subquery() < _WANTED,
    )


def parameters(row: Any, who: Voter) -> dict[str, Any]:
    """What `open_pairs` is asked with, for this voter now."""
    now = store.clock()
    return {
        "of_session": row.id, "voter": who.name, "voters_browser": who.browser, "wanted": row.votes_per_pair,
        "time_now": now, "time_latest": now + LATEST_SECONDS,
    }  # fmt: skip


def _others(take_over: bool = False) -> sa.ColumnElement[bool]:
    """The condition that a lease is live and another browser's."""
    live = (LEASES.c.held_until if take_over else LEASES.c.expires) > _NOW
    return sa.and_(LEASES.c.browser != _BROWSER, live, LEASES.c.expires <= _LATEST)


_SESSION: Any = sa.bindparam("of_session")
_NAME: Any = sa.bindparam("voter")
_BROWSER: Any = sa.bindparam("voters_browser")
_WANTED: Any = sa.bindparam("wanted")
_NOW: Any = sa.bindparam("time_now")
_LATEST: Any = sa.bindparam("time_latest")
_LACKING = sa.and_(PAIRS.c.state == sessions.OPEN, PAIRS.c.votes < _WANTED, sessions.is_comparison())
_COUNT_LACKING = sa.select(sa.func.count(PAIRS.c.id)).where(PAIRS.c.session_id == _SESSION, _LACKING)
# The two below do not name the session of the pairs, which that of the events and leases decides: SQLite would go
# through all pairs of the session, and for each through all that this person did.
_DEALT_WITH = (
    sa.select(EVENTS.c.pair_id)
    .join(PAIRS, PAIRS.c.id == EVENTS.c.pair_id)
    .where(EVENTS.c.session_id == _SESSION, EVENTS.c.annotator == _NAME, sessions.effective(with_unblinded=True))
    .where(_LACKING)
)
_ELSEWHERE = (
    sa.select(LEASES.c.pair_id, LEASES.c.annotator, LEASES.c.unblinded, PAIRS.c.votes)
    .join(PAIRS, PAIRS.c.id == LEASES.c.pair_id)
    .where(LEASES.c.session_id == _SESSION, _others(), _LACKING)
)
_FIRST, _FIRST_TO_TAKE, _FIRST_UNBLINDED = (
    open_pairs(*kind).order_by(PAIRS.c.rank).limit(1) for kind in ((False,), (False, True), (True,))
)
_FIRST_OF_MATCHUP = (
    open_pairs(False).where(PAIRS.c.matchup == sa.bindparam("of_matchup")).order_by(PAIRS.c.rank).limit(1)
)
_IS_OPEN = {unblinded: open_pairs(unblinded).where(PAIRS.c.id == sa.bindparam("of_pair")) for unblinded in (0, 1)}
_COUNT_UNBLINDED = sa.select(sa.func.count()).select_from(open_pairs(True).subquery())
_MINE = sa.select(LEASES).where(LEASES.c.session_id == _SESSION, LEASES.c.browser == _BROWSER)
_END_MINE = LEASES.delete().where(LEASES.c.session_id == _SESSION, LEASES.c.browser == _BROWSER)
_END = LEASES.delete().where(LEASES.c.id == sa.bindparam("of_lease"))
_RENEW = (
    LEASES.update()
    .where(LEASES.c.id == sa.bindparam("of_lease"))
    .values(expires=sa.bindparam("time_end"), annotator=_NAME)
)
_HOLD = (
    LEASES.update()
    .where(LEASES.c.id == sa.bindparam("of_lease"))
    .values(expires=sa.bindparam("time_end"), held_until=sa.bindparam("time_held"))
)
_GRANT = LEASES.insert()


def count_open(db: sa.Connection, row: Any, who: Voter, unblinded: bool) -> int:
    """How many pairs `open_pairs` has for this voter.

    For the blind they are not looked at one by one: of those that lack votes, the few that this person dealt with or
    that lie open elsewhere are taken away.
    """
    asked = parameters(row, who)
    if unblinded:
        return db.scalar(_COUNT_UNBLINDED, asked) or 0
    unavailable = set(db.scalars(_DEALT_WITH, asked))
    free: dict[int, int] = {}
    for lease in db.execute(_ELSEWHERE, asked):
        if lease.annotator == who.name:
            unavailable.add(lease.pair_id)
        if not lease.unblinded:
            free[lease.pair_id] = free.get(lease.pair_id, row.votes_per_pair - lease.votes) - 1
    unavailable.update(pair for pair, votes in free.items() if votes <= 0)
    return (db.scalar(_COUNT_LACKING, asked) or 0) - len(unavailable)


def is_open(db: sa.Connection, row: Any, who: Voter, unblinded: bool, pair: int) -> bool:
    """Whether that pair still needs a vote of this annotator, or is a check they have not answered."""
    if db.execute(_IS_OPEN[unblinded], parameters(row, who) | {"of_pair": pair}).first() is not None:
        return True
    return quality_checks.is_open_check(db, row, who, pair)


def lease_of(db: sa.Connection, row: Any, browser: str) -> Any:
    """The browser's lease in this session, live or expired, or None."""
    return db.execute(_MINE, {"of_session": row.id, "voters_browser": browser}).one_or_none()


def live_lease(db: sa.Connection, row: Any, who: Voter, token: str) -> Any:
    """The lease behind a token; raises `VoteRefused` when it is wrong, expired or another's."""
    lease = lease_of(db, row, who.browser)
    if lease is None or lease.token != token or lease.annotator != who.name:
        raise VoteRefused(
            "gone",
            "This pair is not open for you: it was voted on, taken back, or went to someone else.",
            "Nothing was saved. Go on with the next pair.",
            "token",
        )
    if not _is_live(lease):
        raise VoteRefused(
            "expired",
            "This pair lay open for more than 10 minutes and was given back.",
            "Nothing was saved. Go on with the next pair.",
            "token",
        )
    return lease


def _is_live(lease: Any) -> bool:
    return bool(0 < lease.expires - store.clock() <= LATEST_SECONDS)


def find_pair(db: sa.Connection, row: Any, who: Voter, unblinded: bool) -> Any:
    """The check that is due, else a pair of the models that `pair_choice` prefers, else the first one in the session's
    order to judge, taken over if none is free; None when there is none.

    Whoever has seen the result takes nothing over, and is not checked: their votes do not count.
    """
    if not unblinded and (check := quality_checks.due_check(db, row, who)):
        return check
    asked = parameters(row, who)
    pair = db.execute(_FIRST_UNBLINDED, asked).one_or_none() if unblinded else _first_free(db, row, who, asked)
    if pair is None and not unblinded and _asked_before(db, row, who):
        pair = db.execute(_FIRST_TO_TAKE, asked).one_or_none()
        if pair is not None:
            _displace(db, who, pair.id)
    return pair


def _first_free(db: sa.Connection, row: Any, who: Voter, asked: dict[str, Any]) -> Any:
    for matchup in pair_choice.preferred_matchups(db, row, who):
        if pair := db.execute(_FIRST_OF_MATCHUP, asked | {"of_matchup": matchup}).one_or_none():
            return pair
    return db.execute(_FIRST, asked).one_or_none()


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


def grant(db: sa.Connection, row: Any, who: Voter, pair: Any, unblinded: bool, seconds: float) -> Any:
    """Leases the pair with sides drawn anew and holds it against others for so many seconds; the browser's earlier
    lease in the session ends."""
    db.execute(_END_MINE, {"of_session": row.id, "voters_browser": who.browser})
    left, right = (pair.answer_a, pair.answer_b) if secrets.randbelow(2) else (pair.answer_b, pair.answer_a)
    now = store.clock()
    values = {"session_id": row.id, "pair_id": pair.id, "annotator": who.name, "browser": who.browser}
    values |= {"token": secrets.token_urlsafe(24), "left_answer": left, "right_answer": right, "unblinded": unblinded}
    values |= {"expires": now + LEASE_SECONDS, "held_until": now + seconds}
    values["ranked_answers"] = _shuffled_answers(db, pair.prompt_id) if pair.kind == sessions.RANKED else None
    db.execute(_GRANT, values)
    return lease_of(db, row, who.browser)


def _shuffled_answers(db: sa.Connection, prompt_id: int) -> list[int]:
    """The ids of all answers to a prompt, in an order drawn anew."""
    ids = list(db.scalars(sa.select(tables.answers.c.id).where(tables.answers.c.prompt_id == prompt_id)))
    secrets.SystemRandom().shuffle(ids)
    return ids


def renew(db: sa.Connection, row: Any, who: Voter, lease: Any) -> Any:
    """Lets a lease run its full time from now, under the name that is typed now."""
    end = store.clock() + LEASE_SECONDS
    db.execute(_RENEW, {"of_lease": lease.id, "time_end": end, "voter": who.name})
    return lease_of(db, row, who.browser)


def extend_lease(db: sa.Connection, row: Any, browser: str, token: str, seconds: float) -> bool:
    """Notes that the pair is being looked at, and holds it against others for so long; False if it is gone."""
    lease = lease_of(db, row, browser)
    if lease is None or lease.token != token or not _is_live(lease):
        return False
    now = store.clock()
    if lease.held_until < now + seconds / 2:  # every write has all open pages look for changes
        db.execute(_HOLD, {"of_lease": lease.id, "time_end": now + LEASE_SECONDS, "time_held": now + seconds})
    return True


def release(db: sa.Connection, lease: Any) -> None:
    """Ends a lease."""
    db.execute(_END, {"of_lease": lease.id})
