"""Whether somebody may vote in a session now: its state, its deadline, and who is asked."""

from typing import Any

import sqlalchemy as sa

from workbench.core.errors import UserError
from workbench.preferences import sessions
from workbench.preferences.blinding import Voter

REFUSALS = {
    "draft": ("This session is a draft: it is not open for votes yet.", "Wait until it is opened."),
    "paused": ("This session is paused: votes are not taken now.", "Wait until it goes on."),
    "over": ("The deadline of this session has passed: votes are no longer taken.", "Ask its owner for more time."),
    "uninvited": ("You are not among those who are asked to vote in this session.", "Ask its owner to add you."),
}


class VoteRefused(UserError):
    """What annotators meet that is no mistake of a call. reason: its key among the words of the page on which people
    judge; values: what is filled in there."""

    def __init__(self, reason: str, message: str, remedy: str, field: str = "session", **values: str):
        super().__init__(message, remedy, field)
        self.reason, self.values = reason, values


def refusal_reason(row: Any, who: Voter) -> str:
    """Why this person has no vote now in a session that is not closed, by the key of `REFUSALS`; '' if they may."""
    return refusal_of_name(row, who.name)


def refusal_of_name(row: Any, name: str) -> str:
    """As `refusal_reason`, in whichever browser."""
    if row.state in (sessions.DRAFT, sessions.PAUSED):
        return str(row.state)
    settings = sessions.session_settings(row)
    if settings.deadline_passed():
        return "over"
    return "" if settings.admits(name) else "uninvited"


def check_admitted(db: sa.Connection, row: Any, who: Voter) -> None:
    """Raises `VoteRefused` when no vote of this person is taken now."""
    if closed := sessions.closing(db, row.id):
        raise VoteRefused(
            "closed",
            f"This session was closed by {closed.annotator}: votes are no longer taken.",
            "Nothing was saved by this step. The result is shown below.",
            person=str(closed.annotator),
        )
    if reason := refusal_reason(row, who):
        message, remedy = REFUSALS[reason]
        raise VoteRefused(reason, message, f"Nothing was saved by this step. {remedy}")
