"""Attention checks made of a session's own answers: one of the two answers belongs to another prompt.

Both answers are one model's, so that a check looks like any other pair and nothing but reading tells them apart.
"""

import hashlib
import itertools
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from workbench.core.home import Home
from workbench.preferences import sessions, store, tables
from workbench.preferences.quality_checks import QualityCheck, add_checks
from workbench.preferences.sessions import ATTENTION, JUDGED, OPEN, RANKED

ANSWERS, PAIRS, PROMPTS = tables.answers, tables.pairs, tables.prompts
EXPLANATION = "The other answer belongs to another question."


def add_attention_checks(home: Home, session: str, wanted: int | None = None) -> int:
    """Makes attention checks until the session has as many as its settings say, or `wanted`; how many it has then.

    It makes fewer while there are fewer prompts with different answers; asked again when there are more, it goes on.
    Each prompt is taken at most once. Raises `UserError` for an unknown or closed session.
    """
    with store.reading(home) as db:
        row = sessions.find_session(db, session)
        if wanted is None:
            wanted = sessions.session_settings(row).attention_checks
        there = _existing(db, row.id)
        answers = _whole_answers(db, row.id) if len(there) < wanted else []
    new = (check for check in _made(row.seed, answers) if list(check.prompt) not in there)
    missing = list(itertools.islice(new, max(0, wanted - len(there))))
    if missing:
        add_checks(home, session, missing)
    return len(there) + len(missing)


def _existing(db: sa.Connection, session_id: int) -> list[list[dict[str, str]]]:
    """The prompts of the attention checks there are."""
    query = sa.select(PROMPTS.c.messages).join(PAIRS, PAIRS.c.prompt_id == PROMPTS.c.id)
    return list(db.scalars(query.where(PAIRS.c.session_id == session_id, PAIRS.c.kind == ATTENTION)))


def _whole_answers(db: sa.Connection, session_id: int) -> list[Any]:
    """Answers that can be shown, of prompts that are compared: (messages, position, model, text, finish)."""
    shown = sa.exists().where(
        PAIRS.c.prompt_id == PROMPTS.c.id, PAIRS.c.state == OPEN, PAIRS.c.kind.in_((JUDGED, RANKED))
    )
    query = (
        sa.select(PROMPTS.c.messages, PROMPTS.c.position, ANSWERS.c.model, ANSWERS.c.text, ANSWERS.c.finish)
        .join(ANSWERS, ANSWERS.c.prompt_id == PROMPTS.c.id)
        .where(PROMPTS.c.session_id == session_id, PROMPTS.c.position >= 0, ANSWERS.c.finish != "error", shown)
        .order_by(PROMPTS.c.position, ANSWERS.c.model)
    )
    return [each for each in db.execute(query) if each.text.strip()]


def _made(seed: str, answers: list[Any]) -> Iterator[QualityCheck]:
    """A check for every prompt that has one, in a random order that the seed decides."""
    by_prompt: dict[int, list[Any]] = {}
    by_model: dict[str, list[Any]] = {}
    for answer in answers:
        by_prompt.setdefault(answer.position, []).append(answer)
        by_model.setdefault(answer.model, []).append(answer)
    for position in sorted(by_prompt, key=lambda each: _draw(seed, each)):
        right = by_prompt[position][_draw(seed, position, "which") % len(by_prompt[position])]
        others = by_model[right.model]
        first = _draw(seed, position, "other") % len(others)
        for wrong in [*others[first:], *others[:first]]:
            if wrong.messages != right.messages and wrong.text.split() != right.text.split():
                ends = right.finish, wrong.finish
                yield QualityCheck(right.messages, right.text, wrong.text, ATTENTION, False, EXPLANATION, ends)
                break


def _draw(seed: str, position: int, what: str = "") -> int:
    """A number that the session's secret seed and the place decide."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{position}\0{what}".encode()).digest()[:8], "big")
