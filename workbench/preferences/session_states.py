"""The states of a labelling session and the moves between them, each kept as an event of the session.

A draft takes no votes yet and a paused session takes none now; both can be gone on with. A closed session is never
opened again, since everybody may have seen its result: it can only be archived, which takes it out of the lists.
"""

from dataclasses import dataclass

from workbench.core.change_log import record_change
from workbench.core.errors import UserError, suggestion
from workbench.core.home import Home
from workbench.preferences import sessions, store, tables
from workbench.preferences.blinding import Voter, close_session, record_session_event
from workbench.preferences.sessions import ARCHIVED, CLOSED, DRAFT, PAUSED, RUNNING, SessionInfo


@dataclass(frozen=True)
class Move:
    """A change of state: from which to which, the kind of event it leaves, and what it means to people."""

    before: str
    after: str
    event: str
    help: str


MOVES = {
    "open": Move(DRAFT, RUNNING, "opened", "votes are taken from now on"),
    "pause": Move(RUNNING, PAUSED, "paused", "no votes are taken until it goes on; open pairs go back without a vote"),
    "resume": Move(PAUSED, RUNNING, "resumed", "votes are taken again"),
    "archive": Move(CLOSED, ARCHIVED, "archived", "the lists leave it out; nothing is deleted"),
    "unarchive": Move(ARCHIVED, CLOSED, "unarchived", "the lists have it again"),
}
CLOSE = "close"
"""The move out of every state in which votes are taken, or may be: see `blinding.close_session`."""


def possible_moves(state: str) -> list[str]:
    """The names of the moves there are from a state, in the order of `MOVES`; closing, which is for good, last."""
    moves = [name for name, move in MOVES.items() if move.before == state]
    return moves if state in (CLOSED, ARCHIVED) else [*moves, CLOSE]


def move_session(home: Home, session: str, move: str, who: Voter) -> SessionInfo:
    """Changes the state of a session; one that is there already is left as it is.

    Pausing takes back the pairs that lie open, without a vote: a vote that is on its way is refused and says why.
    Raises `UserError` for an unknown session or move, and for a move that this state does not allow.
    """
    if move == CLOSE:
        return close_session(home, session, who)
    if move not in MOVES:
        raise UserError(f"There is no move {move!r}.", suggestion(str(move), [*MOVES, CLOSE]), "move")
    step = MOVES[move]
    with store.writing(home) as db:
        row = sessions.find_session(db, session, lock=True)
        new = row.state != step.after
        if new:
            _check_move(row.state, move)
            values = tables.sessions.update().where(tables.sessions.c.id == row.id)
            db.execute(values.values(state=step.after))
            record_session_event(db, row.id, step.event, who)
            if step.after == PAUSED:
                db.execute(tables.leases.delete().where(tables.leases.c.session_id == row.id))
        info = sessions.info_of(db, sessions.find_session(db, session))
    if new:
        record_change(home.root, step.event, "session", session)
    return info


def _check_move(state: str, move: str) -> None:
    if move in possible_moves(state):
        return
    if state in (CLOSED, ARCHIVED) and MOVES[move].after == RUNNING:
        raise UserError(
            "A closed session is not opened again: its result may have been seen.",
            "Clone it, and let people vote in the clone.",
            "session",
        )
    words = ", ".join(possible_moves(state))
    raise UserError(f"The session is {state}: it cannot {move} now.", f"Possible now: {words}.", "session")
