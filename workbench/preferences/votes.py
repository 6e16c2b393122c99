"""Serving blind pairs and keeping votes: leases, idempotent votes, undo by a compensating event."""

import math
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from workbench.core import lineage
from workbench.core.errors import UserError, suggestion
from workbench.core.home import Home
from workbench.preferences import blinding, leases, sessions, store, tables, vote_counts
from workbench.preferences.blinding import Voter

CHOICES = ("left", "right", "tie", "both_bad", "skip")
EVENTS, PAIRS = tables.vote_events, tables.pairs
# Statements of every vote are made once: to put one together costs as much as to execute it.
_PROMPT = (
    sa.select(tables.prompts.c.messages)
    .join(PAIRS, PAIRS.c.prompt_id == tables.prompts.c.id)
    .where(PAIRS.c.id == sa.bindparam("of_pair"))
)
_ANSWER = sa.select(tables.answers).where(tables.answers.c.id == sa.bindparam("of_answer"))
_EVENT = sa.select(EVENTS).where(EVENTS.c.key == sa.bindparam("of_key"))
_LATEST = (
    sa.select(EVENTS)
    .where(EVENTS.c.session_id == sa.bindparam("of_session"), EVENTS.c.annotator == sa.bindparam("voter"))
    .where(sa.or_(EVENTS.c.browser == sa.bindparam("voters_browser"), EVENTS.c.browser == ""))
    .where(sessions.effective(with_unblinded=True))
    .order_by(EVENTS.c.id.desc())
    .limit(1)
)
_APPEND = EVENTS.insert()


@dataclass(frozen=True)
class BlindPair:
    """A pair as the annotator sees it: an opaque token and texts, never a model's name.

    `done` of `total` votes of the whole session are in; `remaining_for_you` counts this pair too.
    """

    token: str
    prompt: list[dict[str, str]]
    left: str
    right: str
    done: int
    total: int
    remaining_for_you: int


@dataclass(frozen=True)
class Saved:
    """A vote that is on the disk: the number of its event, the choice, and when (ISO 8601, UTC)."""

    event: int
    choice: str
    created: str


@dataclass(frozen=True)
class Rights:
    """Whether there is a vote or skip to take back, and whether votes are marked since the result was seen."""

    can_undo: bool
    unblinded: bool


@dataclass(frozen=True)
class StandingVote:
    """One vote that stands. `outcome` is 1.0 if A's answer won, 0.0 if B's, 0.5 for a tie or both bad.

    `choice` is by side (left, right, tie, both_bad); lengths are in characters.
    """

    pair: int
    prompt_index: int
    annotator: str
    model_a: str
    model_b: str
    outcome: float
    choice: str
    seconds: float
    both_bad: bool
    length_a: int
    length_b: int


def next_item(home: Home, session: str, who: Voter) -> BlindPair | None:
    """The pair that lies open in this browser, else a newly leased one, else None; `standing` says why then.

    Raises `UserError` for an unknown session.
    """
    with store.writing(home, durable=False) as db:
        row = sessions.find_session(db, session, lock=True)
        if sessions.closing(db, row.id):
            return None
        unblinded = blinding.is_unblinded(db, row.id, who)
        lease = leases.lease_of(db, row, who.browser)
        if lease and lease.unblinded == unblinded and leases.is_open(db, row, who, unblinded, lease.pair_id):
            return _item(db, row, who, leases.renew(db, row, who, lease))
        pair = leases.find_pair(db, row, who, unblinded)
        if pair is None:
            if lease:
                leases.release(db, lease)
            return None
        return _item(db, row, who, leases.grant(db, row, who, pair, unblinded))


