"""What the figures of a labelling session promise, in seeded simulations: coverage, early stopping, choice of pairs."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit

from workbench.core.stats import Floats
from workbench.preferences.confidence_sequences import always_valid_bounds
from workbench.preferences.informative_pairs import covariance_of, expected_gains, fit_wins
from workbench.preferences.ratings import SCALE, bradley_terry, win_rate
from workbench.preferences.standing_votes import StandingVote

pytestmark = pytest.mark.prove
SIMULATIONS = 2000


def cast(number: int, outcome: float, annotator: str, prompt: int, a: str = "a", b: str = "b") -> StandingVote:
    choice = {1.0: "left", 0.0: "right", 0.5: "tie"}[outcome]
    return StandingVote(number, prompt, annotator, a, b, outcome, choice, 1.0, False, 10, 10)


def independent(random: np.random.Generator) -> tuple[list[StandingVote], float]:
    """120 votes of one person on prompts of their own, true win rate 60 %."""
    won = random.random(120) < 0.6
    return [cast(n, float(each), "ann", n) for n, each in enumerate(won)], 0.6


def with_some_ties(random: np.random.Generator) -> tuple[list[StandingVote], float]:
    """150 votes, one in ten a tie."""
    outcomes = random.choice([1.0, 0.5, 0.0], 150, p=[0.5, 0.1, 0.4])
    return [cast(n, float(each), "ann", n) for n, each in enumerate(outcomes)], 0.55


def annotators_differ(random: np.random.Generator) -> tuple[list[StandingVote], float]:
    """10 people, each with a taste of their own (standard deviation 0.5 in log-odds), 40 votes each."""
    tastes = expit(random.normal(0.0, 0.5, 10))
    won = random.random((10, 40)) < tastes[:, None]
    votes = [cast(40 * i + j, float(won[i, j]), f"n{i}", 40 * i + j) for i in range(10) for j in range(40)]
    return votes, 0.5


def prompts_differ(random: np.random.Generator) -> tuple[list[StandingVote], float]:
    """60 prompts, each judged by three, on which the models are strong or weak (standard deviation 1)."""
    strengths = expit(random.normal(0.0, 1.0, 60))
    won = random.random((60, 3)) < strengths[:, None]
    votes = [cast(i, float(won[i, j]), f"n{j}", i) for i in range(60) for j in range(3)]
    return votes, 0.5


@pytest.mark.parametrize("scene", [independent, with_some_ties, annotators_differ, prompts_differ])
def test_the_interval_of_a_win_rate_covers_in_93_to_97_of_100(scene: Callable[..., object]) -> None:
    random = np.random.default_rng(20)
    covered = 0
    for _ in range(SIMULATIONS):
        votes, truth = scene(random)  # type: ignore[misc]
        rate = win_rate(votes, "a", "b")
        covered += rate.low <= truth <= rate.high
    print(f"{scene.__name__}: {100 * covered / SIMULATIONS:.1f} %")
    assert 0.93 <= covered / SIMULATIONS <= 0.97


def test_the_intervals_of_ratings_cover_in_93_to_97_of_100() -> None:
    random, models = np.random.default_rng(21), list("abcd")
    truth = dict(zip(models, np.array([0.8, 0.2, -0.3, -0.7]), strict=True))
    meetings = list(itertools.combinations(models, 2))
    covered = 0
    for _ in range(SIMULATIONS):
        votes = [
            cast(n, float(random.random() < expit(truth[a] - truth[b])), "ann", n, a, b)
            for n, (a, b) in enumerate(meetings[k] for k in random.integers(0, 6, 240))
        ]
        rows = bradley_terry(votes, models).rows
        covered += sum(row.low <= 1000 + SCALE * truth[row.model] <= row.high for row in rows)
    print(f"ratings: {100 * covered / SIMULATIONS / 4:.1f} %")
    assert 0.93 <= covered / SIMULATIONS / 4 <= 0.97


@pytest.mark.parametrize(("win", "tie"), [(0.5, 0.0), (0.6, 0.0), (0.8, 0.0), (0.45, 0.1)])
def test_the_always_valid_interval_holds_at_every_look(win: float, tie: float) -> None:
    """2,000 sessions of 1,000 votes, looked at after every vote; the fixed one misses in a third of them."""
    random, looks = np.random.default_rng(22), np.arange(1.0, 1001.0)
    held = 0
    for _ in range(SIMULATIONS):
        scores = random.choice([1.0, 0.5, 0.0], 1000, p=[win, tie, 1 - win - tie])
        low, high = always_valid_bounds(scores.cumsum() / looks, looks)
        held += bool(((low <= win + tie / 2) & (win + tie / 2 <= high)).all())
    print(f"win {win}, tie {tie}: held at every look in {100 * held / SIMULATIONS:.1f} %")
    assert held / SIMULATIONS >= 0.94


class Sessions:
    """Many simulated sessions at once, one vote after the other as `pair_choice` serves them: the two models of the
    largest expected gain, or with chance `random_share` any; ratings fitted anew every 2 % more votes."""

    def __init__(self, truth: Floats, sessions: int, random_share: float, seed: int):
        self.random, self.truth, self.share = np.random.default_rng(seed), truth, random_share
        self.wins = np.zeros((sessions, len(truth), len(truth)))
        self.i, self.j = np.triu_indices(len(truth), 1)
        self.theta, self.fitted, self.votes = np.zeros(self.wins.shape[:2]), 0, 0

    def vote(self) -> None:
        rows = np.arange(len(self.wins))
        picks = self.random.integers(len(self.i), size=len(rows))
        if self.share < 1:
            met = self.wins + self.wins.swapaxes(1, 2)
            gains = expected_gains(self.theta, covariance_of(met, self.theta))[:, self.i, self.j]
            picks = np.where(self.random.random(len(rows)) < self.share, picks, gains.argmax(axis=1))
        i, j = self.i[picks], self.j[picks]
        won = self.random.random(len(rows)) < expit(self.truth[i] - self.truth[j])
        np.add.at(self.wins, (rows, np.where(won, i, j), np.where(won, j, i)), 1)
        self.votes += 1
        if self.votes - self.fitted >= max(1, 0.02 * self.fitted):
            self.theta, _ = fit_wins(self.wins, self.theta)
            self.fitted = self.votes

    def width(self) -> float:
        """The mean width of the 95 % intervals of all ratings, in points."""
        _, covariance = fit_wins(self.wins, self.theta)
        errors = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        return float(2 * 1.96 * SCALE * errors.mean())

    def bias(self) -> tuple[float, float]:
        """The largest mean error of an expected win rate, in percentage points, and of a rating, in points."""
        theta, _ = fit_wins(self.wins, self.theta)
        rates = expit(theta[:, self.i] - theta[:, self.j]).mean(axis=0)
        true_rates = expit(self.truth[self.i] - self.truth[self.j])
        return 100 * float(np.abs(rates - true_rates).max()), SCALE * float(
            np.abs(theta.mean(axis=0) - self.truth).max()
        )


def test_informative_choice_needs_at_most_80_of_100_votes_and_is_not_biased() -> None:
    """12 models from 479 to 1521 points, the default random share: the mean width that random choice reaches with 2,000
    votes."""
    truth = np.linspace(-3, 3, 12)
    at_random, chosen = Sessions(truth, 500, 1.0, 23), Sessions(truth, 500, 0.2, 24)
    for _ in range(2000):
        at_random.vote()
    width = at_random.width()
    while chosen.votes < 2000 and (chosen.votes % 20 or chosen.width() > width):
        chosen.vote()
    (by_rate, by_rating), (random_by_rate, random_by_rating) = chosen.bias(), at_random.bias()
    print(f"{width:.1f} points: 2000 votes at random (bias {random_by_rate:.2f} %, {random_by_rating:.1f} points),")
    print(f"{chosen.votes} votes where they tell most (bias {by_rate:.2f} %, {by_rating:.1f} points)")
    assert chosen.votes <= 0.8 * 2000
    assert by_rate < 1.0
