"""Label sessions: models compared on a prompt set, their answers, and the blind pairs made of them."""

import hashlib
import itertools
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from workbench.core import lineage
from workbench.core.change_log import current_person, record_change
from workbench.core.errors import Problems, UserError, suggestion
from workbench.core.home import Home, safe_name
from workbench.preferences import store, tables
from workbench.preferences.labelling_settings import LabellingSettings

OPEN, IDENTICAL, UNUSABLE = "open", "identical", "unusable"
FINISHES = ("eos", "length", "error")
JUDGED, RANKED = "judged", "ranked"
CHECKS = GOLD, TRAINING, ATTENTION = "gold", "training", "attention"
"""Kinds of pairs: two models' answers, all answers to a prompt at once, and questions whose answer is known."""
NO_VERDICT = ("skip", "flag")
"""Choices that deal with a pair without judging it."""
DRAFT, RUNNING, PAUSED, CLOSED, ARCHIVED = STATES = ("draft", "open", "paused", "closed", "archived")
MATCHUPS = 1000
Message = dict[str, str]
# Statements of every vote are made once: to put one together costs as much as to execute it.
_SESSION = sa.select(tables.sessions).where(tables.sessions.c.name == sa.bindparam("session_name"))
_LOCKED_SESSION = _SESSION.with_for_update()
_CLOSING = (
    sa.select(tables.session_events)
    .where(tables.session_events.c.session_id == sa.bindparam("of_session"), tables.session_events.c.kind == "closed")
    .limit(1)
)


@dataclass(frozen=True)
class Answer:
    """One model's answer; `finish` is 'eos', 'length' (cut off) or 'error'; `tokens` counts the new tokens."""

    text: str
    finish: str
    tokens: int


@dataclass(frozen=True)
class SessionInfo:
    """A session and its counts. `usable` pairs can be shown; `complete` when all answers are in.

    `votes` leaves out skips, undone votes and the `unblinded` ones, which were given after seeing the result.
    `closed` is when it was closed (ISO 8601, '' while it is open), `closed_by` who did it. Questions whose answer is
    known are in no count.
    """

    name: str
    models: list[str]
    prompts: int
    pairs: int
    usable: int
    votes: int
    annotators: int
    created: str
    complete: bool
    identical: int
    unusable: int
    prompts_name: str
    made_by: dict[str, Any]
    votes_per_pair: int
    unblinded: int
    closed: str
    closed_by: str
    state: str = RUNNING
    settings: LabellingSettings = field(default_factory=LabellingSettings)


def contestant(model: str, sample: int) -> str:
    """The name a model's answers go under: its own, and for a second sample 'name#2', and so on."""
    return model if sample == 0 else f"{model}#{sample + 1}"


def model_of(name: str) -> str:
    """The model behind a contestant's name."""
    return name.partition("#")[0]


def sample_index(name: str) -> int:
    """Which of its model's samples a contestant's name stands for, from 0."""
    return int(name.partition("#")[2] or 1) - 1


def create_session(
    home: Home,
    name: str,
    models: Sequence[str],
    prompts_name: str,
    made_by: dict[str, Any],
    votes_per_pair: int = 1,
    settings: LabellingSettings | None = None,
) -> SessionInfo:
    """A new session without answers; raises `SpecError` for wrong settings, `UserError` for a taken name."""
    models, settings = list(models), settings or LabellingSettings()
    name = _check(name, models, votes_per_pair)
    row = {
        "name": name,
        "models": models,
        "prompts_name": prompts_name,
        "made_by": made_by,
        "votes_per_pair": votes_per_pair,
        "seed": secrets.token_hex(16),
        "created": lineage.now(),
        "complete": False,
        "settings": settings.model_copy(update={"guidelines": ""}).to_dict(),
        "state": DRAFT if settings.draft else RUNNING,
    }
    taken = UserError(f"The session {name!r} exists already.", "Choose another name.", "name")
    with store.writing(home) as db:
        if db.scalar(sa.select(tables.sessions.c.id).where(tables.sessions.c.name == name)):
            raise taken
        made = store.insert_unique(db, tables.sessions.insert().values(row), taken).inserted_primary_key
        if settings.guidelines and made:
            first = {"session_id": made[0], "version": 1, "text": settings.guidelines, "author": current_person()}
            db.execute(tables.guidelines.insert().values(**first, created=row["created"]))
    record_change(home.root, "created", "session", name, prompts=prompts_name)
    return get_session(home, name)


