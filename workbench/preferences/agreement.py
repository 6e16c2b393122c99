"""How far annotators agree on the same pairs: raw agreement and Krippendorff's alpha, all together or two by two."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.core.stats import BOOTSTRAP_ROUNDS, Floats, resampled
from workbench.preferences.standing_votes import StandingVote

CATEGORIES = ("a", "b", "tie", "both_bad")
Categorise = Callable[[StandingVote], str | None]


@dataclass(frozen=True)
class Agreement:
    """`raw` and `alpha` over `overlaps` pairs judged by two or more; None where undefined, with the `reason`.

    `low` and `high` bound the 95 % bootstrap interval of alpha, None where most resamples leave it undefined.
    """

    overlaps: int
    raw: float | None
    alpha: float | None
    reason: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class PairAgreement:
    """The agreement of two annotators on the pairs that both judged."""

    one: str
    other: str
    agreement: Agreement


def category(vote: StandingVote) -> str:
    """What the vote says about the answers, whichever side they stood on: a, b, tie or both_bad."""
    if vote.outcome == 0.5:
        return "both_bad" if vote.both_bad else "tie"
    return "a" if vote.outcome == 1.0 else "b"


def aspect_category(aspect: str) -> Categorise:
    """What a vote says about the answers in this aspect: a, b or tie; None where it says nothing."""
    words = {1.0: "a", 0.0: "b", 0.5: "tie"}
    return lambda vote: words.get(vote.aspects[aspect]) if aspect in vote.aspects else None


def agreement(
    votes: Sequence[StandingVote], categorise: Categorise = category, seed: int = 0, with_interval: bool = True
) -> Agreement:
    """Raw agreement (share of pairs of votes on one pair that are equal) and Krippendorff's nominal alpha.

    Categories: A better, B better, tie, both bad. alpha = 1 − observed/expected disagreement, from the
    coincidences o_cc = Σ_u n_uc(n_uc − 1)/(m_u − 1) with totals n_c: 1 − (n−1)(n − Σo_cc)/(n² − Σn_c²).
    Undefined without overlaps, and when all votes are equal. Its interval is a percentile bootstrap over pairs, those
    of a ranking drawn together. Sources: Krippendorff (2011), https://repository.upenn.edu/handle/20.500.14332/2089;
    bootstrap over units: Zapf et al. (2016), https://doi.org/10.1186/s12874-016-0200-9
    """
    counts, units = _counts(votes, categorise)
    overlaps = len(counts)
    if not overlaps:
        return Agreement(0, None, None, "No pair was judged by two annotators yet.")
    judged = counts.sum(axis=1)
    agreeing = (counts * (counts - 1)).sum(axis=1)
    raw = float(agreeing.sum() / (judged * (judged - 1)).sum())
    coincidences = agreeing / (judged - 1)
    alpha = _alpha(counts.sum(axis=0), coincidences.sum())
    if alpha is None:
        return Agreement(overlaps, raw, None, "All these votes are equal, so chance agreement is undefined.")
    low, high = _interval(counts, coincidences, units, seed) if with_interval else (None, None)
    return Agreement(overlaps, raw, alpha, "", low, high)


def _alpha(by_category: Floats, coincidences: float) -> float | None:
    n = float(by_category.sum())
    expected = n**2 - float((by_category**2).sum())
    return None if expected <= 0 else float(1 - (n - 1) * (n - coincidences) / expected)


def _interval(
    counts: Floats, coincidences: Floats, units: NDArray[np.intp], seed: int
) -> tuple[float | None, float | None]:
    """The 95 % percentile interval of alpha over units drawn anew; (None, None) where most draws leave it undefined."""
    drawn = []
    for draw in resampled(int(units.max()) + 1, seed):
        weights = draw[units]
        alpha = _alpha(weights @ counts, float(weights @ coincidences))
        if alpha is not None:
            drawn.append(alpha)
    if len(drawn) < BOOTSTRAP_ROUNDS / 2:
        return None, None
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def _counts(votes: Sequence[StandingVote], categorise: Categorise) -> tuple[Floats, NDArray[np.intp]]:
    """Votes by two answers and category (n × 4), of those with two or more votes; and the unit of each, (n,)."""
    tally: dict[tuple[int, str, str], list[int]] = defaultdict(lambda: [0] * len(CATEGORIES))
    for vote in votes:
        if (name := categorise(vote)) is not None:
            tally[vote.pair, vote.model_a, vote.model_b][CATEGORIES.index(name)] += 1
    overlapping = {answers: row for answers, row in tally.items() if sum(row) >= 2}
    units = np.unique([pair for pair, _, _ in overlapping], return_inverse=True)[1] if overlapping else np.zeros(0)
    return np.array(list(overlapping.values()), dtype=float).reshape(-1, len(CATEGORIES)), units.astype(np.intp)


def agreement_of_pairs(votes: Sequence[StandingVote]) -> list[PairAgreement]:
    """The agreement of every two annotators who judged a pair both, most shared pairs first."""
    by_name: dict[str, list[StandingVote]] = defaultdict(list)
    for vote in votes:
        by_name[vote.annotator].append(vote)
    agreements = [
        PairAgreement(one, other, agreement([*by_name[one], *by_name[other]], with_interval=False))
        for one, other in itertools.combinations(sorted(by_name), 2)
    ]
    return sorted((each for each in agreements if each.agreement.overlaps), key=lambda each: -each.agreement.overlaps)


def agreement_with_others(votes: Sequence[StandingVote], annotator: str) -> tuple[float | None, int]:
    """The share of others' votes on the same pairs that say what this annotator's do, and how many were compared."""
    own = {(vote.pair, vote.model_a, vote.model_b): category(vote) for vote in votes if vote.annotator == annotator}
    same = [
        category(vote) == own[answers]
        for vote in votes
        if vote.annotator != annotator and (answers := (vote.pair, vote.model_a, vote.model_b)) in own
    ]
    return (sum(same) / len(same) if same else None), len(same)
