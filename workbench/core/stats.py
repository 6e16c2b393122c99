"""Intervals of measured figures: bootstrap over rows, Wilson's for shares, and what clustering costs. NumPy only, but
for quantiles of Student's t.

Rows are what is drawn anew, since tokens of one text are no independent observations:
https://doi.org/10.1214/aos/1176344552
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

BOOTSTRAP_ROUNDS = 1000
Z95 = NormalDist().inv_cdf(0.975)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval; one row gives an interval without width."""

    value: float
    low: float
    high: float

    def mapped(self, function: Callable[[float], float]) -> "Interval":
        """The same through a rising function."""
        return Interval(function(self.value), function(self.low), function(self.high))

    def to_dict(self) -> dict[str, float]:
        return {name: float(f"{getattr(self, name):.6g}") for name in ("value", "low", "high")}


def resampled(rows: int, seed: int = 0, rounds: int = BOOTSTRAP_ROUNDS) -> Iterator[Floats]:
    """How often each row is drawn, (rows,), when as many are drawn with replacement: once for each round."""
    generator = np.random.default_rng(seed)
    for _ in range(rounds):
        yield np.bincount(generator.integers(rows, size=rows), minlength=rows).astype(float)


def sums_by_row(values: NDArray[Any], owner: NDArray[np.intp], rows: int) -> Floats:
    """Each row's sum of its positions' values; `owner` names every position's row."""
    return np.bincount(owner, weights=values.astype(float), minlength=rows).astype(float)


def mean_interval(sums: Floats, counts: Floats, draws: Iterable[Floats]) -> Interval:
    """Σ sums / Σ counts over rows, with its percentile interval; `draws` are the same for what is compared."""
    totals = ((float(draw @ sums), float(draw @ counts)) for draw in draws)
    return _percentile_interval(float(sums.sum() / counts.sum()), [total / count for total, count in totals if count])


def quantile_interval(values: Floats, owner: NDArray[np.intp], share: float, draws: Iterable[Floats]) -> Interval:
    """The value that `share` of the positions do not exceed, with its percentile interval."""
    order = np.argsort(values, kind="stable")
    ordered, owners = values[order], owner[order]
    quantiles = [_quantile(ordered, draw[owners], share) for draw in draws]
    return _percentile_interval(_quantile(ordered, np.ones(len(values)), share), quantiles)


def _quantile(ordered: Floats, weights: Floats, share: float) -> float:
    reached = np.cumsum(weights)
    return float(ordered[min(np.searchsorted(reached, share * reached[-1]), len(ordered) - 1)])


def _percentile_interval(value: float, drawn: Sequence[float]) -> Interval:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(value, min(float(low), value), max(float(high), value))


def perplexity(nats: float) -> float:
    """exp(nats), kept finite."""
    return math.exp(min(nats, 700.0))


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


def inflation(scores: Floats, clusters: Iterable[Sequence[object]]) -> float:
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


def _inflation(scores: Floats, labels: Sequence[object]) -> float:
    from scipy.special import stdtrit

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
