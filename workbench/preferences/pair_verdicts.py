"""What a session's votes say of every two answers: which is chosen, by what margin, or why neither is.

The rows they make have, in their metadata, `margin` where votes are graded: the mean strength (1 slightly, 2 clearly,
3 much) of the votes for the chosen answer, those for the other taken negative, ties as 0; it is 0 where the fewer votes
against were stronger. An edited answer has the margin of the answer that won, than which it is no worse; it has none
where no answer won. `weight` is below 1 where several rows come of one judgement: the pairs of a ranking, the edited
answers of a pair. `author` names who wrote the chosen answer where it was edited.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from workbench.core.home import Home
from workbench.preferences import sessions, standing_votes, store, tables
from workbench.preferences.agreement import category
from workbench.preferences.standing_votes import StandingVote, effective_votes

Row = dict[str, Any]
REASONS = {
    "identical": "both answers were the same",
    "unusable": "an answer was empty or failed",
    "flagged": "somebody flagged the pair",
    "unvoted": "no vote stands",
    "tie": "most votes call it a tie",
    "both_bad": "most votes call both bad",
    "conflicting": "no answer has more than half of the votes",
    "truncated": "the chosen answer was cut off at the length limit",
}


@dataclass(frozen=True)
class JudgedAnswer:
    """A model's answer; `finish` is 'eos', 'length' or 'error'."""

    model: str
    text: str
    finish: str


@dataclass(frozen=True)
class AnswerPair:
    """Two answers to a prompt that were judged by themselves, or among others in one ranking."""

    pair: int
    messages: list[dict[str, str]]
    a: JudgedAnswer
    b: JudgedAnswer
    state: str
    weight: float

    @property
    def models(self) -> tuple[str, str]:
        return sessions.model_of(self.a.model), sessions.model_of(self.b.model)


@dataclass(frozen=True)
class Judged:
    """Two answers with the rows that come of them, or the reason why none does."""

    rows: list[Row]
    reason: str


def judge_pairs(home: Home, session: str, own: str = "", with_unblinded: bool = False) -> list[Judged]:
    """Every two answers of a session with what came of them, by prompt and pair; adjudicated pairs as was decided.

    With `own`, only those whose answers are both that model's. An edited answer is the chosen one, with its author: the
    rejected one is what lost the vote, or the answer that was edited when nothing did.
    """
    votes = effective_votes(home, session, with_unblinded)
    decided = effective_votes(home, session, with_unblinded, adjudicated=True)
    judgements, edits = _by_meeting(decided), _by_meeting(vote for vote in votes if vote.edited_text.strip())
    with store.reading(home) as db:
        row = sessions.find_session(db, session)
        pairs = answer_pairs(db, row.id)
        flagged = standing_votes.flagged_pairs(db, row.id, standing_votes.excluded_names(db, row.id))
    graded = any(vote.strength for vote in decided)
    return [
        _judge(pair, judgements[_meeting(pair)], edits[_meeting(pair)], pair.pair in flagged, graded)
        for pair in pairs
        if not own or {*pair.models} == {own}
    ]


def answer_pairs(db: sa.Connection, session_id: int) -> list[AnswerPair]:
    """Every two answers that are compared in a session, by prompt and pair: checks are not among them."""
    pairs, answers, prompts = tables.pairs, tables.answers, tables.prompts
    query = sa.select(pairs, prompts.c.messages).join(prompts, prompts.c.id == pairs.c.prompt_id)
    mine = query.where(pairs.c.session_id == session_id, sessions.is_comparison())
    rows = db.execute(mine.order_by(prompts.c.position, pairs.c.id)).all()
    by_prompt: dict[int, dict[int, JudgedAnswer]] = defaultdict(dict)
    stored = sa.select(answers).join(prompts, prompts.c.id == answers.c.prompt_id)
    for each in db.execute(stored.where(prompts.c.session_id == session_id).order_by(answers.c.model)):
        by_prompt[each.prompt_id][each.id] = JudgedAnswer(each.model, each.text, each.finish)
    return list(itertools.chain.from_iterable(_pairs_of(row, by_prompt[row.prompt_id]) for row in rows))


def _pairs_of(row: Any, answers: dict[int, JudgedAnswer]) -> list[AnswerPair]:
    if row.kind != sessions.RANKED:
        return [AnswerPair(row.id, row.messages, answers[row.answer_a], answers[row.answer_b], row.state, 1.0)]
    meetings = list(itertools.combinations(answers.values(), 2))
    return [
        AnswerPair(row.id, row.messages, a, b, _state_among_ranked(row.state, a, b), 1 / len(meetings))
        for a, b in meetings
    ]


