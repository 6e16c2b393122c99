"""How far annotators agree on the same pairs: raw agreement and Krippendorff's alpha."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.preferences.standing_votes import StandingVote

CATEGORIES = ("a", "b", "tie", "both_bad")


@dataclass(frozen=True)
class Agreement:
    """`raw` and `alpha` over `overlaps` pairs judged by two or more; None where undefined, with the `reason`."""

    overlaps: int
    raw: float | None
    alpha: float | None
    reason: str


def agreement(votes: Sequence[StandingVote]) -> Agreement:
    """Raw agreement (share of pairs of votes on one pair that are equal) and Krippendorff's nominal alpha.

    Categories: A better, B better, tie, both bad. alpha = 1 − observed/expected disagreement, from the
    coincidences o_cc = Σ_u n_uc(n_uc − 1)/(m_u − 1) with totals n_c: 1 − (n−1)(n − Σo_cc)/(n² − Σn_c²).
    Undefined without overlaps, and when all votes are equal. Source: Krippendorff (2011),
    https://repository.upenn.edu/handle/20.500.14332/2089
    """
    counts = _counts(votes)
    overlaps = len(counts)
    if not overlaps:
        return Agreement(0, None, None, "No pair was judged by two annotators yet.")
    judged = counts.sum(axis=1)
    agreeing = (counts * (counts - 1)).sum(axis=1)
    raw = float(agreeing.sum() / (judged * (judged - 1)).sum())
    n, by_category = counts.sum(), counts.sum(axis=0)
    expected = n**2 - (by_category**2).sum()
    if expected == 0:
        return Agreement(overlaps, raw, None, "All these votes are equal, so chance agreement is undefined.")
    alpha = 1 - (n - 1) * (n - (agreeing / (judged - 1)).sum()) / expected
    return Agreement(overlaps, raw, float(alpha), "")


def _counts(votes: Sequence[StandingVote]) -> NDArray[np.float64]:
    """Votes by pair and category (pairs × 4), the pairs with two or more votes only."""
    tally: dict[tuple[int, str, str], list[int]] = defaultdict(lambda: [0] * len(CATEGORIES))
    for vote in votes:
        tally[vote.pair, vote.model_a, vote.model_b][CATEGORIES.index(category(vote))] += 1
    return np.array([row for row in tally.values() if sum(row) >= 2], dtype=float).reshape(-1, len(CATEGORIES))


def category(vote: StandingVote) -> str:
    """What the vote says about the answers, whichever side they stood on: a, b, tie or both_bad."""
    if vote.outcome == 0.5:
        return "both_bad" if vote.both_bad else "tie"
    return "a" if vote.outcome == 1.0 else "b"
