"""Intervals that stay honest with few votes and with votes that are not independent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from workbench.preferences.votes import Vote

Z95 = float(ndtri(0.975))
Array = NDArray[np.float64]


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


def wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % score interval for a share of `n` votes; (0, 1) for none. `n` need not be whole.

    centre = (p + z²/2n) / (1 + z²/n), half width = z·√(p(1−p)/n + z²/4n²) / (1 + z²/n), z = 1.96.
    Source: https://doi.org/10.1080/01621459.1927.10502953
    """
    if n <= 0:
        return 0.0, 1.0
    z2 = Z95**2 / n
    centre = (share + z2 / 2) / (1 + z2)
    half = np.sqrt(max(share * (1 - share), 0.0) * z2 + z2**2 / 4) / (1 + z2)
    low, high = float(max(0.0, centre - half)), float(min(1.0, centre + half))
    return (0.0 if share <= 0 else low), (1.0 if share >= 1 else high)


def inflation(scores: Array, clusters: Iterable[Sequence[object]]) -> float:
    """By how much clustering inflates the variance of a mean: the largest of the given clusterings, at least 1.

    `scores` (n × k) are each vote's residuals (or influences). For G clusters with sums S_g the design effect is
    D = [G/(G−1) · Σ|S_g|²] / [n/(n−1) · Σ|s_i|²], never below 1. A variance estimated from few clusters is
    itself uncertain, so it is multiplied by (t_f / t_(n−1))², the 97.5 % quantiles of Student's t, with
    f = D² / (1/(n−1) + (D−1)²/(G−1)), Satterthwaite's degrees of freedom: n−1 without clustering, about
    G−1 when it rules. Sources: Wilson's interval on n / design effect, and why it needs the allowance:
    https://pmc.ncbi.nlm.nih.gov/articles/PMC6690503; the quantiles are Korn and Graubard's, as in
    https://wwwn.cdc.gov/Nchs/Nhanes/tutorials/ReliabilityOfEstimates.aspx; f: https://doi.org/10.2307/3002019
    """
    return max([1.0, *(_inflation(scores, labels) for labels in clusters)])


def _inflation(scores: Array, labels: Sequence[object]) -> float:
    codes = np.unique(np.asarray(labels), return_inverse=True)[1]
    n, groups = len(scores), int(codes.max(initial=0)) + 1
    own = n / max(n - 1, 1) * float(np.sum(scores**2))
    if groups < 2 or own <= 0:
        return 1.0
    sums = np.zeros((groups, scores.shape[1]))
    np.add.at(sums, codes, scores)
    effect = max(1.0, groups / (groups - 1) * float(np.sum(sums**2)) / own)
    freedom = effect**2 / (1 / (n - 1) + (effect - 1) ** 2 / (groups - 1))
    return effect * float(stdtrit(freedom, 0.975) / stdtrit(n - 1, 0.975)) ** 2


def clusterings(votes: Sequence[Vote]) -> list[list[object]]:
    """The two ways in which votes hang together: who gave them, and on which prompt."""
    return [[vote.annotator for vote in votes], [vote.prompt_index for vote in votes]]


def share_of(scores: Array, votes: Sequence[Vote]) -> Share:
    """The mean of the scores (n, each in 0…1) of these votes, with Wilson's interval on n / `inflation`.

    A score of one half (a tie) counts as half a win; the binomial variance is then an upper bound.
    """
    n = len(votes)
    if n == 0:
        return Share(0, 0.5, 0.0, 1.0, 0.0)
    mean = float(scores.mean())
    effective = n / inflation((scores - mean)[:, None], clusterings(votes))
    return Share(n, mean, *wilson(mean, effective), effective)
