"""Who wins, by how much, and how sure one can be: win rates, Bradley–Terry ratings, length and side effects."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import expit, ndtri

from workbench.core.errors import UserError
from workbench.core.stats import Z95, Floats, inflation
from workbench.preferences.intervals import Share, clusterings, count_given, share_of, weights_of
from workbench.preferences.standing_votes import StandingVote

RIDGE = 0.1
SCALE = 400 / math.log(10)
MEAN_RATING = 1000.0
LENGTH_VOTES = 20


@dataclass(frozen=True)
class Rate:
    """How often A beat B in `n` votes; `rate` counts ties and both-bad votes as half a win.

    `ties` leaves `both_bad` out. `low` and `high` bound the 95 % interval. A ranking is one vote, even where it
    compares several answers of the two.
    """

    wins: int
    losses: int
    ties: int
    both_bad: int
    n: int
    rate: float
    low: float
    high: float
    n_effective: float


@dataclass(frozen=True)
class Rating:
    """A model's strength on the Elo-like scale, its standard error, 95 % interval and number of votes."""

    model: str
    rating: float
    se: float
    low: float
    high: float
    votes: int


@dataclass(frozen=True)
class Ratings:
    """Ratings, best first, and `expected[i][j]`, the win rate of row i against row j; or why there are none."""

    rows: list[Rating] = field(default_factory=list)
    expected: list[list[float]] = field(default_factory=list)
    inflation: float = 1.0
    not_enough: str = ""


def between(votes: Sequence[StandingVote], a: str, b: str) -> list[StandingVote]:
    """The votes on answers of these two models."""
    return [vote for vote in votes if {vote.model_a, vote.model_b} == {a, b}]


def win_rate(votes: Sequence[StandingVote], a: str, b: str) -> Rate:
    """How often `a` beat `b`, with Wilson's interval on the effective number of votes.

    n_effective = n / design effect (see `intervals.share_of` for votes of unequal weight): clusters are annotators
    (when more than one) and prompts, the larger effect counts, at least 1, with the allowance for few clusters.
    Formula and sources: `core.stats.inflation`.
    """
    ours = between(votes, a, b)
    scores = _scores(ours, a)
    share = share_of(scores, ours)
    both_bad = sum(vote.both_bad for vote in ours)
    return Rate(
        wins=int((scores == 1).sum()),
        losses=int((scores == 0).sum()),
        ties=int((scores == 0.5).sum()) - both_bad,
        both_bad=both_bad,
        n=share.n,
        rate=share.share,
        low=share.low,
        high=share.high,
        n_effective=share.n_effective,
    )


def _scores(votes: Sequence[StandingVote], a: str) -> Floats:
    return np.array([vote.outcome if vote.model_a == a else 1 - vote.outcome for vote in votes], dtype=float)


def ridge_logistic(
    design: Floats, scores: Floats, penalty: float = RIDGE, weights: Floats | None = None
) -> tuple[Floats, Floats]:
    """The θ that minimises −Σ w·[s·ln p + (1−s)·ln(1−p)] + penalty·|θ|² with p = σ(design·θ), and the Hessian.

    `design` is n × k, `scores` n values in 0…1 (a tie, 0.5, is half a win and half a loss), `weights` n, by default 1.
    Newton's method with steps of at most 2 per coefficient, to 1e-10.
    """
    theta, w = np.zeros(design.shape[1]), np.ones(len(scores)) if weights is None else weights
    for _ in range(200):
        p = expit(design @ theta)
        hessian = (design.T * (w * p * (1 - p))) @ design + 2 * penalty * np.eye(len(theta))
        step = np.linalg.solve(hessian, design.T @ (w * (p - scores)) + 2 * penalty * theta)
        largest = float(np.abs(step).max())
        theta = theta - step * min(1.0, 2.0 / max(largest, 1e-300))
        if largest < 1e-10:
            break
    return theta, hessian


def bradley_terry(votes: Sequence[StandingVote], models: Sequence[str]) -> Ratings:
    """Bradley–Terry ratings by ridge-penalised maximum likelihood; ties and both-bad are half a win each.

    Scale: rating = 1000 + θ·400/ln 10, the mean of the models being 1000. The penalty 0.1·Σθ² (choix's
    alpha = 0.1) equals a normal prior with a standard deviation of 388 points. Standard errors come from
    the inverse Hessian about the mean, times the root of the design effect (`core.stats.inflation` on the
    votes' influences). The pairs of a ranking weigh as much together as one vote: they are not independent. Without
    a chain of votes between all models there are no numbers: see `not_enough`.
    Sources: https://doi.org/10.2307/2334029, https://arxiv.org/abs/2403.04132 (Chatbot Arena)
    """
    models = list(models)
    ours = [vote for vote in votes if vote.model_a in models and vote.model_b in models]
    if reason := _disconnected(ours, models):
        return Ratings(not_enough=reason)
    design, weights = _design(ours, models), weights_of(ours)
    scores = np.array([vote.outcome for vote in ours])
    theta, hessian = ridge_logistic(design, scores, weights=weights)
    centre = np.eye(len(models)) - 1 / len(models)
    covariance = centre @ np.linalg.inv(hessian) @ centre
    influence = (weights * (scores - expit(design @ theta)))[:, None] * (design @ covariance)
    factor = inflation(influence, clusterings(ours))
    counts = [count_given([vote for vote in ours if model in (vote.model_a, vote.model_b)]) for model in models]
    return _ratings(models, theta, np.sqrt(np.diag(covariance) * factor), counts, factor)