def _state_among_ranked(state: str, a: JudgedAnswer, b: JudgedAnswer) -> str:
    same = a.text.split() == b.text.split()
    return sessions.IDENTICAL if state == sessions.OPEN and same else state


def _meeting(pair: AnswerPair) -> tuple[int, str, str]:
    return pair.pair, pair.a.model, pair.b.model


def _by_meeting(votes: Iterable[StandingVote]) -> defaultdict[tuple[int, str, str], list[StandingVote]]:
    by_meeting: defaultdict[tuple[int, str, str], list[StandingVote]] = defaultdict(list)
    for vote in votes:
        by_meeting[vote.pair, vote.model_a, vote.model_b].append(vote)
    return by_meeting


def _judge(
    pair: AnswerPair, votes: Sequence[StandingVote], edits: Sequence[StandingVote], flagged: bool, graded: bool
) -> Judged:
    if pair.state != sessions.OPEN or flagged:
        return Judged([], "flagged" if flagged else pair.state)
    winner = majority(votes)
    if written := [vote for vote in edits if _is_rewritten(pair, vote)]:
        about = _margin(votes, winner, graded) | _weight(pair.weight / len(written))
        return Judged([_edited_row(pair, vote, winner, about) for vote in written], "")
    if winner not in ("a", "b"):
        return Judged([], winner)
    chosen, rejected = (pair.a, pair.b) if winner == "a" else (pair.b, pair.a)
    if chosen.finish != "eos":
        return Judged([], "truncated")
    about = _margin(votes, winner, graded) | _weight(pair.weight)
    return Judged([_row(pair, chosen.text, rejected.text, about)], "")


def majority(votes: Sequence[StandingVote]) -> str:
    """What more than half of a pair's votes say: a, b, tie or both_bad; else unvoted or conflicting."""
    if not votes:
        return "unvoted"
    verdict, count = Counter(category(vote) for vote in votes).most_common(1)[0]
    return verdict if 2 * count > len(votes) else "conflicting"


def margin(votes: Sequence[StandingVote], winner: str) -> float:
    """The mean signed strength of a pair's votes for its winner ('a' or 'b'), at least 0."""
    signs = {winner: 1, "tie": 0, "both_bad": 0}
    total = sum(vote.strength * signs.get(category(vote), -1) for vote in votes)
    return round(max(0.0, total / len(votes)), 4)


def _margin(votes: Sequence[StandingVote], winner: str, graded: bool) -> dict[str, float]:
    return {"margin": margin(votes, winner)} if graded and winner in ("a", "b") else {}


def _is_rewritten(pair: AnswerPair, vote: StandingVote) -> bool:
    """Whether an edited answer says something else than either of the two."""
    return vote.edited_text.split() not in (pair.a.text.split(), pair.b.text.split())


def _edited_row(pair: AnswerPair, vote: StandingVote, winner: str, about: dict[str, float]) -> Row:
    edited = pair.a if vote.edited_model == pair.a.model else pair.b
    loser = {"a": pair.b, "b": pair.a}.get(winner, edited)
    return _row(pair, vote.edited_text, loser.text, {"author": vote.annotator, **about})


def _weight(weight: float) -> dict[str, float]:
    return {"weight": round(weight, 6)} if weight < 1 else {}


def _row(pair: AnswerPair, chosen: str, rejected: str, about: dict[str, Any]) -> Row:
    sides = {"chosen": chosen, "rejected": rejected}
    row: Row = {"prompt": pair.messages}
    row |= {side: [{"role": "assistant", "content": text}] for side, text in sides.items()}
    return {**row, "metadata": about} if about else row


def edited_answers(home: Home, session: str, with_unblinded: bool = False) -> list[Row]:
    """Rows of `messages` with each edited answer of votes that stand, its author in the metadata."""
    with store.reading(home) as db:
        pairs = {_meeting(pair): pair for pair in answer_pairs(db, sessions.find_session(db, session).id)}
    rows = []
    for vote in effective_votes(home, session, with_unblinded):
        pair = pairs[vote.pair, vote.model_a, vote.model_b]
        if vote.edited_text.strip() and _is_rewritten(pair, vote):
            answer = {"role": "assistant", "content": vote.edited_text}
            rows.append({"messages": [*pair.messages, answer], "metadata": {"author": vote.annotator}})
    return rows
