"""From votes to datasets: pairs for DPO with explicit prompts, edited answers for SFT, what was left out and why."""

import hashlib
import json
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from workbench.core.errors import UserError
from workbench.core.home import Home, safe_name
from workbench.core.lineage import Manifest, Parent, parent_of
from workbench.models.model_references import ANSWERS
from workbench.preferences import sessions, store, tables
from workbench.preferences.agreement import category
from workbench.preferences.blinding import check_closed
from workbench.preferences.pair_verdicts import REASONS, Row, answer_pairs, edited_answers, judge_pairs
from workbench.preferences.standing_votes import StandingVote, effective_votes
from workbench.preferences.vote_filters import vote_filters

LENGTH_RATIO = 1.2
OTHER_ANSWERS = "Make a session of other answers: higher temperatures, or other models."
REMEDIES = {
    "flagged": "Look why the pairs were flagged, and make a session without such prompts.",
    "truncated": "Make a session with a higher limit of new tokens, and vote there.",
    "identical": OTHER_ANSWERS,
    "unusable": OTHER_ANSWERS,
}


def preference_pairs(home: Home, session: str, own: str = "", with_unblinded: bool = False) -> list[Row]:
    """Rows of `prompt`, `chosen` and `rejected`, each a list of messages, by prompt and pair; see `pair_verdicts` for
    what may stand in their `metadata`.

    A pair counts when one answer has more than half of its votes, or when an adjudicator decided so. Never exported:
    ties, both-bad, skipped, flagged, undone, identical and unusable pairs, and pairs whose chosen answer was cut off or
    failed, unless somebody edited an answer of theirs. With `own`, only pairs whose two answers are both that model's.
    Votes of people who had seen the result count only `with_unblinded`. Raises `Blinded` when the session is open.
    """
    check_closed(home, session)
    return [row for judged in judge_pairs(home, session, own, with_unblinded) for row in judged.rows]


def export_dataset(
    home: Home,
    session: str,
    name: str,
    eval_fraction: float = 0.1,
    seed: int = 0,
    own: str = "",
    with_unblinded: bool = False,
) -> Manifest:
    """Writes the pairs as a dataset of kind 'preference', split by prompt, and returns its manifest.

    `own` names a model to whose own answers the pairs are limited: what it does at its best and at its worst, from
    which DPO learns more than from answers it would never give.

    Parents are the session (with the digest of its votes and answers) and its models; `info` holds the counts
    of what was left out and why, and warnings. Raises `UserError` when the session is open, since everybody sees
    a dataset; when no pair is decided, a name is wrong or taken, or `eval_fraction` is not in 0…0.9.
    """
    from workbench.data.store import datasets as store

    safe_name(name)
    _check_fraction(eval_fraction)
    check_closed(home, session)
    judged = judge_pairs(home, session, own, with_unblinded)
    rows = [row for judgement in judged for row in judgement.rows]
    left_out = Counter(judgement.reason for judgement in judged if judgement.reason)
    if not rows:
        raise _none_left(left_out)
    train, held_out = _split(rows, eval_fraction, seed)
    extra = {"with_unblinded": True} if with_unblinded else {}
    return store.write_rows(
        home,
        name,
        "preference",
        train,
        held_out,
        parents=_parents(home, session),
        made_by={"export": session, "eval_fraction": eval_fraction, "seed": seed, "own": own, **extra},
        info=_info(home, session, rows, left_out) | {"filters": vote_filters(home, session, own, with_unblinded)},
    )


def export_edits(
    home: Home, session: str, name: str, eval_fraction: float = 0.1, seed: int = 0, with_unblinded: bool = False
) -> Manifest:
    """Writes the answers that people edited as a dataset of kind 'conversation' for SFT, their authors in the metadata.

    Parents and `info` are as those of `export_dataset`. Raises `UserError` when the session is open, no answer was
    edited, a name is wrong or taken, or `eval_fraction` is not in 0…0.9.
    """
    from workbench.data.store import datasets as store

    safe_name(name)
    _check_fraction(eval_fraction)
    check_closed(home, session)
    rows = edited_answers(home, session, with_unblinded)
    if not rows:
        raise UserError(
            "Nobody edited an answer in this session.", "Make a session in which answers may be edited.", "session"
        )
    train, held_out = _split(rows, eval_fraction, seed)
    filters = vote_filters(home, session, "", with_unblinded)
    authors = Counter(row["metadata"]["author"] for row in rows)
    return store.write_rows(
        home,
        name,
        "conversation",
        train,
        held_out,
        parents=_parents(home, session),
        made_by={"export_edits": session, "eval_fraction": eval_fraction, "seed": seed},
        info={"session": session, "exported": len(rows), "authors": dict(sorted(authors.items())), "filters": filters},
    )


def _check_fraction(eval_fraction: float) -> None:
    if not 0 <= eval_fraction <= 0.9:
        raise UserError(f"is {eval_fraction!r}.", "Choose a share from 0 to 0.9.", "eval_fraction")