def _design(votes: Sequence[StandingVote], models: list[str]) -> Floats:
    """One row a vote: +1 for model A, −1 for model B."""
    column_of = {model: i for i, model in enumerate(models)}
    design = np.zeros((len(votes), len(models)))
    rows = np.arange(len(votes))
    design[rows, [column_of[vote.model_a] for vote in votes]] = 1
    design[rows, [column_of[vote.model_b] for vote in votes]] = -1
    return design


def _ratings(models: list[str], theta: Floats, errors: Floats, counts: Sequence[int], factor: float) -> Ratings:
    order = np.argsort(-theta, kind="stable")
    rows = []
    for i in order:
        rating, se = MEAN_RATING + SCALE * float(theta[i]), SCALE * float(errors[i])
        rows.append(Rating(models[i], rating, se, rating - Z95 * se, rating + Z95 * se, counts[i]))
    ranked = theta[order]
    return Ratings(rows, expit(ranked[:, None] - ranked[None, :]).tolist(), factor)


def _disconnected(votes: Sequence[StandingVote], models: list[str]) -> str:
    """Why the models cannot be put on one scale, or ''."""
    groups = [{model} for model in models]
    for a, b in {(vote.model_a, vote.model_b) for vote in votes}:
        joined = [group for group in groups if a in group or b in group]
        groups = [group for group in groups if group not in joined] + [set().union(*joined)]
    if len(groups) < 2:
        return "" if len(models) > 1 else "Not enough models: ratings compare at least two."
    if not votes:
        return "Not enough votes: there are none yet."
    names = sorted(", ".join(sorted(group)) for group in groups)
    return f"Not enough votes: none connects {' with '.join(f'[{name}]' for name in names)}."


def votes_needed(rate: float) -> int:
    """How many independent votes tell a true win rate from 50 %: power 80 %, two-sided 5 %.

    n = [(z.975·√¼ + z.80·√(p(1−p))) / (p − ½)]². 55 % needs 783, 60 % 194, 65 % 85. Raises `UserError`
    for 0.5, which no number of votes tells from itself, and outside 0…1.
    Source: Fleiss, Statistical Methods for Rates and Proportions, 2.5
    """
    if not 0 <= rate <= 1 or rate == 0.5:
        raise UserError(f"is {rate!r}.", "Give a win rate from 0 to 1 other than 0.5.", "rate")
    numerator = Z95 * 0.5 + float(ndtri(0.80)) * math.sqrt(rate * (1 - rate))
    return math.ceil((numerator / (rate - 0.5)) ** 2)


def side_bias(votes: Sequence[StandingVote]) -> Share:
    """The share that the left side won of the votes with a winner; sides are random, so 0.5 is fair.

    Rankings have no sides and are left out.
    """
    decided = [vote for vote in votes if vote.choice in ("left", "right")]
    return share_of(np.array([vote.choice == "left" for vote in decided], dtype=float), decided)


def length_effect(votes: Sequence[StandingVote]) -> Share:
    """The share of votes with a winner in which the longer answer (in characters) won; equal lengths left out."""
    decided = [vote for vote in votes if vote.outcome != 0.5 and vote.length_a != vote.length_b]
    longer = [(vote.length_a > vote.length_b) == (vote.outcome == 1.0) for vote in decided]
    return share_of(np.array(longer, dtype=float), decided)


def length_controlled(votes: Sequence[StandingVote], a: str, b: str) -> float | None:
    """The win rate of `a` against `b` were both answers equally long; None below 20 votes or without variation.

    σ(θ₀) of the logistic fit θ₀ + θ₁·tanh(Δ/sd Δ), Δ the difference in characters, ridge 0.1 as for ratings.
    Source: https://arxiv.org/abs/2404.04475 (length-controlled AlpacaEval)
    """
    ours = between(votes, a, b)
    sign = np.array([1 if vote.model_a == a else -1 for vote in ours], dtype=float)
    difference = sign * np.array([vote.length_a - vote.length_b for vote in ours], dtype=float)
    if len(ours) < LENGTH_VOTES or difference.std() == 0:
        return None
    design = np.column_stack([np.ones(len(ours)), np.tanh(difference / difference.std())])
    theta, _ = ridge_logistic(design, _scores(ours, a), weights=weights_of(ours))
    return float(expit(theta[0]))
