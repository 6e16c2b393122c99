"""The guidelines of a session: each edit is a new version, and every vote says which one it was given under."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from workbench.core import lineage
from workbench.core.change_log import record_change
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.preferences import sessions, store, tables
from workbench.preferences.blinding import Voter, record_session_event
from workbench.preferences.labelling_settings import LabellingSettings

GUIDELINES, EVENTS = tables.guidelines, tables.vote_events
# Statements of every vote are made once: to put one together costs as much as to execute it.
_LATEST = (
    sa.select(GUIDELINES)
    .where(GUIDELINES.c.session_id == sa.bindparam("of_session"))
    .order_by(GUIDELINES.c.version.desc())
    .limit(1)
)
LATEST_VERSION = sa.select(sa.func.coalesce(sa.func.max(GUIDELINES.c.version), 0)).where(
    GUIDELINES.c.session_id == sa.bindparam("of_session")
)
"""The number of a session's latest guidelines, 0 for none; its parameter is `of_session`."""


def latest_guideline(db: sa.Connection, session_id: int) -> Any:
    """The row of the guidelines as they stand, or None."""
    return db.execute(_LATEST, {"of_session": session_id}).one_or_none()


@dataclass(frozen=True)
class Guideline:
    """A version of the guidelines, from 1 on: its text in Markdown, who wrote it and when, and how many votes that
    stand were given under it."""

    version: int
    text: str
    author: str
    created: str
    votes: int


def list_guidelines(home: Home, session: str) -> list[Guideline]:
    """All versions of a session's guidelines, the latest first; raises `UserError` for an unknown session."""
    votes = (
        sa.select(sa.func.count(EVENTS.c.id))
        .where(EVENTS.c.session_id == GUIDELINES.c.session_id, EVENTS.c.guideline == GUIDELINES.c.version)
        .where(sessions.effective(), sessions.is_verdict())
    )
    query = sa.select(GUIDELINES, votes.scalar_subquery().label("votes")).order_by(GUIDELINES.c.version.desc())
    with store.reading(home) as db:
        row = sessions.find_session(db, session)
        return [
            Guideline(each.version, each.text, each.author, each.created, each.votes)
            for each in db.execute(query.where(GUIDELINES.c.session_id == row.id))
        ]


def edit_guidelines(home: Home, session: str, who: Voter, text: str, based_on: int | None = None) -> Guideline:
    """Makes this text the guidelines from now on, as a new version unless it is the text there is; the one that holds.

    Votes given so far stay, under their own versions. based_on: the version that was edited. Raises `UserError` when
    that is no longer the latest, and for a closed session, `SpecError` for a text that is too long.
    """
    text = LabellingSettings.parse({"guidelines": text.replace("\x00", "").strip()}).guidelines
    with store.writing(home) as db:
        row = sessions.find_session(db, session, lock=True)
        if sessions.closing(db, row.id):
            raise UserError("The session was closed: its guidelines stay as they are.", "Clone it.", "session")
        latest = latest_guideline(db, row.id)
        version = latest.version if latest else 0
        if based_on is not None and based_on != version:
            raise UserError(
                "The guidelines were changed elsewhere meanwhile.",
                "Read the latest version, put yours together with it, then save again.",
                "guidelines",
            )
        if text == (latest.text if latest else ""):
            return Guideline(version, text, latest.author if latest else "", latest.created if latest else "", 0)
        values = {"session_id": row.id, "version": version + 1, "text": text, "author": who.name}
        values["created"] = lineage.now()
        db.execute(GUIDELINES.insert().values(values))
        record_session_event(db, row.id, "guidelines", who, str(version + 1))
    record_change(home.root, "edited guidelines", "session", session, version=version + 1)
    return Guideline(version + 1, text, who.name, str(values["created"]), 0)
