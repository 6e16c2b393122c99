"""What somebody who judges may know of a session besides its pairs: what is asked, guidelines, their own pace."""

from dataclasses import dataclass

import sqlalchemy as sa

from workbench.core.home import Home
from workbench.preferences import sessions, store, tables
from workbench.preferences.blinding import Voter
from workbench.preferences.guideline_versions import LATEST_VERSION, latest_guideline
from workbench.preferences.labelling_settings import LabellingSettings

EVENTS = tables.vote_events
# Statements of every vote are made once: to put one together costs as much as to execute it.
_PACE = sa.select(sa.func.count(), sa.func.avg(EVENTS.c.seconds)).where(
    EVENTS.c.session_id == sa.bindparam("of_session"),
    EVENTS.c.annotator == sa.bindparam("voter"),
    sessions.effective(with_unblinded=True),
    sessions.is_verdict(),
)


@dataclass(frozen=True)
class Guidelines:
    """The latest guidelines, in Markdown; version 0 and no text where a session has none."""

    version: int
    text: str


@dataclass(frozen=True)
class OwnPace:
    """How many votes of one's own stand, skips and flags left out, and the mean seconds of one."""

    judged: int
    seconds: float


@dataclass(frozen=True)
class AnnotatorView:
    """What the session asks for, the version of its guidelines (0: none), and one's own pace."""

    settings: LabellingSettings
    guidelines: int
    pace: OwnPace


def annotator_view(home: Home, session: str, who: Voter) -> AnnotatorView:
    """What this person's page has to know of the session; raises `UserError` when there is no such session."""
    with store.reading(home) as db:
        row = sessions.find_session(db, session)
        version = db.scalar(LATEST_VERSION, {"of_session": row.id}) or 0
        judged, seconds = db.execute(_PACE, {"of_session": row.id, "voter": who.name}).one()
        return AnnotatorView(sessions.session_settings(row), version, OwnPace(judged, float(seconds or 0)))


def labelling_settings(home: Home, session: str) -> LabellingSettings:
    """A session's settings without its counts; raises `UserError` when there is no such session."""
    with store.reading(home) as db:
        return sessions.session_settings(sessions.find_session(db, session))


def latest_guidelines(home: Home, session: str) -> Guidelines:
    """The guidelines as they stand; raises `UserError` when there is no such session."""
    with store.reading(home) as db:
        row = latest_guideline(db, sessions.find_session(db, session).id)
        return Guidelines(row.version, row.text) if row else Guidelines(0, "")
