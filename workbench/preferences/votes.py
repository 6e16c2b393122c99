"""Serving blind pairs and keeping votes: leases, idempotent votes, undo by a compensating event."""

import math
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from workbench.core import lineage
from workbench.core.errors import UserError, shortened
from workbench.core.home import Home
from workbench.preferences import blinding, leases, quality_checks, self_naming, sessions, store, tables, vote_counts
from workbench.preferences.admission import VoteRefused, check_admitted, refusal_reason
from workbench.preferences.ballots import RANKING, Ballot, check_ballot
from workbench.preferences.blinding import Voter
from workbench.preferences.guideline_versions import LATEST_VERSION
from workbench.preferences.labelling_settings import LabellingSettings

EVENTS, PAIRS = tables.vote_events, tables.pairs
PLAIN = Ballot()
# Statements of every vote are made once: to put one together costs as much as to execute it.
_PROMPT = (
    sa.select(tables.prompts.c.messages)
    .join(PAIRS, PAIRS.c.prompt_id == tables.prompts.c.id)
    .where(PAIRS.c.id == sa.bindparam("of_pair"))
)
_PAIR = (
    sa.select(PAIRS.c.kind, tables.prompts.c.messages)
    .join(tables.prompts, tables.prompts.c.id == PAIRS.c.prompt_id)
    .where(PAIRS.c.id == sa.bindparam("of_pair"))
)
_ANSWER = sa.select(tables.answers).where(tables.answers.c.id == sa.bindparam("of_answer"))
_EVENT = (
    sa.select(EVENTS, PAIRS.c.kind.label("pair_kind"), PAIRS.c.expected, PAIRS.c.explanation)
    .join(PAIRS, PAIRS.c.id == EVENTS.c.pair_id)
    .where(EVENTS.c.key == sa.bindparam("of_key"))
)
_OWN = (
    sa.select(EVENTS)
    .where(EVENTS.c.session_id == sa.bindparam("of_session"), EVENTS.c.annotator == sa.bindparam("voter"))
    .where(sa.or_(EVENTS.c.browser == sa.bindparam("voters_browser"), EVENTS.c.browser == "", sa.bindparam("proved")))
    .where(sessions.effective(with_unblinded=True))
    .join(PAIRS, (PAIRS.c.id == EVENTS.c.pair_id) & (PAIRS.c.kind != sessions.TRAINING))
    .order_by(EVENTS.c.id.desc())
)
_LATEST = _OWN.limit(1)
_CHOSEN = _OWN.where(EVENTS.c.id == sa.bindparam("of_event"))
_APPEND = EVENTS.insert().values(guideline=LATEST_VERSION.scalar_subquery())


@dataclass(frozen=True)
class ShownAnswer:
    """The text of an answer, and whether it was cut off at the limit of its tokens."""

    text: str
    cut_off: bool


@dataclass(frozen=True)
class Feedback:
    """What is known of a training question, after the vote: the side that is `better`, or 'tie'."""

    right: bool
    better: str
    explanation: str


@dataclass(frozen=True)
class OwnVote:
    """A vote, skip or flag of one's own that stands, as its giver may see it: nothing of models in it."""

    event: int
    choice: str
    strength: int
    created: str
    prompt: str


@dataclass(frozen=True)
class BlindPair:
    """A pair as the annotator sees it: an opaque token and texts, never a model's name.

    `answers` are the left and the right one, or all that are to be ranked. `done` of `total` votes of the whole session
    and of one's own checks are in; `remaining_for_you` counts this pair too. `training`: what is known of it is told
    after the vote.
    """

    token: str
    prompt: list[dict[str, str]]
    answers: list[ShownAnswer]
    done: int
    total: int
    remaining_for_you: int
    ranked: bool = False
    training: bool = False

    @property
    def left(self) -> str:
        return self.answers[0].text

    @property
    def right(self) -> str:
        return self.answers[1].text


@dataclass(frozen=True)
class Saved:
    """A vote that is on the disk: the number of its event, the choice, and when (ISO 8601, UTC)."""

    event: int
    choice: str
    created: str
    feedback: Feedback | None = None


@dataclass(frozen=True)
class Cast:
    """A vote that is on the disk, and the pair that comes next, None where there is none; `problem` is why it could not
    be looked for."""

    saved: Saved
    item: BlindPair | None
    problem: UserError | None = None


@dataclass(frozen=True)
class Rights:
    """Whether there is a vote or skip to take back, and whether votes are marked since the result was seen."""

    can_undo: bool
    unblinded: bool


def next_item(home: Home, session: str, who: Voter) -> BlindPair | None:
    """The pair that lies open in this browser, else a newly leased one, else None; `standing` says why then.

    Raises `UserError` for an unknown session.
    """
    with store.writing(home, durable=False) as db:
        return _next(db, sessions.find_session(db, session, lock=True), who)


