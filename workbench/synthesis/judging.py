"""A judge's score from 1 to 5: the mean over the probabilities of the five numbers where a model shows them.

Weighting every score by its probability is G-Eval's (https://arxiv.org/abs/2303.16634, section 2): finer than the one
number a judge writes, which is taken where probabilities are not to be had.
"""

import re
from collections.abc import Mapping

LEAST_MASS_SHARE = 0.05  # of all probability; a model that gives the five numbers less was not about to write one
NUMBER = re.compile(r"(?<![\d.,])([1-5](?:\.\d+)?)(?![\d])")


def expected_score(chances: Mapping[int, float]) -> float | None:
    """The mean of 1 … 5 by these probabilities; None when they are next to nothing."""
    mass = sum(chances.get(score, 0.0) for score in range(1, 6))
    if not mass >= LEAST_MASS_SHARE:
        return None
    return sum(score * chances.get(score, 0.0) for score in range(1, 6)) / mass


def written_score(text: str) -> float | None:
    """The first number from 1 to 5 in a reply, such as the 4 of 'Score: 4/5'; None when there is none."""
    match = NUMBER.search(text)
    score = float(match.group(1)) if match else 0.0
    return score if 1 <= score <= 5 else None
