"""From votes to a DPO dataset: explicit prompts, chosen and rejected answers, and what was left out and why."""

import hashlib
import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from workbench.core.errors import UserError
from workbench.core.home import Home, safe_name
from workbench.core.lineage import Manifest, Parent, parent_of
from workbench.models.model_references import ANSWERS
from workbench.preferences import sessions, store, tables
from workbench.preferences.agreement import category
from workbench.preferences.blinding import check_closed
from workbench.preferences.standing_votes import StandingVote, effective_votes

LENGTH_RATIO = 1.2
Row = dict[str, list[dict[str, str]]]
REASONS = {
    "identical": "both answers were the same",
    "unusable": "an answer was empty or failed",
    "unvoted": "no vote stands",
    "tie": "most votes call it a tie",
    "both_bad": "most votes call both bad",
    "conflicting": "no answer has more than half of the votes",
    "truncated": "the chosen answer was cut off at the length limit",
}
OTHER_ANSWERS = "Make a session of other answers: higher temperatures, or other models."
REMEDIES = {
    "truncated": "Make a session with a higher limit of new tokens, and vote there.",
    "identical": OTHER_ANSWERS,
    "unusable": OTHER_ANSWERS,
}


@dataclass(frozen=True)
class Judged:
    """A pair, and either its row or the reason why it gives none."""

    row: Row | None
    reason: str


def preference_pairs(home: Home, session: str, own: str = "", with_unblinded: bool = False) -> list[Row]:
    """Rows of `prompt`, `chosen` and `rejected`, each a list of messages, by prompt and pair.

    A pair counts when one answer has more than half of its votes. Never exported: ties, both-bad, skipped,
    undone, identical and unusable pairs, and pairs whose chosen answer was cut off or failed. With `own`, only
    pairs whose two answers are both that model's. Votes of people who had seen the result count only
    `with_unblinded`. Raises `Blinded` when the session is open.
    """
    check_closed(home, session)
    return [judged.row for judged in _judge(home, session, own, with_unblinded) if judged.row]


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
    if not 0 <= eval_fraction <= 0.9:
        raise UserError(f"is {eval_fraction!r}.", "Choose a share from 0 to 0.9.", "eval_fraction")
    check_closed(home, session)
    judged = _judge(home, session, own, with_unblinded)
    rows = [judgement.row for judgement in judged if judgement.row]
    if not rows:
        raise _none_left(Counter(judgement.reason for judgement in judged if judgement.reason))
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
        info=_info(home, session, rows, Counter(judgement.reason for judgement in judged if judgement.reason)),
    )


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
    votes = [
        [vote.prompt_index, vote.model_a, vote.model_b, vote.annotator, category(vote)]
        for vote in effective_votes(home, session)
    ]
    content = {"models": row.models, "prompts": asked, "votes": sorted(votes)}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _prompts(db: sa.Connection, session_id: int) -> Sequence[Any]:
    mine = tables.prompts.c.session_id == session_id
    return db.execute(sa.select(tables.prompts).where(mine).order_by(tables.prompts.c.position)).all()


def _answers(db: sa.Connection, prompt_id: int) -> list[list[Any]]:
    mine = tables.answers.c.prompt_id == prompt_id
    answers = db.execute(sa.select(tables.answers).where(mine).order_by(tables.answers.c.model))
    return [[answer.model, answer.text, answer.finish] for answer in answers]


def _judge(home: Home, session: str, own: str = "", with_unblinded: bool = False) -> list[Judged]:
    by_pair: dict[int, list[StandingVote]] = defaultdict(list)
    for vote in effective_votes(home, session, with_unblinded):
        by_pair[vote.pair].append(vote)
    pairs = [pair for pair in _pairs(home, session) if not own or {*_models(pair)} == {own}]
    return [_judge_pair(pair, by_pair.get(pair.id, [])) for pair in pairs]


def _models(pair: Any) -> tuple[str, str]:
    return sessions.model_of(pair.model_a), sessions.model_of(pair.model_b)


def _pairs(home: Home, session: str) -> Sequence[Any]:
    a, b = tables.answers.alias(), tables.answers.alias()
    query = (
        sa.select(tables.pairs.c.id, tables.pairs.c.state, tables.prompts.c.messages)
        .add_columns(a.c.text.label("text_a"), a.c.finish.label("finish_a"), a.c.model.label("model_a"))
        .add_columns(b.c.text.label("text_b"), b.c.finish.label("finish_b"), b.c.model.label("model_b"))
        .join(tables.prompts, tables.prompts.c.id == tables.pairs.c.prompt_id)
        .join(a, a.c.id == tables.pairs.c.answer_a)
        .join(b, b.c.id == tables.pairs.c.answer_b)
        .order_by(tables.prompts.c.position, tables.pairs.c.id)
    )
    with store.reading(home) as db:
        row = sessions.find_session(db, session)
        return db.execute(query.where(tables.pairs.c.session_id == row.id)).all()


def _judge_pair(pair: Any, votes: Sequence[StandingVote]) -> Judged:
    winner = pair.state if pair.state != sessions.OPEN else _majority(votes)
    if winner not in ("a", "b"):
        return Judged(None, winner)
    loser = "b" if winner == "a" else "a"
    if getattr(pair, f"finish_{winner}") != "eos":
        return Judged(None, "truncated")
    chosen, rejected = ([{"role": "assistant", "content": getattr(pair, f"text_{side}")}] for side in (winner, loser))
    return Judged({"prompt": pair.messages, "chosen": chosen, "rejected": rejected}, "")


def _majority(votes: Sequence[StandingVote]) -> str:
    """What more than half of a pair's votes say: a, b, tie or both_bad; else unvoted or conflicting."""
    if not votes:
        return "unvoted"
    verdict, count = Counter(category(vote) for vote in votes).most_common(1)[0]
    return verdict if 2 * count > len(votes) else "conflicting"


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
    return json.dumps(row["prompt"], sort_keys=True)


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
        "pairs": about.pairs,
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