def _next(db: sa.Connection, row: Any, who: Voter, seconds: float = leases.UNCONFIRMED_SECONDS) -> BlindPair | None:
    """As `next_item`; a newly leased pair is held against others for so many seconds."""
    if sessions.closing(db, row.id) or refusal_reason(row, who):
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
    return _item(db, row, who, leases.grant(db, row, who, pair, unblinded, seconds))


def vote(
    home: Home, session: str, who: Voter, token: str, choice: str, key: str, seconds: float, ballot: Ballot = PLAIN
) -> Saved:
    """Keeps one vote; it is on the disk when this returns. The same `key` again changes nothing.

    `seconds` is the time it took without idle time. Raises `UserError` for an unknown session or choice, a session in
    which this person may not vote now, no key, or a token that is wrong, expired or another's, `SpecError` for a ballot
    that lacks what the session asks for.
    """
    key = _key(key)
    with store.writing(home) as db:
        row = sessions.find_session(db, session, lock=True)
        return _keep(db, row, who, token, key, _Given(choice, seconds, ballot))


def vote_and_next(
    home: Home, session: str, who: Voter, token: str, choice: str, key: str, seconds: float, ballot: Ballot = PLAIN
) -> Cast:
    """As `vote`, then `next_item`, in one transaction: one wait for the lock, and one for the disk."""
    key = _key(key)
    with store.writing(home) as db:
        row = sessions.find_session(db, session, lock=True)
        saved = _keep(db, row, who, token, key, _Given(choice, seconds, ballot))
        try:
            with db.begin_nested():
                return Cast(saved, _next(db, row, who, leases.HELD_SECONDS))
        except UserError as error:  # the vote stands; what the database refuses is no such error, and undoes all
            return Cast(saved, None, error)


@dataclass(frozen=True)
class _Given:
    choice: str
    seconds: float
    ballot: Ballot


def _keep(db: sa.Connection, row: Any, who: Voter, token: str, key: str, given: _Given) -> Saved:
    event = _earlier(db, row, who, key, "vote")
    if event is None:
        check_admitted(db, row, who)
        lease = leases.live_lease(db, row, who, token)
        shown = lease.ranked_answers or []
        values = check_ballot(sessions.session_settings(row), given.choice, given.ballot, len(shown))
        if values["choice"] == RANKING:
            values["ranking"] = [
                [_answer(db, shown[index]).model for index in group] for group in given.ballot.ranking or ()
            ]
        event = _append(db, row, who, key, values | _content(db, lease, given.seconds))
        leases.release(db, lease)
    return Saved(event.id, event.choice, event.created, _feedback(event))


def _feedback(event: Any) -> Feedback | None:
    """What is known of the pair, where it is a training question that was judged."""
    if event.pair_kind != sessions.TRAINING or event.choice in sessions.NO_VERDICT:
        return None
    sides = {event.left_model: "left", event.right_model: "right"}
    better = "tie" if event.expected == "tie" else sides[quality_checks.BETTER]
    return Feedback(quality_checks.is_right(event, event.expected), better, event.explanation)


def undo_latest(home: Home, session: str, who: Voter, key: str) -> BlindPair:
    """Takes back this person's latest vote, skip or flag: see `take_back`."""
    return take_back(home, session, who, key)


def take_back(home: Home, session: str, who: Voter, key: str, event: int | None = None) -> BlindPair:
    """Takes back a vote, skip or flag of this person's, the latest if no `event` is given, by a compensating event and
    re-opens that pair, sides drawn anew.

    A vote is taken back in the browser it was given in, under its name, or anywhere by whoever is logged in as its
    giver; answers to training questions stay. Once they have seen the result, the event is
    marked like their votes: the blind vote stands. The same `key` again changes nothing. Raises `UserError` when
    there is nothing to undo, the session is closed, or a skipped pair has gone to someone else since.
    """
    key = _key(key)
    with store.writing(home) as db:
        row = sessions.find_session(db, session, lock=True)
        if earlier := _earlier(db, row, who, key, "undo"):
            return _reopened(db, row, who, earlier.pair_id)
        check_admitted(db, row, who)
        last = _latest(db, row, who, event)
        if last is None:
            raise VoteRefused("no_vote", "You have no vote to undo here.", "Vote first.", "undo")
        unblinded = blinding.is_unblinded(db, row.id, who)
        content = {name: getattr(last, name) for name in ("pair_id", "choice", "left_model", "right_model")}
        content |= {"kind": "undo", "seconds": 0.0, "undoes": last.id, "unblinded": unblinded}
        _append(db, row, who, key, content)
        if not leases.is_open(db, row, who, unblinded, last.pair_id):
            raise VoteRefused(
                "skipped", "The pair you skipped has gone to someone else since.", "Go on with the next pair.", "undo"
            )
        pair = db.execute(sa.select(PAIRS).where(PAIRS.c.id == last.pair_id)).one()
        return _item(db, row, who, leases.grant(db, row, who, pair, unblinded, leases.HELD_SECONDS))


