"""Questions whose answer is known: a training round first, then gold questions and attention checks in between.

Nobody can tell a gold question or an attention check from a pair that is compared, by what surrounds it neither: each
counts in the numbers its annotator sees. One comes within every so many votes of a person, at a place that is drawn
from the session's secret seed: the same again after a restart, never foreseen.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from workbench.core.change_log import record_change
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.preferences import sessions, store, tables
from workbench.preferences.blinding import Voter
from workbench.preferences.sessions import ATTENTION, GOLD, TRAINING, Answer, Message

EVENTS, PAIRS = tables.vote_events, tables.pairs
BETTER, WORSE = "better answer", "worse answer"
"""What the answers of a check go under, where a model's name stands for other pairs."""
_SESSION: Any = sa.bindparam("of_session")
_NAME: Any = sa.bindparam("voter")
_CHECKS = PAIRS.c.session_id == _SESSION, PAIRS.c.kind.in_(sessions.CHECKS), PAIRS.c.state == sessions.OPEN
_DEALT_WITH = (
    sa.exists()
    .where(EVENTS.c.pair_id == PAIRS.c.id, EVENTS.c.annotator == _NAME)
    .where(sessions.effective(with_unblinded=True))
)
_OPEN_CHECKS = sa.select(PAIRS).where(*_CHECKS, ~_DEALT_WITH).order_by(PAIRS.c.rank)
_HAS_CHECKS = sa.select(PAIRS.c.id).where(*_CHECKS).limit(1)
_IS_OPEN = sa.select(PAIRS.c.id).where(*_CHECKS, ~_DEALT_WITH, PAIRS.c.id == sa.bindparam("of_pair"))
_DONE = (
    sa.select(
        PAIRS.c.kind,
        sa.func.count().label("votes"),
        sa.func.count(sa.case((sessions.is_verdict(), 1))).label("verdicts"),
    )
    .select_from(EVENTS.join(PAIRS, PAIRS.c.id == EVENTS.c.pair_id))
    .where(EVENTS.c.session_id == _SESSION, EVENTS.c.annotator == _NAME, sessions.effective(with_unblinded=True))
    .group_by(PAIRS.c.kind)
)


@dataclass(frozen=True)
class QualityCheck:
    """A question whose answer is known: the better and the worse answer to a prompt, or two equally good ones.

    `kind` is 'gold', 'training' or 'attention'; `explanation` is shown after a training question. `finishes` says of
    the better and of the worse answer how it ended, as `Answer.finish` does.
    """

    prompt: Sequence[Message]
    better: str
    worse: str
    kind: str = GOLD
    equal: bool = False
    explanation: str = ""
    finishes: tuple[str, str] = ("eos", "eos")


@dataclass(frozen=True)
class CheckVote:
    """An annotator's vote on a check: `right` when it says what is known."""

    pair: int
    annotator: str
    kind: str
    choice: str
    right: bool
    created: str


def add_checks(home: Home, session: str, checks: Sequence[QualityCheck]) -> int:
    """Adds questions whose answer is known to a session that is not closed; how many there are now.

    Raises `SpecError` for a malformed one, `UserError` for a closed or unknown session.
    """
    problems = Problems()
    for index, check in enumerate(checks):
        _check(index, check, problems)
    problems.check()
    with store.writing(home) as db:
        row = sessions.find_session(db, session, lock=True)
        sessions.refuse_closed(db, row)
        lowest = db.scalar(
            sa.select(sa.func.min(tables.prompts.c.position)).where(tables.prompts.c.session_id == row.id)
        )
        for number, check in enumerate(checks, 1):
            _add(db, row, min(0, lowest or 0) - number, check)
        count = db.scalar(sa.select(sa.func.count()).select_from(PAIRS).where(*_CHECKS), {"of_session": row.id}) or 0
    record_change(home.root, "added checks", "session", session, checks=len(checks))
    return count


def _check(index: int, check: QualityCheck, problems: Problems) -> None:
    if check.kind not in sessions.CHECKS:
        problems.add((index, "kind"), f"is {check.kind!r}.", f"Use one of {', '.join(sessions.CHECKS)}.")
    if not check.better.strip() or not check.worse.strip():
        problems.add((index,), "lacks an answer.", "Give a better and a worse answer.")
    elif check.better.split() == check.worse.split():
        problems.add((index,), "has the same answer twice.", "Give two that differ.")
    sessions.check_prompt_turns(check.prompt, problems, index)