def _none_left(reasons: Counter[str]) -> UserError:
    """Why no pair is left, by what became of most of those that were voted on."""
    voted = Counter({reason: count for reason, count in reasons.items() if reason != "unvoted"})
    if not voted:
        return UserError("No pair of this session is decided yet.", "Vote for a left or right answer first.", "session")
    counts = "; ".join(f"{REASONS[reason]} ({count:,})" for reason, count in voted.most_common())
    if reasons["unvoted"]:
        counts += f"; {reasons['unvoted']:,} had no vote"
    remedy = REMEDIES.get(voted.most_common(1)[0][0], "Vote for a left or right answer on more pairs.")
    return UserError(f"None of the {sum(reasons.values()):,} pairs can be exported: {counts}.", remedy, "session")


def session_digest(home: Home, session: str) -> str:
    """SHA-256 over a session's models, prompts, answers and the votes that stand."""
    with store.reading(home) as db:
        row = sessions.find_session(db, session)
        asked = [[prompt.position, prompt.messages, _answers(db, prompt.id)] for prompt in _prompts(db, row.id)]
    votes = [_digested(vote) for vote in effective_votes(home, session, adjudicated=True)]
    content = {"models": row.models, "prompts": asked, "votes": sorted(votes)}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _digested(vote: StandingVote) -> list[Any]:
    """What of a vote the digest covers; a plain vote as it always did."""
    more = [vote.strength, vote.edited_model, vote.edited_text, sorted(vote.aspects.items())]
    own = [vote.prompt_index, vote.model_a, vote.model_b, vote.annotator, category(vote)]
    return [*own, more] if any(more) else own


def _prompts(db: sa.Connection, session_id: int) -> Sequence[Any]:
    mine = tables.prompts.c.session_id == session_id
    return db.execute(sa.select(tables.prompts).where(mine).order_by(tables.prompts.c.position)).all()


def _answers(db: sa.Connection, prompt_id: int) -> list[list[Any]]:
    mine = tables.answers.c.prompt_id == prompt_id
    answers = db.execute(sa.select(tables.answers).where(mine).order_by(tables.answers.c.model))
    return [[answer.model, answer.text, answer.finish] for answer in answers]


def _split(rows: Sequence[Row], fraction: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Rows to train on and to hold out, no prompt on both sides; at least one prompt stays for training."""
    names = sorted({_prompt_key(row) for row in rows})
    random.Random(seed).shuffle(names)
    size = min(max(1, round(fraction * len(names))) if fraction else 0, len(names) - 1)
    held_out = set(names[:size])
    return (
        [row for row in rows if _prompt_key(row) not in held_out],
        [row for row in rows if _prompt_key(row) in held_out],
    )


def _prompt_key(row: Row) -> str:
    return json.dumps(row["prompt"] if "prompt" in row else row["messages"][:-1], sort_keys=True)


def _parents(home: Home, session: str) -> list[Parent]:
    models = dict.fromkeys(map(sessions.model_of, sessions.get_session(home, session).models))
    labels = Parent(kind="labels", name=session, digest=session_digest(home, session), role="labels")
    return [labels, *(_model_parent(home, model) for model in models)]


def _model_parent(home: Home, model: str) -> Parent:
    """The model's entry with its digest; without one when it has left the shelf since."""
    try:
        return parent_of(ANSWERS.find(home, model).folders[0], "compared")
    except UserError:
        return Parent(kind="model", name=model, role="compared")


def _info(home: Home, session: str, rows: Sequence[Row], left_out: Mapping[str, int]) -> dict[str, Any]:
    about = sessions.get_session(home, session)
    with store.reading(home) as db:
        pairs = answer_pairs(db, sessions.find_session(db, session).id)
    ratio = length_ratio(rows)
    warnings = []
    if ratio > LENGTH_RATIO:
        warnings.append(
            f"Chosen answers are {ratio:.2f} times as long as rejected ones: training on them may teach "
            "length rather than quality. Compare the length-controlled win rate."
        )
    return {
        "session": session,
        "models": about.models,
        "prompts": about.prompts_name,
        "answers_made_by": about.made_by,
        "pairs": len(pairs),
        "votes": about.votes,
        "unblinded_votes": about.unblinded,
        "exported": len(rows),
        "left_out": dict(sorted(left_out.items())),
        "left_out_because": {reason: REASONS[reason] for reason in sorted(left_out)},
        "length_ratio": round(ratio, 3),
        "warnings": warnings,
    }


def length_ratio(rows: Sequence[Row]) -> float:
    """The geometric mean of chosen/rejected length in characters; 1 if neither side tends to be longer."""
    logs = [math.log(len(row["chosen"][0]["content"]) / len(row["rejected"][0]["content"])) for row in rows]
    return math.exp(sum(logs) / len(logs))
