"""Serving blind pairs and keeping votes: leases, idempotent votes, undo by a compensating event."""

import math
import secrets
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from workbench import lineage
from workbench.errors import UserError
from workbench.home import Home
from workbench.preferences import leases, sessions, store
from workbench.registry import suggestion

CHOICES = ("left", "right", "tie", "both_bad", "skip")
EVENTS, PAIRS = store.vote_events, store.pairs


@dataclass(frozen=True)
class Item:
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
class Vote:
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


def next_item(home: Home, session: str, annotator: str) -> Item | None:
    """The pair this annotator has open, else a newly leased one, else None when nothing is left for them.

    A lease lasts 10 minutes from the last call. Raises `UserError` for an unknown session or no annotator.
    """
    who = _annotator(annotator)
    with store.writing(home) as db:
        row = sessions.find(db, session, lock=True)
        lease = leases.lease_of(db, row, who)
        if lease and leases.wanted(db, row, who, lease.pair_id):
            leases.renew(db, lease)
            return _item(db, row, lease)
        pair = db.execute(leases.open_pairs(row, who).order_by(PAIRS.c.rank).limit(1)).one_or_none()
        if pair is None:
            return None
        sides = (pair.answer_a, pair.answer_b) if secrets.randbelow(2) else (pair.answer_b, pair.answer_a)
        return _item(db, row, leases.grant(db, row, who, pair.id, sides))


def vote(home: Home, session: str, annotator: str, token: str, choice: str, key: str, seconds: float) -> Saved:
    """Keeps one vote; it is on the disk when this returns. The same `key` again changes nothing.

    Raises `UserError` for an unknown session or choice, no annotator, no key, or a token that is wrong,
    expired or another annotator's.
    """
    who, key = _annotator(annotator), _key(key)
    if choice not in CHOICES:
        raise UserError(f"There is no choice {choice!r}.", suggestion(str(choice), list(CHOICES)), "choice")
    with store.writing(home) as db:
        row = sessions.find(db, session, lock=True)
        event = _earlier(db, row, who, key, "vote")
        if event is None:
            lease = leases.live_lease(db, row, who, token)
            event = _append(db, row, who, key, _content(db, lease, choice, seconds))
            leases.release(db, lease)
        return Saved(event.id, event.choice, event.created)


def undo(home: Home, session: str, annotator: str, key: str) -> Item:
    """Takes back this annotator's latest vote or skip by a compensating event and re-opens that pair.

    The pair comes back with the same sides. The same `key` again changes nothing. Raises `UserError` when
    there is nothing to undo, or a skipped pair has gone to someone else since.
    """
    who, key = _annotator(annotator), _key(key)
    with store.writing(home) as db:
        row = sessions.find(db, session, lock=True)
        if earlier := _earlier(db, row, who, key, "undo"):
            return _reopened(db, row, who, earlier.pair_id)
        last = _latest(db, row, who)
        content = {name: getattr(last, name) for name in ("pair_id", "choice", "left_model", "right_model")}
        _append(db, row, who, key, content | {"kind": "undo", "seconds": 0.0, "undoes": last.id})
        if not leases.wanted(db, row, who, last.pair_id):
            raise UserError("The pair you skipped has gone to someone else since.", "Go on with the next pair.", "undo")
        left, right = (_answer_id(db, last.pair_id, model) for model in (last.left_model, last.right_model))
        return _item(db, row, leases.grant(db, row, who, last.pair_id, (left, right)))


def effective_votes(home: Home, session: str) -> list[Vote]:
    """The votes that stand, in the order they were given: undone ones and skips are left out."""
    a, b = store.answers.alias(), store.answers.alias()
    query = (
        sa.select(EVENTS, store.prompts.c.position, a.c.model.label("model_a"), b.c.model.label("model_b"))
        .add_columns(sa.func.length(a.c.text).label("length_a"), sa.func.length(b.c.text).label("length_b"))
        .join(PAIRS, PAIRS.c.id == EVENTS.c.pair_id)
        .join(store.prompts, store.prompts.c.id == PAIRS.c.prompt_id)
        .join(a, a.c.id == PAIRS.c.answer_a)
        .join(b, b.c.id == PAIRS.c.answer_b)
        .where(sessions.effective(), EVENTS.c.choice != "skip")
        .order_by(EVENTS.c.id)
    )
    with store.reading(home) as db:
        row = sessions.find(db, session)
        return [_vote(found) for found in db.execute(query.where(EVENTS.c.session_id == row.id))]