def _add(db: sa.Connection, row: Any, position: int, check: QualityCheck) -> None:
    prompt_id = sessions.insert(
        db, tables.prompts.insert().values(session_id=row.id, position=position, messages=list(check.prompt))
    )
    better, worse = (
        sessions.add_answer(db, prompt_id, name, Answer(text, finish, 0))
        for name, text, finish in zip((BETTER, WORSE), (check.better, check.worse), check.finishes, strict=True)
    )
    values = {"session_id": row.id, "prompt_id": prompt_id, "answer_a": better, "answer_b": worse}
    values |= {"state": sessions.OPEN, "kind": check.kind, "expected": "tie" if check.equal else "a"}
    values |= {"explanation": check.explanation, "rank": sessions.rank(row.seed, position, BETTER, WORSE)}
    db.execute(PAIRS.insert().values(values))


def due_check(db: sa.Connection, row: Any, who: Voter) -> Any:
    """The pair of the question this annotator is to answer now, or None: training first, others as they fall due."""
    work = _work(db, row, who)
    if not work or not (work.training or work.hidden):
        return None
    if work.training:
        return work.training[0]
    return work.hidden[0] if work.judged >= work.due(row, who, 0) else None


def check_progress(db: sa.Connection, row: Any, who: Voter, open_pairs: int) -> tuple[int, int, int]:
    """Of this annotator's checks: how many were judged, how many dealt with, and how many are still to come if they
    deal with so many more pairs."""
    work = _work(db, row, who)
    if not work:
        return 0, 0, 0
    hidden = sum(work.due(row, who, more) <= work.judged + open_pairs for more in range(len(work.hidden)))
    return work.verdicts, work.answered + work.trained, len(work.training) + hidden


@dataclass(frozen=True)
class _Work:
    """An annotator's checks that are open, and how many pairs, hidden checks and training questions they dealt with;
    `verdicts` of the checks were judged, neither skipped nor flagged."""

    training: Sequence[Any]
    hidden: Sequence[Any]
    judged: int
    answered: int
    trained: int
    verdicts: int

    def due(self, row: Any, who: Voter, more: int) -> int:
        """After how many votes the hidden check comes that has so `more` before it."""
        return due_after(row.seed, who.name, self.answered + more, sessions.session_settings(row).check_every)


def _work(db: sa.Connection, row: Any, who: Voter) -> _Work | None:
    """None where the session has no checks."""
    asked = {"of_session": row.id, "voter": who.name}
    if db.execute(_HAS_CHECKS, asked).first() is None:
        return None
    open_checks = db.execute(_OPEN_CHECKS, asked).all()
    done = {each.kind: each for each in db.execute(_DONE, asked)}
    counts = {kind: each.votes for kind, each in done.items()}
    return _Work(
        training=[pair for pair in open_checks if pair.kind == TRAINING],
        hidden=[pair for pair in open_checks if pair.kind != TRAINING],
        judged=sum(count for kind, count in counts.items() if kind not in sessions.CHECKS),
        answered=counts.get(GOLD, 0) + counts.get(ATTENTION, 0),
        trained=counts.get(TRAINING, 0),
        verdicts=sum(each.verdicts for kind, each in done.items() if kind in sessions.CHECKS),
    )


def due_after(seed: str, annotator: str, answered: int, every: int) -> int:
    """After how many votes the next check comes, when so many were answered: at a random place within each span."""
    digest = hashlib.sha256(f"{seed}\0{annotator}\0{answered}".encode()).digest()
    return answered * every + 1 + int.from_bytes(digest[:8], "big") % (every - 1)


def is_open_check(db: sa.Connection, row: Any, who: Voter, pair: int) -> bool:
    """Whether that pair is a check this annotator has not answered."""
    return db.execute(_IS_OPEN, {"of_session": row.id, "voter": who.name, "of_pair": pair}).first() is not None


def check_votes(home: Home, session: str) -> list[CheckVote]:
    """The answers to checks that stand, in the order they were given; training too. This tells what is known: it is for
    those who may see the result."""
    query = (
        sa.select(EVENTS, PAIRS.c.kind.label("check_kind"), PAIRS.c.expected)
        .join(PAIRS, PAIRS.c.id == EVENTS.c.pair_id)
        .where(PAIRS.c.kind.in_(sessions.CHECKS), sessions.effective(), sessions.is_verdict())
        .order_by(EVENTS.c.id)
    )
    with store.reading(home) as db:
        row = sessions.find_session(db, session)
        return [
            CheckVote(
                event.pair_id, event.annotator, event.check_kind, event.choice, is_right(event, event.expected),
                event.created,
            )
            for event in db.execute(query.where(EVENTS.c.session_id == row.id))
        ]  # fmt: skip


def is_right(event: Any, expected: str) -> bool:
    """Whether an event on a check says what is known; both bad is no answer to it."""
    if expected == "tie":
        return bool(event.choice == "tie")
    winner = {"left": event.left_model, "right": event.right_model}.get(event.choice)
    return bool(winner == BETTER)
