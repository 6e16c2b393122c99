"""Why there is no pair to judge for somebody, said only when it is true for the whole session."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from workbench.core.home import Home
from workbench.preferences import sessions, store, tables
from workbench.preferences.admission import refusal_reason
from workbench.preferences.blinding import Voter

EVENTS, PAIRS = tables.vote_events, tables.pairs


@dataclass(frozen=True)
class Standing:
    """`reason`, and how many `pairs` still need votes.

    closed: nobody votes any more. draft, paused, over: not yet, not now, or not after the deadline. uninvited: others
    may. answering: further answers are to come. unusable: no pair can be judged.
    complete: every pair has its votes. others: this person has dealt with every pair, others' votes are missing.
    held: the pairs this person could judge lie open elsewhere; they come back if they are not voted on.
    """

    reason: str
    pairs: int = 0


def standing(home: Home, session: str, who: Voter) -> Standing:
    """How the session stands for somebody who has no pair; raises `UserError` when there is no such session."""
    with store.reading(home) as db:
        row = sessions.find_session(db, session)
        if sessions.closing(db, row.id):
            return Standing("closed")
        if reason := refusal_reason(row, who):
            return Standing(reason)
        lacking = _count(db, _lacking(row))
        if not lacking:
            return Standing("answering" if not row.complete else "complete" if _usable(db, row) else "unusable")
        dealt_with = sa.exists().where(
            EVENTS.c.pair_id == PAIRS.c.id, EVENTS.c.annotator == who.name, sessions.effective(with_unblinded=True)
        )
        if _count(db, _lacking(row).where(~dealt_with)):
            return Standing("held", lacking)
        return Standing("others" if row.complete else "answering", lacking)


def _lacking(row: Any) -> sa.Select[Any]:
    """The pairs that have fewer blind votes than they need."""
    votes = sa.select(sa.func.count(EVENTS.c.id)).where(
        EVENTS.c.pair_id == PAIRS.c.id, sessions.effective(), sessions.is_verdict()
    )
    mine = (PAIRS.c.session_id == row.id) & (PAIRS.c.state == sessions.OPEN) & sessions.is_comparison()
    return sa.select(PAIRS.c.id).where(mine, votes.scalar_subquery() < row.votes_per_pair)


def _count(db: sa.Connection, query: sa.Select[Any]) -> int:
    return db.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0


def _usable(db: sa.Connection, row: Any) -> bool:
    mine = (PAIRS.c.session_id == row.id) & (PAIRS.c.state == sessions.OPEN) & sessions.is_comparison()
    return db.execute(sa.select(PAIRS.c.id).where(mine).limit(1)).first() is not None