def vote(home: Home, session: str, who: Voter, token: str, choice: str, key: str, seconds: float) -> Saved:
    """Keeps one vote; it is on the disk when this returns. The same `key` again changes nothing.

    Raises `UserError` for an unknown session or choice, a closed session, no key, or a token that is wrong, expired
    or another's.
    """
    key = _key(key)
    if choice not in CHOICES:
        raise UserError(f"There is no choice {choice!r}.", suggestion(str(choice), list(CHOICES)), "choice")
    with store.writing(home) as db:
        row = sessions.find_session(db, session, lock=True)
        event = _earlier(db, row, who, key, "vote")
        if event is None:
            _check_open(db, row)
            lease = leases.live_lease(db, row, who, token)
            event = _append(db, row, who, key, _content(db, lease, choice, seconds))
            leases.release(db, lease)
        return Saved(event.id, event.choice, event.created)


def undo_latest(home: Home, session: str, who: Voter, key: str) -> BlindPair:
    """Takes back this person's latest vote or skip by a compensating event and re-opens that pair, sides drawn anew.

    A vote is taken back in the browser it was given in, under its name. Once they have seen the result, the event is
    marked like their votes: the blind vote stands. The same `key` again changes nothing. Raises `UserError` when
    there is nothing to undo, the session is closed, or a skipped pair has gone to someone else since.
    """
    key = _key(key)
    with store.writing(home) as db:
        row = sessions.find_session(db, session, lock=True)
        if earlier := _earlier(db, row, who, key, "undo"):
            return _reopened(db, row, who, earlier.pair_id)
        _check_open(db, row)
        last = _latest(db, row, who)
        if last is None:
            raise UserError("You have no vote to undo here.", "Vote first.", "undo")
        unblinded = blinding.is_unblinded(db, row.id, who)
        content = {name: getattr(last, name) for name in ("pair_id", "choice", "left_model", "right_model")}
        content |= {"kind": "undo", "seconds": 0.0, "undoes": last.id, "unblinded": unblinded}
        _append(db, row, who, key, content)
        if not leases.is_open(db, row, who, unblinded, last.pair_id):
            raise UserError("The pair you skipped has gone to someone else since.", "Go on with the next pair.", "undo")
        pair = db.execute(sa.select(PAIRS).where(PAIRS.c.id == last.pair_id)).one()
        return _item(db, row, who, leases.grant(db, row, who, pair, unblinded))


def rights_of(home: Home, session: str, who: Voter) -> Rights:
    """What this person may do in the session here and now."""
    with store.reading(home) as db:
        row = sessions.find_session(db, session)
        can_undo = not sessions.closing(db, row.id) and _latest(db, row, who) is not None
        return Rights(can_undo, blinding.is_unblinded(db, row.id, who))


def hold(home: Home, session: str, browser: str, token: str, seconds: float = leases.HELD_SECONDS) -> bool:
    """Notes that the pair is being looked at, so that nobody takes it over; False if it is gone already."""
    with store.writing(home, durable=False) as db:
        return leases.extend_lease(db, sessions.find_session(db, session, lock=True), browser, token, seconds)


def give_back(home: Home, session: str, browser: str, token: str) -> None:
    """Ends the lease when its page is closed, so that the pair is free for others at once."""
    with store.writing(home, durable=False) as db:
        row = sessions.find_session(db, session, lock=True)
        lease = leases.lease_of(db, row, browser)
        if lease is not None and lease.token == token:
            leases.release(db, lease)


def effective_votes(home: Home, session: str, with_unblinded: bool = False) -> list[StandingVote]:
    """The votes that stand, in the order they were given: undone ones and skips are left out.

    So is what people did after they had seen the result, unless `with_unblinded`. This is for computing, not for
    showing: see `blinding.check_visible`.
    """
    a, b = tables.answers.alias(), tables.answers.alias()
    query = (
        sa.select(EVENTS, tables.prompts.c.position, a.c.model.label("model_a"), b.c.model.label("model_b"))
        .add_columns(sa.func.length(a.c.text).label("length_a"), sa.func.length(b.c.text).label("length_b"))
        .join(PAIRS, PAIRS.c.id == EVENTS.c.pair_id)
        .join(tables.prompts, tables.prompts.c.id == PAIRS.c.prompt_id)
        .join(a, a.c.id == PAIRS.c.answer_a)
        .join(b, b.c.id == PAIRS.c.answer_b)
        .where(sessions.effective(with_unblinded), EVENTS.c.choice != "skip")
        .order_by(EVENTS.c.id)
    )
    with store.reading(home) as db:
        row = sessions.find_session(db, session)
        return [_vote(event) for event in db.execute(query.where(EVENTS.c.session_id == row.id))]


