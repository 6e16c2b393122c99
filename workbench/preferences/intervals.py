"""Intervals that stay honest with few votes, with votes that are not independent, and with rankings taken apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.core.stats import Floats, inflation, wilson
from workbench.preferences.standing_votes import StandingVote


@dataclass(frozen=True)
class Share:
    """A share of `n` votes with its 95 % interval; `n_effective` is what they are worth as independent ones.

    A ranking is one vote, however many pairs of answers it orders. Without votes the share is 0.5 and the interval 0
    to 1.
    """

    n: int
    share: float
    low: float
    high: float
    n_effective: float


def clusterings(votes: Sequence[StandingVote]) -> list[list[object]]:
    """The ways in which votes hang together: who gave them, on which prompt, and in which ranking."""
    ways: list[list[object]] = [[vote.annotator for vote in votes], [vote.prompt_index for vote in votes]]
    if any(vote.weight < 1 for vote in votes):
        ways.append([_given_at_once(vote, number) for number, vote in enumerate(votes)])
    return ways


def _given_at_once(vote: StandingVote, number: int) -> str:
    return f"ranking {vote.event}" if vote.weight < 1 else f"vote {number}"


def count_given(votes: Sequence[StandingVote]) -> int:
    """How many votes people gave: all pairs of a ranking are one."""
    return len({_given_at_once(vote, number) for number, vote in enumerate(votes)})


def weights_of(votes: Sequence[StandingVote]) -> Floats:
    """Each vote's weight, (votes,)."""
    return np.array([vote.weight for vote in votes], dtype=float)


def share_of(scores: Floats, votes: Sequence[StandingVote]) -> Share:
    """The weighted mean of the scores (n, each in 0…1) of these votes, with Wilson's interval on `n_effective`.

    n_effective is Kish's (Σw)² / Σw², at most n, over `inflation` of the weighted residuals: n / `inflation` where all
    weigh alike.
    A score of one half (a tie) counts as half a win; the binomial variance is then an upper bound.
    Source: Kish, Survey Sampling, 11.7
    """
    n = count_given(votes)
    if n == 0:
        return Share(0, 0.5, 0.0, 1.0, 0.0)
    weights = weights_of(votes)
    mean = float(weights @ scores / weights.sum())
    independent = min(n, float(weights.sum() ** 2 / (weights**2).sum()))
    effective = independent / inflation((weights * (scores - mean))[:, None], clusterings(votes))
    return Share(n, mean, *wilson(mean, effective), effective)