def _check(name: str, models: list[str], votes_per_pair: int) -> str:
    problems = Problems()
    try:
        name = safe_name(name)
    except UserError as error:
        problems.collect("name", error)
    if len(models) < 2 or not all(isinstance(model, str) and model.strip() for model in models):
        problems.add("models", "a session compares at least two models.", "Choose two or more.")
    if len(set(models)) < len(models):
        problems.add("models", "the same model is named twice.", "Name each model once.")
    if not isinstance(votes_per_pair, int) or not 1 <= votes_per_pair <= 100:
        problems.add("votes_per_pair", f"is {votes_per_pair!r}.", "Choose a whole number from 1 to 100.")
    problems.check()
    return name


def add_answers(
    home: Home, session: str, prompt_index: int, prompt: Sequence[Message], answers: Mapping[str, Answer]
) -> bool:
    """Stores all models' answers to one prompt with their pairs; False if that prompt has them already.

    Raises `SpecError` when the prompt or an answer is malformed or a model's answer is missing, `UserError` when the
    session is closed.
    """
    with store.writing(home) as db:
        row = find_session(db, session, lock=True)
        _check_answers(row, prompt_index, prompt, answers)
        refuse_closed(db, row)
        same = (tables.prompts.c.session_id == row.id) & (tables.prompts.c.position == prompt_index)
        if db.scalar(sa.select(tables.prompts.c.id).where(same)):
            return False
        new = tables.prompts.insert().values(session_id=row.id, position=prompt_index, messages=list(prompt))
        prompt_id = insert(db, new)
        ids = {model: add_answer(db, prompt_id, model, answers[model]) for model in row.models}
        _add_pairs(db, row, prompt_index, prompt_id, {model: (ids[model], answers[model]) for model in row.models})
    return True


def _add_pairs(
    db: sa.Connection, row: Any, prompt_index: int, prompt_id: int, answers: Mapping[str, tuple[int, Answer]]
) -> None:
    """The pairs of a prompt's answers, given as (id, answer) by model: one for each two, or one for them all."""
    if not session_settings(row).ranking or len(answers) < 3:
        add_pairs_with(db, row, prompt_index, prompt_id, answers, set(answers))
        return
    a, b = row.models[:2]
    values = {"session_id": row.id, "prompt_id": prompt_id, "answer_a": answers[a][0], "answer_b": answers[b][0]}
    values |= {"kind": RANKED, "rank": rank(row.seed, prompt_index, a, b), "matchup": 0}
    values["state"] = _state(*(answer for _, answer in answers.values()))
    db.execute(tables.pairs.insert().values(values))


def add_pairs_with(
    db: sa.Connection,
    row: Any,
    prompt_index: int,
    prompt_id: int,
    answers: Mapping[str, tuple[int, Answer]],
    new: Collection[str],
) -> int:
    """A pair for each two of a prompt's answers of which one at least is of a `new` model; how many they are."""
    meetings = [
        (a, b)
        for a, b in itertools.combinations([model for model in row.models if model in answers], 2)
        if a in new or b in new
    ]
    for a, b in meetings:
        values = {"session_id": row.id, "prompt_id": prompt_id, "answer_a": answers[a][0], "answer_b": answers[b][0]}
        values |= {"kind": JUDGED, "rank": rank(row.seed, prompt_index, a, b)}
        values |= {"state": _state(answers[a][1], answers[b][1])}
        values["matchup"] = MATCHUPS * row.models.index(a) + row.models.index(b)
        db.execute(tables.pairs.insert().values(values))
    return len(meetings)


def refuse_closed(db: sa.Connection, row: Any) -> None:
    """Raises `UserError` when the session is closed: what belongs to it stays as it is."""
    if closing(db, row.id):
        raise UserError(
            "The session was closed: further answers are not taken.", "Make a new session for them.", "session"
        )


def _check_answers(row: Any, prompt_index: int, prompt: Sequence[Message], answers: Mapping[str, Answer]) -> None:
    problems = Problems()
    if not isinstance(prompt_index, int) or prompt_index < 0:
        problems.add("prompt_index", f"is {prompt_index!r}.", "Give the prompt's place in its set, from 0.")
    check_prompt_turns(prompt, problems)
    if set(answers) != set(row.models):
        wrong = sorted(set(answers) ^ set(row.models))
        problems.add("answers", f"missing or not in this session: {', '.join(wrong)}.", "Give one a model.")
    for model, answer in answers.items():
        if answer.finish not in FINISHES:
            problems.add(("answers", model, "finish"), f"is {answer.finish!r}.", f"Use {', '.join(FINISHES)}.")
    problems.check()


