"""Who may see which model is which: sessions are closed, people unblinded, both as events that stay.

While a session is open, whoever may still vote in it learns nothing of its result. Two ways lead to it: closing the
session, after which nobody votes, or unblinding oneself, after which one's own votes are kept, marked, and left out
of results and exports.

Limits: until there are accounts, a person is a browser and a typed name, either of which marks a vote. Somebody who
looks in one browser and votes in another under another name is not recognised.
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from workbench.core import lineage
from workbench.core.change_log import record_change
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.preferences import sessions, store, tables

CLOSED, UNBLINDED = "closed", "unblinded"
EVENTS, LEASES = tables.session_events, tables.leases
_UNBLINDINGS = sa.select(EVENTS).where(EVENTS.c.session_id == sa.bindparam("of_session"), EVENTS.c.kind == UNBLINDED)


class Blinded(UserError):
    """Refused because the session is open and the one who asks has not been unblinded."""


@dataclass(frozen=True)
class Voter:
    """Who judges: the typed name, and the browser session (or terminal) it was typed in; `proved` by a login.

    Raises `UserError` for an empty or odd name, or no browser.
    """

    name: str
    browser: str
    proved: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", checked_name(self.name))
        if not isinstance(self.browser, str) or not 0 < len(self.browser) <= tables.BROWSER_CHARACTERS:
            raise UserError(
                "Your browser could not be recognised.", "Allow cookies for this page, then reload it.", "browser"
            )


def checked_name(name: str) -> str:
    """The name with single spaces; raises `UserError` when it is none."""
    name = " ".join(name.split()) if isinstance(name, str) else ""
    if not name or len(name) > 80 or not name.isprintable():
        raise UserError(
            "is not a name." if name else "is empty.", "Say who is voting, in at most 80 letters.", "annotator"
        )
    return name


def close_session(home: Home, session: str, who: Voter) -> sessions.SessionInfo:
    """Ends the voting for good and shows the result to everybody; closing again changes nothing.

    Pairs that lie open in somebody's browser are taken back without a vote.
    """
    with store.writing(home) as db:
        row = sessions.find_session(db, session, lock=True)
        new = not sessions.closing(db, row.id)
        if new:
            record_session_event(db, row.id, CLOSED, who)
            db.execute(tables.sessions.update().where(tables.sessions.c.id == row.id).values(state=sessions.CLOSED))
            db.execute(LEASES.delete().where(LEASES.c.session_id == row.id))
        info = sessions.info_of(db, sessions.find_session(db, session))
    if new:
        record_change(home.root, "closed", "session", session)
    return info


def unblind(home: Home, session: str, who: Voter) -> None:
    """Records that this person sees the result of an open session; their votes count no more from now on.

    Their open pairs are taken back. Nothing is recorded twice, nor in a closed session.
    """
    with store.writing(home) as db:
        row = sessions.find_session(db, session, lock=True)
        if sessions.closing(db, row.id) or _same_person_was_unblinded(db, row.id, who):
            return
        record_session_event(db, row.id, UNBLINDED, who)
        for lease in db.execute(sa.select(LEASES).where(LEASES.c.session_id == row.id)).all():
            if _is(lease, who):
                db.execute(LEASES.delete().where(LEASES.c.id == lease.id))
    record_change(home.root, "unblinded", "session", session)


def record_session_event(db: sa.Connection, session_id: int, kind: str, who: Voter, subject: str = "") -> None:
    """Adds what somebody did to a session, to whom or what (`subject`), to its events."""
    values = {"session_id": session_id, "kind": kind, "annotator": who.name, "browser": who.browser, "subject": subject}
    db.execute(EVENTS.insert().values(**values, created=lineage.now()))


def _same_person_was_unblinded(db: sa.Connection, session_id: int, who: Voter) -> bool:
    return any((event.browser, event.annotator) == (who.browser, who.name) for event in _unblindings(db, session_id))


def is_unblinded(db: sa.Connection, session_id: int, who: Voter) -> bool:
    """Whether this person has seen the result of the session: by browser, or by name whatever its case."""
    return any(_is(event, who) for event in _unblindings(db, session_id))


def _unblindings(db: sa.Connection, session_id: int) -> list[Any]:
    return list(db.execute(_UNBLINDINGS, {"of_session": session_id}).all())


def _is(row: Any, who: Voter) -> bool:
    return bool(row.browser == who.browser or row.annotator.casefold() == who.name.casefold())


def may_see(home: Home, session: str, browser: str) -> bool:
    """Whether names and counts of this session may be shown in that browser ('' for nobody in particular)."""
    with store.reading(home) as db:
        row = sessions.find_session(db, session)
        if sessions.closing(db, row.id):
            return True
        return bool(browser) and any(event.browser == browser for event in _unblindings(db, row.id))


def is_blind(home: Home, session: str) -> bool:
    """Whether what tells of the session's models is kept from everybody: until it is closed, and in doubt."""
    try:
        return not sessions.is_closed(home, session)
    except UserError:
        return True


def check_visible(home: Home, session: str, browser: str) -> None:
    """Raises `Blinded` unless `may_see`."""
    if not may_see(home, session, browser):
        raise Blinded(
            f"The session {session!r} is open: names and counts are hidden while votes come in.",
            "Close it, or have the result shown to you alone: your later votes are then left out.",
            "session",
        )


def check_closed(home: Home, session: str) -> None:
    """Raises `Blinded` while the session is open: what is made of its votes is seen by everybody."""
    if not sessions.is_closed(home, session):
        raise Blinded(
            f"The session {session!r} is open: what is made of its votes would tell its voters the result.",
            "Close it first; nobody votes in it after that.",
            "session",
        )
