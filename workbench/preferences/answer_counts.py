"""What may be known of a session's answers before anybody votes: how many were cut off, failed, or name their model."""

from dataclasses import dataclass

import sqlalchemy as sa

from workbench.core.home import Home
from workbench.preferences import sessions, store, tables
from workbench.preferences.self_naming import named_models


@dataclass(frozen=True)
class AnswerCounts:
    """Counts over all answers of a session together, without identities: `cut_off` at the limit of new tokens,
    `failed` or empty, and `naming` those that name a model or its maker. `prompts_naming`: on how many prompts."""

    answers: int
    cut_off: int
    failed: int
    naming: int
    prompts_naming: int


def count_answers(home: Home, session: str) -> AnswerCounts:
    """Counts the answers of a session; questions whose answer is known are left out. Raises `UserError`."""
    answers, prompts = tables.answers, tables.prompts
    query = sa.select(answers.c.prompt_id, answers.c.text, answers.c.finish).join(prompts)
    with store.reading(home) as db:
        row = sessions.find_session(db, session)
        rows = db.execute(query.where(prompts.c.session_id == row.id, prompts.c.position >= 0)).all()
    naming = [each.prompt_id for each in rows if named_models(each.text)]
    return AnswerCounts(
        len(rows),
        sum(each.finish == "length" for each in rows),
        sum(each.finish == "error" or not each.text.strip() for each in rows),
        len(naming),
        len(set(naming)),
    )


def count_checks(home: Home, session: str) -> dict[str, int]:
    """How many questions whose answer is known a session has, by kind; raises `UserError`."""
    pairs = tables.pairs
    query = sa.select(pairs.c.kind, sa.func.count().label("n")).where(pairs.c.kind.in_(sessions.CHECKS))
    with store.reading(home) as db:
        row = sessions.find_session(db, session)
        found = db.execute(query.where(pairs.c.session_id == row.id).group_by(pairs.c.kind))
        return dict.fromkeys(sessions.CHECKS, 0) | {each.kind: each.n for each in found}