def rights_of(home: Home, session: str, who: Voter) -> Rights:
    """What this person may do in the session here and now."""
    with store.reading(home) as db:
        row = sessions.find_session(db, session)
        can_undo = not sessions.closing(db, row.id) and _latest(db, row, who) is not None
        return Rights(can_undo, blinding.is_unblinded(db, row.id, who))


def own_votes(home: Home, session: str, who: Voter, most: int = 200) -> list[OwnVote]:
    """What this person gave in the session and may take back, the latest first, with the prompts' last lines."""
    with store.reading(home) as db:
        row = sessions.find_session(db, session)
        events = db.execute(_OWN.limit(most), _asked(row, who)).all()
        return [
            OwnVote(event.id, event.choice, event.strength, event.created, _excerpt(db, event.pair_id))
            for event in events
        ]


def _excerpt(db: sa.Connection, pair: int, characters: int = 120) -> str:
    return shortened(" ".join(db.execute(_PROMPT, {"of_pair": pair}).scalar_one()[-1]["content"].split()), characters)


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


def _key(key: str) -> str:
    if not isinstance(key, str) or not 0 < len(key) <= 200:
        raise UserError("is missing or too long.", "Send a fresh random key with every new vote.", "key")
    return key


def _reopened(db: sa.Connection, row: Any, who: Voter, pair: int) -> BlindPair:
    lease = leases.lease_of(db, row, who.browser)
    if lease is None or lease.pair_id != pair:
        raise VoteRefused("taken_back", "That vote was taken back already.", "Go on with the next pair.", "undo")
    return _item(db, row, who, lease)


def _item(db: sa.Connection, row: Any, who: Voter, lease: Any) -> BlindPair:
    done, usable = vote_counts.session_progress(db, row.id)
    settings = sessions.session_settings(row)
    pair = db.execute(_PAIR, {"of_pair": lease.pair_id}).one()
    shown = lease.ranked_answers or [lease.left_answer, lease.right_answer]
    answers = [_answer(db, answer) for answer in shown]
    left = leases.count_open(db, row, who, lease.unblinded)
    judged, dealt, to_come = (0, 0, 0) if lease.unblinded else quality_checks.check_progress(db, row, who, left)
    return BlindPair(
        token=lease.token,
        prompt=shown_turns(settings, pair.messages),
        answers=[shown_answer(settings, answer) for answer in answers],
        done=done + judged,
        total=usable * row.votes_per_pair + dealt + to_come,
        remaining_for_you=left + to_come,
        ranked=bool(lease.ranked_answers),
        training=pair.kind == sessions.TRAINING,
    )


def shown_turns(settings: LabellingSettings, messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """The turns of a prompt that people see who judge."""
    return messages if settings.whole_conversation else messages[-1:]


def shown_answer(settings: LabellingSettings, answer: Any) -> ShownAnswer:
    """An answer's row as people see it who judge."""
    text = self_naming.cover_names(answer.text) if settings.mask_names else answer.text
    return ShownAnswer(text, answer.finish == "length")


def _answer(db: sa.Connection, answer: int) -> Any:
    return db.execute(_ANSWER, {"of_answer": answer}).one()


def _latest(db: sa.Connection, row: Any, who: Voter, event: int | None = None) -> Any:
    """The latest vote, skip or flag of this person that stands, or the one with that number; None if there is none.

    Votes from before browsers were noted have none.
    """
    if event is None:
        return db.execute(_LATEST, _asked(row, who)).one_or_none()
    return db.execute(_CHOSEN, _asked(row, who) | {"of_event": event}).one_or_none()


def _asked(row: Any, who: Voter) -> dict[str, Any]:
    return {"of_session": row.id, "voter": who.name, "voters_browser": who.browser, "proved": who.proved}


def _earlier(db: sa.Connection, row: Any, who: Voter, key: str, kind: str) -> Any:
    """The event already kept under this key, or None; raises `UserError` if the key was someone else's."""
    event = db.execute(_EVENT, {"of_key": key}).one_or_none()
    if event and (event.session_id, event.annotator, event.kind) != (row.id, who.name, kind):
        raise UserError("was used for something else.", "Send a fresh random key.", "key")
    return event


def _content(db: sa.Connection, lease: Any, seconds: float) -> dict[str, Any]:
    # A browser's clock may jump: a strange duration must not cost the vote.
    sane = seconds if isinstance(seconds, int | float) and math.isfinite(seconds) and seconds >= 0 else 0.0
    return {
        "kind": "vote",
        "pair_id": lease.pair_id,
        "left_model": _answer(db, lease.left_answer).model,
        "right_model": _answer(db, lease.right_answer).model,
        "seconds": float(sane),
        "unblinded": lease.unblinded,
    }


def _append(db: sa.Connection, row: Any, who: Voter, key: str, content: dict[str, Any]) -> Any:
    values = content | {"session_id": row.id, "annotator": who.name, "browser": who.browser, "key": key}
    values["created"] = lineage.now()
    db.execute(_APPEND, values | {"of_session": row.id})
    vote_counts.recount(db, values["pair_id"])
    return db.execute(_EVENT, {"of_key": key}).one()
