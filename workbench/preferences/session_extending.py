"""More prompts or another model in a session that is under way: nothing there is changed, pairs are only added.

While answers come in, the session is not complete, so that nobody is told that nothing is left; people go on voting.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from workbench.core.change_log import record_change
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.preferences import sessions, store, tables
from workbench.preferences.blinding import Voter, record_session_event
from workbench.preferences.sessions import Answer, Message

ANSWERS, PROMPTS = tables.answers, tables.prompts
MOST_CONTESTANTS = 32


def begin_extension(home: Home, session: str, job: str, new: Sequence[str], who: Voter) -> bool:
    """Notes that a job brings more answers, of these `new` contestants to the prompts there are; False if that job
    has begun already and goes on.

    Raises `SpecError` for a contestant that is there already or cannot be added, `UserError` for a session that is
    closed or whose answers are still to come.
    """
    with store.writing(home) as db:
        row = sessions.find_session(db, session, lock=True)
        sessions.refuse_closed(db, row)
        begun = row.made_by.get("job") == job
        if not begun:
            check_extension(row, new)
            entry = {"job": job, "models": list(new), "prompts": _count_prompts(db, row)}
            made_by = {**row.made_by, "job": job, "extensions": [*row.made_by.get("extensions", ()), entry]}
            values = {"made_by": made_by, "models": [*row.models, *new], "complete": False}
            db.execute(tables.sessions.update().where(tables.sessions.c.id == row.id).values(values))
            record_session_event(db, row.id, "extended", who, "models" if new else "prompts")
    if not begun:
        record_change(home.root, "extended", "session", session, models=len(new))
    return not begun


def check_session_takes(home: Home, session: str, new: Sequence[str]) -> None:
    """As `check_extension`, of a session by its name; raises `UserError` for one that is closed, too."""
    with store.reading(home) as db:
        row = sessions.find_session(db, session)
        sessions.refuse_closed(db, row)
        check_extension(row, new)


def session_prompts(home: Home, session: str) -> list[list[Message]]:
    """The prompts of a session in their order; questions whose answer is known are left out."""
    query = sa.select(PROMPTS.c.messages).where(PROMPTS.c.position >= 0).order_by(PROMPTS.c.position)
    with store.reading(home) as db:
        row = sessions.find_session(db, session)
        return list(db.scalars(query.where(PROMPTS.c.session_id == row.id)))


def check_extension(row: Any, new: Sequence[str]) -> None:
    """Raises `UserError` or `SpecError` when these contestants, or prompts if there are none, cannot be added now."""
    if not row.complete:
        raise UserError(
            "Answers of this session are still to come.", "Wait for their job, or resume it, then add more.", "session"
        )
    problems = Problems()
    if new and sessions.session_settings(row).ranking:
        problems.add(
            "models",
            "cannot be added to a session of rankings: those given so far do not rank the new answers.",
            "Make a new session with all the models.",
        )
    for name in sorted({*row.models} & {*new}):
        problems.add("models", f"{name!r} answers in this session already.", "Choose another model.")
    if len(row.models) + len(new) > MOST_CONTESTANTS:
        problems.add("models", "there would be too many to compare.", f"A session takes {MOST_CONTESTANTS} at most.")
    problems.check()


def _count_prompts(db: sa.Connection, row: Any) -> int:
    mine = (PROMPTS.c.session_id == row.id) & (PROMPTS.c.position >= 0)
    return db.scalar(sa.select(sa.func.count(PROMPTS.c.id)).where(mine)) or 0


def prompts_lacking(home: Home, session: str, names: Sequence[str]) -> dict[int, list[Message]]:
    """The prompts by their place that lack an answer of one of these contestants."""
    has = (
        sa.select(sa.func.count(ANSWERS.c.id))
        .where(ANSWERS.c.prompt_id == PROMPTS.c.id, ANSWERS.c.model.in_(names))
        .scalar_subquery()
    )
    query = sa.select(PROMPTS).where(PROMPTS.c.position >= 0, has < len(names)).order_by(PROMPTS.c.position)
    with store.reading(home) as db:
        row = sessions.find_session(db, session)
        return {each.position: each.messages for each in db.execute(query.where(PROMPTS.c.session_id == row.id))}


def add_model_answers(home: Home, session: str, position: int, answers: Mapping[str, Answer]) -> int:
    """Stores what contestants of an extension answer to a prompt that is there, with a pair for each two answers of
    which one at least is new; how many pairs that are. Answers that are there already are left as they are.

    Raises `UserError` for a closed session, an unknown prompt, and a contestant the session does not have.
    """
    with store.writing(home) as db:
        row = sessions.find_session(db, session, lock=True)
        sessions.refuse_closed(db, row)
        mine = (PROMPTS.c.session_id == row.id) & (PROMPTS.c.position == position)
        prompt = db.execute(sa.select(PROMPTS).where(mine)).one_or_none()
        if prompt is None:
            raise UserError(f"There is no prompt {position}.", "Give the place of one of the session's prompts.")
        if strangers := sorted(set(answers) - set(row.models)):
            raise UserError(f"{strangers[0]!r} is not in this session.", "Begin with 'begin_extension'.", "answers")
        there = {
            each.model: (each.id, Answer(each.text, each.finish, each.tokens))
            for each in db.execute(sa.select(ANSWERS).where(ANSWERS.c.prompt_id == prompt.id))
        }
        new = {
            name: (sessions.add_answer(db, prompt.id, name, answer), answer)
            for name, answer in answers.items()
            if name not in there
        }
        return sessions.add_pairs_with(db, row, position, prompt.id, there | new, set(new))
