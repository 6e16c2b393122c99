"""Intervals that hold however often one looks: for stopping a session early when its result is clear.

An interval of a fixed number of votes misses more than once in twenty if one looks again and again and stops when it
excludes 50 %. These hold at all looks together, and whatever decides which pair comes next.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import betaln

from workbench.core.stats import Floats

PRIOR_WINS = 10.0
"""Pseudo-wins of either side in the Beta mixture, a = b: the narrowest from about 50 to 500 votes near one half."""
MISS_SHARE = 0.05
_HALVINGS = 60


def always_valid(share: float, n: float) -> tuple[float, float]:
    """A 95 % confidence sequence for the mean of values in 0…1: `n` so far (need not be whole) with mean `share`.

    With S = n·share the wealth of betting against a mean μ, its odds mixed by Beta(a, a), is B(a + S, a + n − S) /
    [B(a, a)·μ^S·(1−μ)^(n−S)]: a nonnegative martingale for wins and losses if μ is true, and no more than one for ties,
    which count one half. By Ville's inequality it ever reaches 20 with a chance of at most 5 %, so that the means at
    which it is below 20 are the interval; (0, 1) for no votes.
    Sources: Howard et al. (2021), https://doi.org/10.1214/20-AOS1991; Waudby-Smith and Ramdas (2024),
    https://doi.org/10.1093/jrsssb/qkad009
    """
    low, high = always_valid_bounds(np.array([share]), np.array([n]))
    return float(low[0]), float(high[0])


def always_valid_bounds(shares: Floats, ns: Floats) -> tuple[Floats, Floats]:
    """`always_valid` for many shares and numbers of votes at once, (looks,) each."""
    wins, losses = ns * shares, ns * (1 - shares)
    mixed = betaln(PRIOR_WINS + wins, PRIOR_WINS + losses) - betaln(PRIOR_WINS, PRIOR_WINS)

    def excluded(mean: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            lost = np.where(wins > 0, wins * np.log(mean), 0.0) + np.where(losses > 0, losses * np.log1p(-mean), 0.0)
        return np.asarray(mixed - lost >= np.log(1 / MISS_SHARE))

    return _edge(excluded, np.zeros_like(shares), shares), _edge(excluded, np.ones_like(shares), shares)


def _edge(excluded: Callable[[Floats], Floats], outer: Floats, inner: Floats) -> Floats:
    """Where the interval ends between a mean that may be outside and one that is inside, by bisection."""
    for _ in range(_HALVINGS):
        middle = (outer + inner) / 2
        out = excluded(middle)
        outer, inner = np.where(out, middle, outer), np.where(out, inner, middle)
    return outer
