"""What can be said of each annotator's work: checks, habits of side and length, speed, agreement with the others."""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.core.stats import wilson
from workbench.preferences.agreement import agreement_with_others
from workbench.preferences.intervals import Share, count_given
from workbench.preferences.quality_checks import CheckVote
from workbench.preferences.ratings import length_effect, side_bias
from workbench.preferences.standing_votes import StandingVote


@dataclass(frozen=True)
class CheckAccuracy:
    """How many of `n` checks of a kind were answered rightly, with Wilson's 95 % interval."""

    kind: str
    right: int
    n: int
    low: float
    high: float


@dataclass(frozen=True)
class AnnotatorQuality:
    """One annotator's work. `sides`: how often the left answer won; `length`: how often the longer one did.

    `median_seconds` is the time of a vote without idle time, `votes_per_hour` the pace that the mean of it makes.
    `agreement`: the share of others' `compared` votes on the same pairs that say the same; None without any.
    """

    name: str
    votes: int
    median_seconds: float
    votes_per_hour: float | None
    checks: list[CheckAccuracy]
    sides: Share
    length: Share
    agreement: float | None
    compared: int


def annotator_quality(votes: Sequence[StandingVote], checks: Sequence[CheckVote]) -> list[AnnotatorQuality]:
    """Everybody who voted or answered a check, by name."""
    own: dict[str, list[StandingVote]] = defaultdict(list)
    answered: dict[str, list[CheckVote]] = defaultdict(list)
    for vote in votes:
        own[vote.annotator].append(vote)
    for check in checks:
        answered[check.annotator].append(check)
    return [_quality(name, own[name], answered[name], votes) for name in sorted({*own, *answered})]


def _quality(
    name: str, own: Sequence[StandingVote], checks: Sequence[CheckVote], everybody: Sequence[StandingVote]
) -> AnnotatorQuality:
    seconds = list({vote.event or -number: vote.seconds for number, vote in enumerate(own)}.values())
    timed = [each for each in seconds if each > 0]
    agreeing, compared = agreement_with_others(everybody, name)
    return AnnotatorQuality(
        name=name,
        votes=count_given(own),
        median_seconds=statistics.median(seconds) if seconds else 0.0,
        votes_per_hour=3600 / float(np.mean(timed)) if timed else None,
        checks=check_accuracies(checks),
        sides=side_bias(own),
        length=length_effect(own),
        agreement=agreeing,
        compared=compared,
    )


def check_accuracies(checks: Sequence[CheckVote]) -> list[CheckAccuracy]:
    """How well these checks were answered, each kind by itself: a training question teaches, it does not test."""
    by_kind: dict[str, list[bool]] = defaultdict(list)
    for check in checks:
        by_kind[check.kind].append(check.right)
    return [
        CheckAccuracy(kind, sum(right), len(right), *wilson(sum(right) / len(right), len(right)))
        for kind, right in sorted(by_kind.items())
    ]
