"""Leaving an annotator out of a session's result, and counting them again: a switch whose every use is recorded."""

import sqlalchemy as sa

from workbench.core.change_log import record_change
from workbench.core.errors import UserError, suggestion
from workbench.core.home import Home
from workbench.preferences import sessions, store, tables
from workbench.preferences.blinding import Voter, record_session_event
from workbench.preferences.standing_votes import EXCLUDED, INCLUDED, excluded_names, stands_adjudicated

EVENTS = tables.vote_events


def exclude_annotator(home: Home, session: str, name: str, who: Voter, exclude: bool = True) -> list[str]:
    """Leaves what an annotator did out of result and export, or (`exclude` False) counts it again; who is left out now.

    Their votes stay as they are. Nothing is recorded twice. Raises `UserError` for somebody who did nothing here.
    """
    with store.writing(home) as db:
        row = sessions.find_session(db, session, lock=True)
        names = list(db.scalars(sa.select(EVENTS.c.annotator).where(EVENTS.c.session_id == row.id).distinct()))
        wanted = " ".join(str(name).split()).casefold()
        annotator = next((each for each in names if each.casefold() == wanted), None)
        if annotator is None:
            raise UserError(f"{name!r} gave no votes in this session.", suggestion(str(name), names), "annotator")
        if (wanted in excluded_names(db, row.id)) != exclude:
            kind = EXCLUDED if exclude else INCLUDED
            record_session_event(db, row.id, kind, who, annotator)
            record_change(home.root, kind, "session", session, annotator=annotator)
    return excluded_annotators(home, session)


def excluded_annotators(home: Home, session: str) -> list[str]:
    """The annotators who are left out of the result, as they write themselves."""
    with store.reading(home) as db:
        row = sessions.find_session(db, session)
        excluded = excluded_names(db, row.id)
        names = db.scalars(sa.select(EVENTS.c.annotator).where(EVENTS.c.session_id == row.id).distinct())
        spelled = {name.casefold(): name for name in names}
    return sorted(spelled.get(name, name) for name in excluded)


def switch_mark(home: Home, session: str) -> str:
    """Changes with every switch of a session and every decision on a disagreement in it."""
    decided = sa.select(sa.func.count()).where(EVENTS.c.session_id == sa.bindparam("of_session"), stands_adjudicated())
    switches = tables.session_events
    latest = sa.select(sa.func.max(switches.c.id)).where(switches.c.session_id == sa.bindparam("of_session"))
    with store.reading(home) as db:
        asked = {"of_session": sessions.find_session(db, session).id}
        return f"{db.scalar(latest, asked) or 0}/{db.scalar(decided, asked) or 0}"