def _vote(row: Any) -> Vote:
    winner = {"left": row.left_model, "right": row.right_model}.get(row.choice)
    return Vote(
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


def _annotator(name: str) -> str:
    name = " ".join(name.split()) if isinstance(name, str) else ""
    if not name or len(name) > 80 or not name.isprintable():
        raise UserError(
            "is not a name." if name else "is empty.", "Say who is voting, in at most 80 letters.", "annotator"
        )
    return name


def _key(key: str) -> str:
    if not isinstance(key, str) or not 0 < len(key) <= 200:
        raise UserError("is missing or too long.", "Send a fresh random key with every new vote.", "key")
    return key


def _reopened(db: sa.Connection, row: Any, who: str, pair: int) -> Item:
    lease = leases.lease_of(db, row, who)
    if lease is None or lease.pair_id != pair:
        raise UserError("That vote was taken back already.", "Go on with the next pair.", "undo")
    return _item(db, row, lease)


def _item(db: sa.Connection, row: Any, lease: Any) -> Item:
    prompt = sa.select(store.prompts.c.messages).join(PAIRS, PAIRS.c.prompt_id == store.prompts.c.id)
    usable = sa.select(sa.func.count(PAIRS.c.id)).where(PAIRS.c.session_id == row.id, PAIRS.c.state == sessions.OPEN)
    open_pairs = sa.select(sa.func.count()).select_from(leases.open_pairs(row, lease.annotator).subquery())
    return Item(
        token=lease.token,
        prompt=db.execute(prompt.where(PAIRS.c.id == lease.pair_id)).scalar_one(),
        left=_answer(db, lease.left_answer).text,
        right=_answer(db, lease.right_answer).text,
        done=sessions.count_votes(db, row.id)[0],
        total=db.execute(usable).scalar_one() * row.votes_per_pair,
        remaining_for_you=db.execute(open_pairs).scalar_one(),
    )


def _answer(db: sa.Connection, answer: int) -> Any:
    return db.execute(sa.select(store.answers).where(store.answers.c.id == answer)).one()


def _answer_id(db: sa.Connection, pair: int, model: str) -> int:
    query = sa.select(store.answers.c.id).join(PAIRS, PAIRS.c.prompt_id == store.answers.c.prompt_id)
    return db.execute(query.where(PAIRS.c.id == pair, store.answers.c.model == model)).scalar_one()


def _latest(db: sa.Connection, row: Any, who: str) -> Any:
    mine = (EVENTS.c.session_id == row.id) & (EVENTS.c.annotator == who) & sessions.effective()
    last = db.execute(sa.select(EVENTS).where(mine).order_by(EVENTS.c.id.desc()).limit(1)).one_or_none()
    if last is None:
        raise UserError("You have no vote to undo here.", "Vote first.", "undo")
    return last


def _earlier(db: sa.Connection, row: Any, who: str, key: str, kind: str) -> Any:
    """The event already kept under this key, or None; raises `UserError` if the key was someone else's."""
    event = db.execute(sa.select(EVENTS).where(EVENTS.c.key == key)).one_or_none()
    if event and (event.session_id, event.annotator, event.kind) != (row.id, who, kind):
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
    }


def _append(db: sa.Connection, row: Any, who: str, key: str, content: dict[str, Any]) -> Any:
    values = content | {"session_id": row.id, "annotator": who, "key": key, "created": lineage.now()}
    db.execute(EVENTS.insert().values(values))
    return db.execute(sa.select(EVENTS).where(EVENTS.c.key == key)).one()
