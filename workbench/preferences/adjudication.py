"""Adjudication: pairs on which votes differ go to a chosen person, who settles them blind.

A pair is disagreed on when two of its votes that stand say different things of its answers: A better, B better, tie or
both bad; by how much they say it does not matter. Of a ranking it is the order of any two answers. A pair comes up when
it has all its votes, or when no more are taken. Nobody settles a pair they judged themselves, nor a session whose
result they have seen; a closed session's result is seen by all.

What is decided is an event of its own beside the votes. It stands in their place in results and exports; agreement is
that of the votes.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from workbench.core import lineage
from workbench.core.errors import UserError, shortened
from workbench.core.home import Home
from workbench.preferences import sessions, standing_votes, store, tables
from workbench.preferences.adjudicators import check_adjudicator
from workbench.preferences.agreement import category
from workbench.preferences.ballots import RANKING, Ballot, check_ballot
from workbench.preferences.blinding import Voter
from workbench.preferences.labelling_settings import LabellingSettings
from workbench.preferences.standing_votes import ADJUDICATED, StandingVote
from workbench.preferences.votes import PLAIN, ShownAnswer, shown_answer, shown_turns

EVENTS, PAIRS, ANSWERS = tables.vote_events, tables.pairs, tables.answers


@dataclass(frozen=True)
class Opinion:
    """What a vote says of the answers as they are shown: 'left', 'right', 'tie', 'both_bad', or a `ranking` of their
    indices in groups, best first; with its strength and reason, without its giver."""

    choice: str
    strength: int
    reason: str
    ranking: Sequence[Sequence[int]] | None = None


@dataclass(frozen=True)
class Disagreement:
    """A pair to settle. `undecided`: none of its answers has more than half of the votes."""

    token: str
    prompt: list[dict[str, str]]
    answers: list[ShownAnswer]
    opinions: list[Opinion]
    undecided: bool
    ranked: bool


@dataclass(frozen=True)
class Decision:
    """What was decided, as its giver may see it: nothing of models in it."""

    event: int
    choice: str
    created: str
    prompt: str


def disagreements(home: Home, session: str, who: Voter) -> list[Disagreement]:
    """The pairs this person is to settle, those without a majority first; raises `UserError` when they may not."""
    votes = standing_votes.effective_votes(home, session)
    with store.reading(home) as db:
        row = sessions.find_session(db, session)
        check_adjudicator(db, row, who)
        return [_shown(db, row, who, pair, mine) for pair, mine in _open(db, row, who, votes)]


def count_disagreements(home: Home, session: str) -> dict[str, int]:
    """How many pairs votes differ on ('disagreed'), and how many of those are 'settled'. Tells nothing of models."""
    votes = standing_votes.effective_votes(home, session)
    with store.reading(home) as db:
        differing = {pair for pair, mine in _by_pair(votes).items() if differ(mine)}
        settled = _settled(db, sessions.find_session(db, session).id)
    return {"disagreed": len(differing), "settled": len(differing & settled)}


def adjudicate(
    home: Home, session: str, who: Voter, token: str, choice: str, key: str, ballot: Ballot = PLAIN
) -> Decision:
    """Keeps what was decided on a pair; it is on the disk when this returns. The same `key` again changes nothing.

    Raises `UserError` when this person may not, the key is used for something else, or the pair is settled; `SpecError`
    for a choice or ballot that lacks what the session asks for.
    """
    votes = standing_votes.effective_votes(home, session)
    with store.writing(home) as db:
        row = sessions.find_session(db, session, lock=True)
        check_adjudicator(db, row, who)
        event = _kept(db, row, who, key, ADJUDICATED)
        if event is None:
            pair = next((pair for pair, _ in _open(db, row, who, votes) if _token(row, who, pair) == token), None)
            if pair is None:
                raise UserError(
                    "This pair is settled already, or its votes agree by now.", "Go on with the next.", "token"
                )
            shown = _shown_answers(db, row, who, pair)
            content = _content(row, choice, ballot, shown, pair.kind == sessions.RANKED)
            event = _append(db, row, who, key, content | {"kind": ADJUDICATED, "pair_id": pair.id})
        return _decision(db, event)


def undo_adjudication(home: Home, session: str, who: Voter, key: str, event: int | None = None) -> None:
    """Takes back what this person decided, the latest if no `event` is given: the votes of its pair count again.

    The same `key` again changes nothing. Raises `UserError` when there is nothing to take back, or a session is closed.
    """
    with store.writing(home) as db:
        row = sessions.find_session(db, session, lock=True)
        check_adjudicator(db, row, who)
        if _kept(db, row, who, key, "undo"):
            return
        mine = [each for each in _decided(db, row, who) if event in (None, each.id)]
        if not mine:
            raise UserError("You have settled no such pair here.", "Choose one from your list.", "event")
        content = {name: getattr(mine[0], name) for name in ("pair_id", "choice", "left_model", "right_model")}
        _append(db, row, who, key, content | {"kind": "undo", "undoes": mine[0].id})


def own_decisions(home: Home, session: str, who: Voter) -> list[Decision]:
    """What this person has settled in the session, the latest first."""
    with store.reading(home) as db:
        row = sessions.find_session(db, session)
        return [_decision(db, event) for event in _decided(db, row, who)]


def differ(votes: Sequence[StandingVote]) -> bool:
    """Whether two votes on one pair say different things of its answers."""
    said: dict[tuple[str, str], set[str]] = defaultdict(set)
    for vote in votes:
        said[vote.model_a, vote.model_b].add(category(vote))
    return any(len(categories) > 1 for categories in said.values())


def _by_pair(votes: Sequence[StandingVote]) -> dict[int, list[StandingVote]]:
    by_pair: dict[int, list[StandingVote]] = defaultdict(list)
    for vote in votes:
        by_pair[vote.pair].append(vote)
    return by_pair


def _settled(db: sa.Connection, session_id: int) -> set[int]:
    query = sa.select(EVENTS.c.pair_id).where(EVENTS.c.session_id == session_id, standing_votes.stands_adjudicated())
    return set(db.scalars(query))


def _open(
    db: sa.Connection, row: Any, who: Voter, votes: Sequence[StandingVote]
) -> list[tuple[Any, list[StandingVote]]]:
    """The rows of the pairs this person is to settle with their votes, the undecided first."""
    settled, by_pair = _settled(db, row.id), _by_pair(votes)
    own = sa.select(EVENTS.c.pair_id).where(
        EVENTS.c.session_id == row.id, EVENTS.c.annotator == who.name, sessions.effective(with_unblinded=True)
    )
    judged = set(db.scalars(own))
    candidates = [pair for pair, mine in by_pair.items() if differ(mine) and pair not in settled | judged]
    over = row.state != sessions.RUNNING or sessions.session_settings(row).deadline_passed()
    rows = db.execute(sa.select(PAIRS).where(PAIRS.c.session_id == row.id).order_by(PAIRS.c.rank)).all()
    unsettled = [
        (pair, by_pair[pair.id]) for pair in rows
        if pair.id in set(candidates) and (over or pair.votes >= row.votes_per_pair)
    ]  # fmt: skip
    return sorted(unsettled, key=lambda each: not _undecided(each[1]))


def _undecided(votes: Sequence[StandingVote]) -> bool:
    counts: dict[tuple[str, str, str], int] = defaultdict(int)
    meetings = {(vote.model_a, vote.model_b) for vote in votes}
    for vote in votes:
        counts[vote.model_a, vote.model_b, category(vote)] += 1
    most = {each: max(n for key, n in counts.items() if key[:2] == each) for each in meetings}
    totals = {each: sum(n for key, n in counts.items() if key[:2] == each) for each in meetings}
    return any(2 * most[each] <= totals[each] for each in meetings)


def _token(row: Any, who: Voter, pair: Any) -> str:
    """What stands for the pair to this person: its number would tell which models meet."""
    return _digest(row, who, pair).hex()[:32]


def _digest(row: Any, who: Voter, pair: Any) -> bytes:
    return hashlib.sha256(f"{row.seed}\0adjudicate\0{who.name.casefold()}\0{pair.id}".encode()).digest()


def _shown_answers(db: sa.Connection, row: Any, who: Voter, pair: Any) -> list[Any]:
    """The answers in the order this person sees them, which is drawn once for them and the pair."""
    if pair.kind == sessions.RANKED:
        mine = ANSWERS.c.prompt_id == pair.prompt_id
    else:
        mine = ANSWERS.c.id.in_((pair.answer_a, pair.answer_b))
    answers = db.execute(sa.select(ANSWERS).where(mine)).all()
    digest = _digest(row, who, pair)
    return sorted(answers, key=lambda answer: hashlib.sha256(digest + str(answer.id).encode()).digest())


def _shown(db: sa.Connection, row: Any, who: Voter, pair: Any, votes: Sequence[StandingVote]) -> Disagreement:
    prompt = db.execute(sa.select(tables.prompts.c.messages).where(tables.prompts.c.id == pair.prompt_id)).scalar_one()
    answers = _shown_answers(db, row, who, pair)
    ranked = pair.kind == sessions.RANKED
    opinions = _ranked_opinions(db, votes, answers) if ranked else [_opinion(vote, answers) for vote in votes]
    opinions.sort(key=lambda opinion: (opinion.choice, str(opinion.ranking), opinion.strength, opinion.reason))
    settings = sessions.session_settings(row)
    shown = [shown_answer(settings, answer) for answer in answers]
    return Disagreement(
        _token(row, who, pair), shown_turns(settings, prompt), shown, opinions, _undecided(votes), ranked
    )


def _opinion(vote: StandingVote, answers: Sequence[Any]) -> Opinion:
    if vote.outcome == 0.5:
        return Opinion(vote.choice, vote.strength, vote.reason)
    winner = vote.model_a if vote.outcome == 1.0 else vote.model_b
    return Opinion("left" if answers[0].model == winner else "right", vote.strength, vote.reason)


def _ranked_opinions(db: sa.Connection, votes: Sequence[StandingVote], answers: Sequence[Any]) -> list[Opinion]:
    """One for each ranking, and for ties and both bad of all answers."""
    index = {answer.model: number for number, answer in enumerate(answers)}
    opinions = []
    for event in {vote.event: vote for vote in votes}.values():
        stored = db.scalar(sa.select(EVENTS.c.ranking).where(EVENTS.c.id == event.event))
        groups = [sorted(index[model] for model in group) for group in stored] if stored else None
        opinions.append(Opinion(event.choice, event.strength, event.reason, groups))
    return opinions


def _content(row: Any, choice: str, ballot: Ballot, shown: Sequence[Any], ranked: bool) -> dict[str, Any]:
    """The columns of the event. Aspects and edits are for those who vote; a reason is welcome."""
    asked = LabellingSettings(graded=sessions.session_settings(row).graded, rationale="optional")
    if choice in sessions.NO_VERDICT:
        raise UserError("settles nothing.", "Choose an answer, a tie or both bad, or go on later.", "choice")
    values = check_ballot(asked, choice, ballot, len(shown) if ranked else 0)
    if values["choice"] == RANKING:
        values["ranking"] = [[shown[index].model for index in group] for group in ballot.ranking or ()]
    return values | {"left_model": shown[0].model, "right_model": shown[1].model}


def _append(db: sa.Connection, row: Any, who: Voter, key: str, content: dict[str, Any]) -> Any:
    values = {"session_id": row.id, "annotator": who.name, "browser": who.browser, "key": key, "seconds": 0.0}
    db.execute(EVENTS.insert().values(values | content | {"created": lineage.now()}))
    return db.execute(sa.select(EVENTS).where(EVENTS.c.key == key)).one()


def _kept(db: sa.Connection, row: Any, who: Voter, key: str, kind: str) -> Any:
    """The event already kept under this key, or None; raises `UserError` if the key was someone else's."""
    if not isinstance(key, str) or not 0 < len(key) <= 200:
        raise UserError("is missing or too long.", "Send a fresh random key with every decision.", "key")
    event = db.execute(sa.select(EVENTS).where(EVENTS.c.key == key)).one_or_none()
    if event and (event.session_id, event.annotator, event.kind) != (row.id, who.name, kind):
        raise UserError("was used for something else.", "Send a fresh random key.", "key")
    return event


def _decided(db: sa.Connection, row: Any, who: Voter) -> Sequence[Any]:
    query = sa.select(EVENTS).where(EVENTS.c.session_id == row.id, EVENTS.c.annotator == who.name)
    return db.execute(query.where(standing_votes.stands_adjudicated()).order_by(EVENTS.c.id.desc())).all()


def _decision(db: sa.Connection, event: Any) -> Decision:
    query = sa.select(tables.prompts.c.messages).join(PAIRS, PAIRS.c.prompt_id == tables.prompts.c.id)
    messages = db.execute(query.where(PAIRS.c.id == event.pair_id)).scalar_one()
    text = " ".join(messages[-1]["content"].split())
    return Decision(event.id, event.choice, event.created, shortened(text, 120))
