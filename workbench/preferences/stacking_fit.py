"""Fitting a stacking ensemble on votes, and saying honestly how well it will choose."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workbench.core.stats import Floats
from workbench.ensembles.methods._features import Features
from workbench.preferences.intervals import Share, share_of
from workbench.preferences.ratings import ridge_logistic
from workbench.preferences.sessions import model_of
from workbench.preferences.standing_votes import StandingVote

ENOUGH_VOTES = 30  # votes; below, a 95 % interval is 34 points wide or more
AnswerKey = tuple[int, str]  # (prompt, whose answer)
Scored = tuple[StandingVote, float]  # a vote, and whether a rule agrees with it: 1, 0 or 0.5


def feature_differences(
    votes: Sequence[StandingVote], values: Mapping[AnswerKey, Features], names: Sequence[str]
) -> Floats:
    """Features of the winning answer minus those of the losing one, (votes, features)."""
    rows = []
    for vote in votes:
        won, lost = (vote.model_a, vote.model_b) if vote.outcome == 1.0 else (vote.model_b, vote.model_a)
        better, worse = values[vote.prompt_index, won], values[vote.prompt_index, lost]
        rows.append([better[name] - worse[name] for name in names])
    return np.array(rows, dtype=float).reshape(-1, len(names))


def fit(design: Floats, penalty: float) -> Floats:
    """The coefficients that make the winners win: Bradley–Terry on features, penalty·|θ|² on their standardised scale.

    A feature in which no two answers differ gets 0.
    """
    deviation = np.sqrt((design**2).mean(axis=0))
    scale = np.where(deviation > 0, deviation, 1.0)
    theta, _ = ridge_logistic(design / scale, np.ones(len(design)), penalty)
    return np.where(deviation > 0, theta / scale, 0.0)


def held_out_picks(design: Floats, prompts: Sequence[int], penalty: float, folds: int, seed: int) -> Floats:
    """For each vote 1 if a model fitted without its prompt picks the winner, 0 if the loser, 0.5 if neither."""
    names = np.unique(prompts)
    fold_of = dict(zip(np.random.default_rng(seed).permutation(names), np.arange(len(names)) % folds, strict=True))
    fold = np.array([fold_of[prompt] for prompt in prompts])
    margins = np.zeros(len(design))
    for held_fold in range(min(folds, len(names))):
        margins[fold == held_fold] = design[fold == held_fold] @ fit(design[fold != held_fold], penalty)
    return (np.sign(margins) + 1) / 2


def verdict(votes: Sequence[StandingVote], right: Floats) -> dict[str, Any]:
    """How often the held-out choices agree with the votes, and how often always taking the best member would.

    The best member is the one that won most of its votes, found on these very votes, which favours it.
    """
    own = share_of(right, votes)
    figures: dict[str, Any] = {"votes": own.n, "accuracy": _numbers(own)}
    sentences = [f"Chooses as the votes do in {_say(own)}, on prompts it was not fitted on."]
    if rivals := sorted(set().union(*map(_between, votes))):
        wins = {
            member: _share([(vote, float(_winner(vote) == member)) for vote in _of(votes, member)]) for member in rivals
        }
        best = max(rivals, key=lambda member: (wins[member].share, wins[member].n))
        met = [(vote, score) for vote, score in zip(votes, right, strict=True) if best in _between(vote)]
        there = _share(met)
        figures |= {"best_member": best, "best_member_wins": _numbers(wins[best]), "accuracy_there": _numbers(there)}
        sentences += [
            f"Always taking {best} would in {_say(wins[best])}, and this does in {_say(there)} of the same.",
            _compared(met, best),
        ]
    if own.n < ENOUGH_VOTES:
        sentences.append(f"{own.n} votes are too few to rely on: give at least {ENOUGH_VOTES}, better some hundred.")
    return {**figures, "verdict": " ".join(sentences)}


def _compared(met: Sequence[Scored], best: str) -> str:
    """Whether the two rules differ by more than chance: a sign test on the votes where one is right, the other not."""
    apart = [(vote, float(score > taken)) for vote, score in met if score != (taken := float(_winner(vote) == best))]
    share = _share(apart)
    if share.low > 0.5:
        return f"It is better than {best}."
    if share.high < 0.5:
        return f"It is worse than {best}: use that instead."
    return f"Whether it is better than {best} cannot be told from these votes."


def _between(vote: StandingVote) -> set[str]:
    """The members a vote was between; none where both answers are one member's."""
    members = {model_of(vote.model_a), model_of(vote.model_b)}
    return members if len(members) == 2 else set()


def _of(votes: Sequence[StandingVote], member: str) -> list[StandingVote]:
    return [vote for vote in votes if member in _between(vote)]


def _winner(vote: StandingVote) -> str:
    return model_of(vote.model_a if vote.outcome == 1.0 else vote.model_b)


def _share(scored: Sequence[Scored]) -> Share:
    return share_of(np.array([score for _, score in scored], dtype=float), [vote for vote, _ in scored])


def _numbers(share: Share) -> dict[str, float]:
    return {"share": round(share.share, 4), "low": round(share.low, 4), "high": round(share.high, 4), "n": share.n}


def _say(share: Share) -> str:
    votes = "1 vote" if share.n == 1 else f"{share.n} votes"
    low, high = round(100 * share.low), round(100 * share.high)
    return f"{round(100 * share.share)} % of {votes} (95 % interval {low}–{high} %)"
