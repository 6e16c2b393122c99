"""Intervals that stay honest with few votes and with votes that are not independent."""

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.core.stats import Floats, inflation, wilson
from workbench.preferences.standing_votes import StandingVote


@dataclass(frozen=True)
class Share:
    """A share of `n` votes with its 95 % interval; `n_effective` is what they are worth as independent ones.

    Without votes the share is 0.5 and the interval 0 to 1.
    """

    n: int
    share: float
    low: float
    high: float
    n_effective: float


def clusterings(votes: Sequence[StandingVote]) -> list[list[object]]:
    """The two ways in which votes hang together: who gave them, and on which prompt."""
    return [[vote.annotator for vote in votes], [vote.prompt_index for vote in votes]]


def share_of(scores: Floats, votes: Sequence[StandingVote]) -> Share:
    """The mean of the scores (n, each in 0…1) of these votes, with Wilson's interval on n / `inflation`.

    A score of one half (a tie) counts as half a win; the binomial variance is then an upper bound.
    """
    n = len(votes)
    if n == 0:
        return Share(0, 0.5, 0.0, 1.0, 0.0)
    mean = float(scores.mean())
    effective = n / inflation((scores - mean)[:, None], clusterings(votes))
    return Share(n, mean, *wilson(mean, effective), effective)
