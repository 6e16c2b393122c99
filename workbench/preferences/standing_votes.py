"""The votes that stand, as everything that computes from them sees them: by model, rankings taken apart into pairs."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from workbench.core.home import Home
from workbench.preferences import sessions, store, tables

EVENTS, PAIRS = tables.vote_events, tables.pairs
EXCLUDED, INCLUDED = "excluded", "included"
"""Kinds of session events: an annotator's votes are left out of the result, or count again."""
ADJUDICATED = "adjudicate"
"""The kind of a vote event that settles a pair on which votes differ."""


@dataclass(frozen=True)
class StandingVote:
    """One vote that stands. `outcome` is 1.0 if A's answer won, 0.0 if B's, 0.5 for a tie or both bad.

    `choice` is by side (left, right, tie, both_bad; 'ranking' for what a ranking says of two of its answers); lengths
    are in characters. `weight` is 1 for a vote, and 1 for all pairs of a ranking together. `strength`: 1 slightly, 2
    clearly, 3 much, 0 not graded. `aspects`: outcomes by aspect. `edited_model`: whose answer was rewritten into
    `edited_text`, '' for none. `guideline`: the version of the guidelines it was given under, 0 for none.
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
    event: int = 0
    weight: float = 1.0
    strength: int = 0
    aspects: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    edited_text: str = ""
    edited_model: str = ""
    guideline: int = 0
    created: str = ""


def effective_votes(
    home: Home,
    session: str,
    with_unblinded: bool = False,
    with_excluded: bool = False,
    with_flagged: bool = False,
    adjudicated: bool = False,
) -> list[StandingVote]:
    """The votes that stand, in the order they were given: undone ones, skips, flags and checks are left out.

    So is what people did after they had seen the result, unless `with_unblinded`, what annotators gave who are left
    out of the result, unless `with_excluded`, and what was given on pairs that somebody flagged, unless `with_flagged`.
    A ranking gives a vote for each two of its answers, as does calling them all equal or bad. With `adjudicated`, what
    an adjudicator decided stands in the place of the votes on its pair: so it is in results and exports, not in figures
    on the annotators. This is for computing, not for showing: see `blinding.check_visible`.
    """
    a, b = tables.answers.alias(), tables.answers.alias()
    query = (
        sa.select(EVENTS, tables.prompts.c.position, PAIRS.c.prompt_id, PAIRS.c.kind.label("pair_kind"))
        .add_columns(a.c.model.label("model_a"), b.c.model.label("model_b"))
        .add_columns(sa.func.length(a.c.text).label("length_a"), sa.func.length(b.c.text).label("length_b"))
        .join(PAIRS, PAIRS.c.id == EVENTS.c.pair_id)
        .join(tables.prompts, tables.prompts.c.id == PAIRS.c.prompt_id)
        .join(a, a.c.id == PAIRS.c.answer_a)
        .join(b, b.c.id == PAIRS.c.answer_b)
        .where(sa.or_(sessions.effective(with_unblinded), stands_adjudicated() if adjudicated else sa.false()))
        .where(sessions.is_verdict(), sessions.is_comparison())
        .order_by(EVENTS.c.id)
    )
    with store.reading(home) as db:
        row = sessions.find_session(db, session)
        excluded = set() if with_excluded else excluded_names(db, row.id)
        flagged = set() if with_flagged else flagged_pairs(db, row.id, excluded)
        events = db.execute(query.where(EVENTS.c.session_id == row.id)).all()
        counted = [each for each in events if each.annotator.casefold() not in excluded and each.pair_id not in flagged]
        settled = {each.pair_id for each in counted if each.kind == ADJUDICATED}
        counted = [each for each in counted if each.kind == ADJUDICATED or each.pair_id not in settled]
        ranked = any(each.pair_kind == sessions.RANKED for each in counted)
        lengths = _lengths(db, row.id) if ranked else {}
        votes = [_ranked(each, lengths) if each.pair_kind == sessions.RANKED else [_vote(each)] for each in counted]
    return list(itertools.chain.from_iterable(votes))


def stands_adjudicated() -> sa.ColumnElement[bool]:
    """The condition that an event settles a pair and was not taken back."""
    undo = EVENTS.alias()
    return (EVENTS.c.kind == ADJUDICATED) & ~sa.exists().where(undo.c.undoes == EVENTS.c.id)


def excluded_names(db: sa.Connection, session_id: int) -> set[str]:
    """The annotators, case-folded, whose votes are left out of the result of this session."""
    events = tables.session_events
    switches = sa.select(events).where(events.c.session_id == session_id, events.c.kind.in_((EXCLUDED, INCLUDED)))
    latest = {event.subject.casefold(): event.kind for event in db.execute(switches.order_by(events.c.id))}
    return {name for name, kind in latest.items() if kind == EXCLUDED}


def flagged_pairs(db: sa.Connection, session_id: int, excluded: set[str]) -> set[int]:
    """The pairs that were flagged by somebody whose word counts, and whose flag stands."""
    flags = sa.select(EVENTS.c.pair_id, EVENTS.c.annotator).where(
        EVENTS.c.session_id == session_id, EVENTS.c.choice == "flag", sessions.effective()
    )
    return {flag.pair_id for flag in db.execute(flags) if flag.annotator.casefold() not in excluded}


def _lengths(db: sa.Connection, session_id: int) -> dict[tuple[int, str], int]:
    """Characters of every answer of a session by prompt id and model."""
    answers, prompts = tables.answers, tables.prompts
    query = sa.select(answers.c.prompt_id, answers.c.model, sa.func.length(answers.c.text).label("length"))
    mine = query.join(prompts, prompts.c.id == answers.c.prompt_id).where(prompts.c.session_id == session_id)
    return {(answer.prompt_id, answer.model): answer.length for answer in db.execute(mine)}


def _vote(row: Any) -> StandingVote:
    return StandingVote(
        model_a=row.model_a,
        model_b=row.model_b,
        outcome=_outcome(row, row.choice),
        choice=row.choice,
        both_bad=row.choice == "both_bad",
        length_a=row.length_a,
        length_b=row.length_b,
        strength=row.strength,
        aspects={name: _outcome(row, choice) for name, choice in row.aspects.items()},
        edited_text=row.edited_text,
        edited_model={"left": row.left_model, "right": row.right_model}.get(row.edited_side, ""),
        **_common(row),
    )


def _outcome(row: Any, choice: str) -> float:
    winner = {"left": row.left_model, "right": row.right_model}.get(choice)
    return 0.5 if winner is None else float(winner == row.model_a)


def _ranked(row: Any, lengths: Mapping[tuple[int, str], int]) -> list[StandingVote]:
    """A vote for each two answers of a ranking, all together as heavy as one: its pairs are no independent votes."""
    groups = row.ranking or [[model for prompt, model in lengths if prompt == row.prompt_id]]
    group_of = {model: group for group, models in enumerate(groups) for model in models}
    meetings = list(itertools.combinations(sorted(group_of), 2))
    return [
        StandingVote(
            model_a=a,
            model_b=b,
            outcome=0.5 if group_of[a] == group_of[b] else float(group_of[a] < group_of[b]),
            choice=row.choice,
            both_bad=row.choice == "both_bad",
            length_a=lengths[row.prompt_id, a],
            length_b=lengths[row.prompt_id, b],
            weight=1 / len(meetings),
            **_common(row),
        )
        for a, b in meetings
    ]


def _common(row: Any) -> dict[str, Any]:
    return {
        "pair": row.pair_id,
        "prompt_index": row.position,
        "annotator": row.annotator,
        "seconds": row.seconds,
        "event": row.id,
        "reason": row.reason,
        "guideline": row.guideline,
        "created": row.created,
    }
