"""What the losses of a rising learning rate say: which rate to train with, and why. Imports no torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

WINDOW_SHARE = 0.05  # of the steps, to either side, that a loss is averaged over
LEAST_FALL_SHARE = 0.02  # of the first loss, below which it did not fall
RUNAWAY_SHARE, RUNAWAY_NATS = 0.5, 0.5  # of the first loss, or above it: whichever is more has run away
LOWEST_TO_SUGGESTED_RATIO = 10.0  # the suggestion stays below the rate with the lowest loss by this factor
FEWEST_STEPS = 10


@dataclass(frozen=True)
class RateAdvice:
    """The suggested learning rate, None if there is none to suggest, and the reasons in sentences.

    smoothed: the loss at each rate, averaged over its neighbours; steepest, lowest: the rates where it fell fastest
    and was lowest.
    """

    suggested: float | None
    sentences: list[str]
    smoothed: list[float]
    steepest: float | None = None
    lowest: float | None = None

    def facts(self, rates: Sequence[float], losses: Sequence[float]) -> dict[str, Any]:
        """What the result of a job says of it."""
        course = [[rate, loss, round(level, 5)] for rate, loss, level in zip(rates, losses, self.smoothed, strict=True)]
        numbers = {"suggested": self.suggested, "steepest": self.steepest, "lowest": self.lowest}
        return {**numbers, "sentences": self.sentences, "course": course}


def has_run_away(losses: Sequence[float]) -> bool:
    """Whether the mean of the last losses is far above the first ones'."""
    if len(losses) < FEWEST_STEPS:
        return False
    first = mean(losses[:3])
    return mean(losses[-3:]) > first + max(RUNAWAY_NATS, RUNAWAY_SHARE * first)


def advise(rates: Sequence[float], losses: Sequence[float], ran_away: bool = False) -> RateAdvice:
    """What to train with after a course of rates, each with the loss of its step; `ran_away` ended it early."""
    levels = smooth(losses)
    if len(levels) < FEWEST_STEPS:
        return RateAdvice(None, [f"Only {len(levels)} steps were made: too few to tell. Let it run longer."], levels)
    window = _window(len(levels))
    start, low = mean(levels[: window + 1]), min(range(len(levels)), key=levels.__getitem__)
    if low <= window or start - levels[low] < LEAST_FALL_SHARE * abs(start):
        why = (
            "The loss ran away before it had fallen: set the lowest rate lower." if ran_away else
            "The loss hardly fell at any rate: set the highest rate higher, take more steps, or check the dataset."
        )  # fmt: skip
        return RateAdvice(None, [why], levels, lowest=rates[low])
    steep = min(range(low + 1), key=lambda index: _slope(levels, index, window))
    fastest = rates[steep] <= rates[low] / LOWEST_TO_SUGGESTED_RATIO
    suggested = rounded(rates[steep] if fastest else rates[low] / LOWEST_TO_SUGGESTED_RATIO)
    reason = "where it fell fastest" if fastest else "a tenth of where it was lowest, to stay clear of the rise"
    rising = low < len(levels) - 1 - window
    after = "above which it rose" if rising else "the highest rate tried: a higher one may do better still"
    sentences = [
        f"Suggested: {suggested:g}, {reason}.",
        f"The loss fell fastest at {rounded(rates[steep]):g} and was lowest at {rounded(rates[low]):g}, {after}.",
    ]
    return RateAdvice(suggested, sentences, levels, rates[steep], rates[low])


def smooth(losses: Sequence[float]) -> list[float]:
    """Each loss averaged over its neighbours, as many to either side."""
    reach = _window(len(losses))
    averaged = []
    for index in range(len(losses)):
        side = min(reach, index, len(losses) - 1 - index)
        averaged.append(mean(losses[index - side : index + side + 1]))
    return averaged


def _window(count: int) -> int:
    return max(1, round(WINDOW_SHARE * count))


def _slope(levels: Sequence[float], index: int, window: int) -> float:
    """By how much the loss changes around a step."""
    low, high = max(0, index - window), min(len(levels) - 1, index + window)
    return (levels[high] - levels[low]) / (high - low)


def rounded(rate: float) -> float:
    """A rate to two digits, as people write it."""
    return float(f"{rate:.1e}")


def rate_at(step: int, steps: int, lowest: float, highest: float) -> float:
    """The learning rate of a step, counted from 0, of so many: the same factor lies between any two."""
    return lowest * math.exp(math.log(highest / lowest) * min(step, steps - 1) / (steps - 1))