def check_prompt_turns(prompt: Sequence[Message], problems: Problems, *path: str | int) -> None:
    """Adds what is wrong with a prompt: it is messages with role and content, and ends where the answers begin."""
    well_formed = all(
        isinstance(m, dict) and set(m) == {"role", "content"} and all(isinstance(v, str) for v in m.values())
        for m in prompt
    )
    if not prompt or not well_formed:
        problems.add((*path, "prompt"), "must be messages with 'role' and 'content'.", "Give at least one.")
    elif prompt[-1]["role"] == "assistant":
        problems.add((*path, "prompt"), "ends with an assistant turn.", "End it where the answers begin.")


def add_answer(db: sa.Connection, prompt_id: int, model: str, answer: Answer) -> int:
    """Stores an answer; its id."""
    # PostgreSQL cannot store the character NUL in text.
    text = answer.text.replace("\x00", "")
    values = {"prompt_id": prompt_id, "model": model, "text": text}
    values |= {"finish": answer.finish, "tokens": answer.tokens}
    return insert(db, tables.answers.insert().values(values))


def insert(db: sa.Connection, statement: sa.Insert) -> int:
    """Inserts a row; its id."""
    key = db.execute(statement).inserted_primary_key
    assert key is not None
    return int(key[0])


def _state(*answers: Answer) -> str:
    """Whether answers can be judged against one another: not where one is empty or failed, or all are the same."""
    words = [answer.text.replace("\x00", "").split() for answer in answers]
    if any(answer.finish == "error" for answer in answers) or not all(words):
        return UNUSABLE
    return OPEN if any(other != words[0] for other in words[1:]) else IDENTICAL


