"""A session made again without its votes: the same settings, prompts, answers and checks in another random order."""

import secrets
from typing import Any

import sqlalchemy as sa

from workbench.core import lineage
from workbench.core.change_log import record_change
from workbench.core.errors import UserError
from workbench.core.home import Home, safe_name
from workbench.preferences import sessions, store, tables
from workbench.preferences.blinding import Voter, record_session_event
from workbench.preferences.guideline_versions import latest_guideline

ANSWERS, PAIRS, PROMPTS = tables.answers, tables.pairs, tables.prompts


def clone_session(home: Home, session: str, name: str, who: Voter) -> sessions.SessionInfo:
    """A draft with the settings, the latest guidelines, prompts, answers and checks of a session, and no votes.

    It has a secret seed of its own, so pairs come in another order. The original is untouched, whatever its state.
    Raises `UserError` for an unknown session, a name that is taken or odd, and while answers are still to come.
    """
    name = safe_name(name)
    taken = UserError(f"The session {name!r} exists already.", "Choose another name.", "name")
    with store.writing(home) as db:
        row = sessions.find_session(db, session, lock=True)
        if not row.complete:
            raise UserError(
                "Answers of this session are still to come.", "Wait for their job, or resume it, then clone.", "session"
            )
        if db.scalar(sa.select(tables.sessions.c.id).where(tables.sessions.c.name == name)):
            raise taken
        values = {key: value for key, value in row._mapping.items() if key != "id"}
        values |= {"name": name, "seed": secrets.token_hex(16), "created": lineage.now(), "state": sessions.DRAFT}
        values["made_by"] = {**row.made_by, "cloned_from": session}
        made = store.insert_unique(db, tables.sessions.insert().values(values), taken).inserted_primary_key
        assert made is not None
        clone = db.execute(sa.select(tables.sessions).where(tables.sessions.c.id == made[0])).one()
        _copy_guideline(db, row, clone, who)
        for prompt in db.execute(sa.select(PROMPTS).where(PROMPTS.c.session_id == row.id).order_by(PROMPTS.c.id)).all():
            _copy_prompt(db, clone, prompt)
        record_session_event(db, row.id, "cloned", who, name)
        info = sessions.info_of(db, clone)
    record_change(home.root, "cloned", "session", name, source=session)
    return info


def _copy_guideline(db: sa.Connection, row: Any, clone: Any, who: Voter) -> None:
    """The latest guidelines, as the first version of the clone."""
    found = latest_guideline(db, row.id)
    if found and found.text:
        values = {"session_id": clone.id, "version": 1, "text": found.text, "author": who.name}
        db.execute(tables.guidelines.insert().values(**values, created=clone.created))


def _copy_prompt(db: sa.Connection, clone: Any, prompt: Any) -> None:
    """A prompt with its answers and pairs; no votes."""
    values = {"session_id": clone.id, "position": prompt.position, "messages": prompt.messages}
    new_prompt = sessions.insert(db, PROMPTS.insert().values(values))
    ids, names = {}, {}
    for answer in db.execute(sa.select(ANSWERS).where(ANSWERS.c.prompt_id == prompt.id)).all():
        values = {key: value for key, value in answer._mapping.items() if key != "id"}
        ids[answer.id] = sessions.insert(db, ANSWERS.insert().values(values | {"prompt_id": new_prompt}))
        names[answer.id] = answer.model
    for pair in db.execute(sa.select(PAIRS).where(PAIRS.c.prompt_id == prompt.id).order_by(PAIRS.c.id)).all():
        values = {key: value for key, value in pair._mapping.items() if key != "id"}
        values |= {"session_id": clone.id, "prompt_id": new_prompt, "votes": 0}
        values |= {"answer_a": ids[pair.answer_a], "answer_b": ids[pair.answer_b]}
        values["rank"] = sessions.rank(clone.seed, prompt.position, names[pair.answer_a], names[pair.answer_b])
        db.execute(PAIRS.insert().values(values))