def _vote(row: Any) -> StandingVote:
    winner = {"left": row.left_model, "right": row.right_model}.get(row.choice)
    return StandingVote(
        pair=row.pair_id,
        prompt_index=row.position,
        annotator=row.annotator,
        model_a=row.model_a,
        model_b=row.model_b,
        outcome=0.5 if winner is None else float(winner == row.model_a),
        choice=row.choice,
        seconds=row.seconds,
        both_bad=row.choice == "both_bad",
        length_a=row.length_a,
        length_b=row.length_b,
    )


def _check_open(db: sa.Connection, row: Any) -> None:
    if closed := sessions.closing(db, row.id):
        raise UserError(
            f"This session was closed by {closed.annotator}: votes are no longer taken.",
            "Nothing was saved by this step. The result is shown below.",
            "session",
        )


def _key(key: str) -> str:
    if not isinstance(key, str) or not 0 < len(key) <= 200:
        raise UserError("is missing or too long.", "Send a fresh random key with every new vote.", "key")
    return key


def _reopened(db: sa.Connection, row: Any, who: Voter, pair: int) -> BlindPair:
    lease = leases.lease_of(db, row, who.browser)
    if lease is None or lease.pair_id != pair:
        raise UserError("That vote was taken back already.", "Go on with the next pair.", "undo")
    return _item(db, row, who, lease)


def _item(db: sa.Connection, row: Any, who: Voter, lease: Any) -> BlindPair:
    done, usable = vote_counts.session_progress(db, row.id)
    return BlindPair(
        token=lease.token,
        prompt=db.execute(_PROMPT, {"of_pair": lease.pair_id}).scalar_one(),
        left=_answer(db, lease.left_answer).text,
        right=_answer(db, lease.right_answer).text,
        done=done,
        total=usable * row.votes_per_pair,
        remaining_for_you=leases.count_open(db, row, who, lease.unblinded),
    )


def _answer(db: sa.Connection, answer: int) -> Any:
    return db.execute(_ANSWER, {"of_answer": answer}).one()


def _latest(db: sa.Connection, row: Any, who: Voter) -> Any:
    """The latest vote or skip of this person that stands, or None. Votes from before browsers were noted have none."""
    asked = {"of_session": row.id, "voter": who.name, "voters_browser": who.browser}
    return db.execute(_LATEST, asked).one_or_none()


def _earlier(db: sa.Connection, row: Any, who: Voter, key: str, kind: str) -> Any:
    """The event already kept under this key, or None; raises `UserError` if the key was someone else's."""
    event = db.execute(_EVENT, {"of_key": key}).one_or_none()
    if event and (event.session_id, event.annotator, event.kind) != (row.id, who.name, kind):
        raise UserError("was used for something else.", "Send a fresh random key.", "key")
    return event


def _content(db: sa.Connection, lease: Any, choice: str, seconds: float) -> dict[str, Any]:
    # A browser's clock may jump: a strange duration must not cost the vote.
    sane = seconds if isinstance(seconds, int | float) and math.isfinite(seconds) and seconds >= 0 else 0.0
    return {
        "kind": "vote",
        "pair_id": lease.pair_id,
        "choice": choice,
        "left_model": _answer(db, lease.left_answer).model,
        "right_model": _answer(db, lease.right_answer).model,
        "seconds": float(sane),
        "unblinded": lease.unblinded,
    }


def _append(db: sa.Connection, row: Any, who: Voter, key: str, content: dict[str, Any]) -> Any:
    values = content | {"session_id": row.id, "annotator": who.name, "browser": who.browser, "key": key}
    values["created"] = lineage.now()
    db.execute(_APPEND, values)
    vote_counts.recount(db, values["pair_id"])
    return db.execute(_EVENT, {"of_key": key}).one()