def rank(seed: str, prompt_index: int, a: str, b: str) -> int:
    """A pair's place in the session's random order, which does not change as further answers come in."""
    digest = hashlib.sha256(f"{seed}\0{prompt_index}\0{a}\0{b}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def finish_session(home: Home, session: str) -> SessionInfo:
    """Notes that all answers are in."""
    with store.writing(home) as db:
        row = find_session(db, session, lock=True)
        db.execute(tables.sessions.update().where(tables.sessions.c.id == row.id).values(complete=True))
        return info_of(db, find_session(db, session))


def get_session(home: Home, session: str) -> SessionInfo:
    """One session; raises `UserError` when there is none of that name."""
    with store.reading(home) as db:
        return info_of(db, find_session(db, session))


def list_sessions(home: Home) -> list[SessionInfo]:
    """All sessions, the newest first."""
    with store.reading(home) as db:
        rows = db.execute(sa.select(tables.sessions).order_by(tables.sessions.c.id.desc())).all()
        return [info_of(db, row) for row in rows]


def finishes(home: Home, session: str) -> dict[str, dict[str, int]]:
    """How many answers of each model ended in each way of `FINISHES`; names models, so for closed sessions."""
    answers, prompts = tables.answers, tables.prompts
    count = sa.func.count().label("n")
    query = sa.select(answers.c.model, answers.c.finish, count).join(prompts, prompts.c.id == answers.c.prompt_id)
    with store.reading(home) as db:
        row = find_session(db, session)
        mine = query.where(prompts.c.session_id == row.id, prompts.c.position >= 0)
        counts: dict[str, dict[str, int]] = {model_of(model): dict.fromkeys(FINISHES, 0) for model in row.models}
        for answer in db.execute(mine.group_by(answers.c.model, answers.c.finish)):
            counts[model_of(answer.model)][answer.finish] += answer.n
    return counts


def find_session(db: sa.Connection, session: str, lock: bool = False) -> Any:
    """The session's row, kept from other writers until the transaction ends if `lock`; raises `UserError`."""
    row = db.execute(_LOCKED_SESSION if lock else _SESSION, {"session_name": session}).one_or_none()
    if row is None:
        names = list(db.scalars(sa.select(tables.sessions.c.name)))
        raise UserError(f"There is no session {session!r}.", suggestion(str(session), names), "session")
    return row


def closing(db: sa.Connection, session_id: int) -> Any:
    """The event that closed the session, or None while it is open."""
    return db.execute(_CLOSING, {"of_session": session_id}).one_or_none()


def is_closed(home: Home, session: str) -> bool:
    """Whether the session's voting has ended; raises `UserError` when there is no such session."""
    with store.reading(home) as db:
        return closing(db, find_session(db, session).id) is not None


def session_settings(row: Any) -> LabellingSettings:
    """The settings of a session's row; those of before there were any are the defaults."""
    return LabellingSettings.model_validate(row.settings or {})


def is_verdict() -> sa.ColumnElement[bool]:
    """The condition that an event says something of the answers: no skip, no flag."""
    return tables.vote_events.c.choice.not_in(NO_VERDICT)


def is_comparison() -> sa.ColumnElement[bool]:
    """The condition that a pair's answers are those of the models that are compared."""
    return tables.pairs.c.kind.not_in(CHECKS)


def effective(with_unblinded: bool = False) -> sa.ColumnElement[bool]:
    """The condition that an event is a vote or skip which stands: not undone, and given blind.

    An undo by somebody who had seen the result leaves a blind vote standing. `with_unblinded` takes all events.
    """
    events, undo = tables.vote_events, tables.vote_events.alias()
    undone = undo.c.undoes == events.c.id
    if with_unblinded:
        return (events.c.kind == "vote") & ~sa.exists().where(undone)
    blind_undo = sa.exists().where(undone, undo.c.unblinded.is_(False))
    return (events.c.kind == "vote") & events.c.unblinded.is_(False) & ~blind_undo


def count_votes(db: sa.Connection, session_id: int) -> tuple[int, int]:
    """Votes that stand, and by how many annotators; skips and flags are no votes, nor are answers to checks."""
    votes, annotators = db.execute(_COUNT_VOTES, {"of_session": session_id}).one()
    return votes, annotators


# Pages that follow the votes count them again and again; see `_SESSION`.
_EVENTS, _PAIRS, _PROMPTS = tables.vote_events, tables.pairs, tables.prompts
_VERDICTS = sa.and_(_EVENTS.c.session_id == sa.bindparam("of_session"), is_verdict(), is_comparison())
_COUNT_VOTES = (
    sa.select(sa.func.count(), sa.func.count(sa.distinct(_EVENTS.c.annotator)))
    .join(_PAIRS, _PAIRS.c.id == _EVENTS.c.pair_id)
    .where(_VERDICTS, effective())
)
_COUNT_UNBLINDED = (
    sa.select(sa.func.count())
    .select_from(_EVENTS.join(_PAIRS, _PAIRS.c.id == _EVENTS.c.pair_id))
    .where(_VERDICTS, _EVENTS.c.unblinded.is_(True), effective(with_unblinded=True))
)
_COUNT_STATES = (
    sa.select(_PAIRS.c.state, sa.func.count().label("n"))
    .where(_PAIRS.c.session_id == sa.bindparam("of_session"), is_comparison())
    .group_by(_PAIRS.c.state)
)
_COUNT_PROMPTS = (
    sa.select(sa.func.count())
    .select_from(_PROMPTS)
    .where(_PROMPTS.c.session_id == sa.bindparam("of_session"), _PROMPTS.c.position >= 0)
)


def info_of(db: sa.Connection, row: Any) -> SessionInfo:
    """A session's row with its counts."""
    this = {"of_session": row.id}
    count = {group.state: group.n for group in db.execute(_COUNT_STATES, this)}
    votes, annotators = count_votes(db, row.id)
    closed = closing(db, row.id)
    return SessionInfo(
        name=row.name,
        models=list(row.models),
        prompts=db.scalar(_COUNT_PROMPTS, this) or 0,
        pairs=sum(count.values()),
        usable=count.get(OPEN, 0),
        votes=votes,
        annotators=annotators,
        created=row.created,
        complete=row.complete,
        identical=count.get(IDENTICAL, 0),
        unusable=count.get(UNUSABLE, 0),
        prompts_name=row.prompts_name,
        made_by=dict(row.made_by),
        votes_per_pair=row.votes_per_pair,
        unblinded=db.scalar(_COUNT_UNBLINDED, this) or 0,
        closed=closed.created if closed else "",
        closed_by=closed.annotator if closed else "",
        state=row.state,
        settings=session_settings(row),
    )
