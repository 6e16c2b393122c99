"""Settings of a session that is under way: which may change while people vote, and what a change does.

What a vote means stays as it is once there are votes: grades, aspects and rankings. Every change is an event of the
session that names what changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from workbench.core.change_log import record_change
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.preferences import sessions, store, tables
from workbench.preferences.attention import add_attention_checks
from workbench.preferences.blinding import Voter, record_session_event
from workbench.preferences.labelling_settings import LabellingSettings

VOTES_PER_PAIR = "votes_per_pair"
FIXED = {
    "ranking": "its pairs were made for the one or the other. Make a new session of the answers.",
    "draft": "'open' opens a draft.",
    "guidelines": "guidelines have versions: edit them as such.",
}
"""What is not changed here at all, and what to do."""
UNTIL_VOTES = ("graded", "aspects")
"""What may change only while nobody has voted: votes before and after would not say the same."""
CHANGEABLE = (*(name for name in LabellingSettings.model_fields if name not in FIXED), VOTES_PER_PAIR)
PAIRS, LEASES = tables.pairs, tables.leases


@dataclass(frozen=True)
class SettingsChange:
    """What was changed, by setting its value now, and what that does, in sentences."""

    changed: dict[str, Any]
    effects: tuple[str, ...]


def change_settings(home: Home, session: str, who: Voter, changes: Mapping[str, Any]) -> SettingsChange:
    """Changes settings of a session that is not closed; those named that are as they were are left out.

    `votes_per_pair` goes up at any time, and down as long as no pair has more votes than that, so that in the end every
    pair has exactly as many. Raises `SpecError` for values that are wrong or may not change now, `UserError` for a
    closed or unknown session.
    """
    with store.writing(home) as db:
        row = sessions.find_session(db, session, lock=True)
        if sessions.closing(db, row.id):
            raise UserError("The session was closed: its settings stay as they are.", "Clone it.", "session")
        old = {**sessions.session_settings(row).to_dict(), VOTES_PER_PAIR: row.votes_per_pair}
        changed = {name: value for name, value in changes.items() if name not in old or value != old[name]}
        _check_allowed(db, row, changed)
        new = {**old, **changed}
        overlap = new.pop(VOTES_PER_PAIR)
        settings = LabellingSettings.parse(new)
        cleaned = {name: getattr(settings, name, overlap) for name in changed}
        if changed:
            values = {"settings": settings.to_dict(), VOTES_PER_PAIR: overlap}
            db.execute(tables.sessions.update().where(tables.sessions.c.id == row.id).values(values))
            record_session_event(db, row.id, "changed", who, ", ".join(sorted(changed)))
        effects = tuple(_effects(old, cleaned))
    if changed:
        record_change(home.root, "changed settings", "session", session, settings=", ".join(sorted(changed)))
    if "attention_checks" in changed and sessions.get_session(home, session).complete:
        add_attention_checks(home, session)
    return SettingsChange(cleaned, effects)


def _check_allowed(db: sa.Connection, row: Any, changed: Mapping[str, Any]) -> None:
    problems = Problems()
    for name in changed:
        if name in FIXED:
            problems.add(name, "cannot be changed:", FIXED[name])
        elif name not in CHANGEABLE:
            problems.add(name, "is no setting of a session.", f"There are {', '.join(CHANGEABLE)}.")
    voted = any(name in changed for name in UNTIL_VOTES) and _has_votes(db, row.id)
    for name in UNTIL_VOTES:
        if name in changed and voted:
            remedy = "Clone the session and change the clone."
            problems.add(name, "is fixed: votes were given, and later ones would not say the same.", remedy)
    if VOTES_PER_PAIR in changed:
        _check_overlap(db, row, changed[VOTES_PER_PAIR], problems)
    fewer = changed.get("attention_checks")
    if isinstance(fewer, int) and fewer < _count_attention(db, row.id):
        problems.add("attention_checks", "are made already, and some may have been answered.", "Choose no fewer.")
    problems.check()


def _check_overlap(db: sa.Connection, row: Any, wanted: Any, problems: Problems) -> None:
    """Refuses an overlap below what some pair has, counting pairs that are being judged."""
    if not isinstance(wanted, int) or isinstance(wanted, bool) or not 1 <= wanted <= 100:
        problems.add(VOTES_PER_PAIR, f"is {wanted!r}.", "Choose a whole number from 1 to 100.")
        return
    leased = (
        sa.select(sa.func.count(LEASES.c.id))
        .where(LEASES.c.pair_id == PAIRS.c.id, LEASES.c.unblinded.is_(False), LEASES.c.expires > store.clock())
        .scalar_subquery()
    )
    mine = (PAIRS.c.session_id == row.id) & sessions.is_comparison()
    most = db.scalar(sa.select(sa.func.max(PAIRS.c.votes + leased)).where(mine)) or 0
    if wanted < most:
        problems.add(
            VOTES_PER_PAIR, f"cannot go down to {wanted}: a pair has {most} votes, or is being judged.",
            f"Choose {most} or more, so that every pair gets equally many.",
        )  # fmt: skip


def _has_votes(db: sa.Connection, session_id: int) -> bool:
    return sessions.count_votes(db, session_id)[0] > 0


def _count_attention(db: sa.Connection, session_id: int) -> int:
    mine = (PAIRS.c.session_id == session_id) & (PAIRS.c.kind == sessions.ATTENTION)
    return db.scalar(sa.select(sa.func.count(PAIRS.c.id)).where(mine)) or 0


def _effects(old: Mapping[str, Any], changed: Mapping[str, Any]) -> list[str]:
    """What the changes do, a sentence each."""
    return [_effect(name, old[name], value) for name, value in changed.items()]


def _effect(name: str, before: Any, value: Any) -> str:
    if name == VOTES_PER_PAIR:
        more = "pairs that were done are asked for again" if value > before else "none has more"
        return f"Every pair gets {value} votes instead of {before}: {more}."
    if name == "voters":
        return f"Only these may vote from now on: {', '.join(value)}." if value else "Everybody may vote from now on."
    if name == "deadline":
        return f"Votes are taken until {value} (UTC)." if value else "There is no deadline any more."
    text = ", ".join(value) if isinstance(value, list) else {True: "on", False: "off"}.get(value, value)
    return f"{LabellingSettings.model_fields[name].title}: {text or 'none'}, from the next pair on."
