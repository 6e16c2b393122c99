"""Which two models a further vote should compare: where it is expected to shrink the ratings' variances most.

The ratings are Bradley–Terry's with the ridge of `ratings`. One vote between i and j adds p(1 − p)·xxᵀ to the
information, x being +1 at i and −1 at j, so that by Sherman and Morrison the sum of the variances about the mean falls
by w·|Cx|² / (1 + w·xᵀCx) with w = p(1 − p): A-optimal design, one vote ahead. Arrays may have leading dimensions, one
entry a simulated session.
Sources: https://arxiv.org/abs/2403.04132, section 5 (active sampling); Pukelsheim, Optimal Design of Experiments, 6
"""

import numpy as np
from scipy.special import expit

from workbench.core.stats import Floats
from workbench.preferences.ratings import RIDGE


def fit_wins(wins: Floats, start: Floats | None = None) -> tuple[Floats, Floats]:
    """θ (…, k) and its covariance about the mean (…, k, k) from `wins` (…, k, k): how often row i beat column j.

    A tie is half a win each way. Newton's method with steps of at most 2, to 1e-8.
    """
    votes = wins + np.swapaxes(wins, -1, -2)
    theta = np.zeros(wins.shape[:-1]) if start is None else start
    for _ in range(100):
        step = np.linalg.solve(_information(votes, theta), _gradient(wins, votes, theta)[..., None])[..., 0]
        largest = np.abs(step).max(axis=-1, keepdims=True)
        theta = theta - step * np.minimum(1.0, 2.0 / np.maximum(largest, 1e-300))
        if largest.max() < 1e-8:
            break
    return theta, covariance_of(votes, theta)


def covariance_of(votes: Floats, theta: Floats) -> Floats:
    """The covariance of θ about its mean, (…, k, k), from how often any two models met, (…, k, k)."""
    models = theta.shape[-1]
    centre = np.eye(models) - 1 / models
    return np.asarray(centre @ np.linalg.inv(_information(votes, theta)) @ centre)


def _chances(theta: Floats) -> Floats:
    """How likely row i beats column j, (…, k, k)."""
    chances: Floats = expit(theta[..., :, None] - theta[..., None, :])
    return chances


def _gradient(wins: Floats, votes: Floats, theta: Floats) -> Floats:
    gradient: Floats = (votes * _chances(theta) - wins).sum(axis=-1) + 2 * RIDGE * theta
    return gradient


def _information(votes: Floats, theta: Floats) -> Floats:
    chances = _chances(theta)
    weights = votes * chances * (1 - chances)
    diagonal = np.eye(theta.shape[-1]) * (weights.sum(axis=-1) + 2 * RIDGE)[..., None]
    return np.asarray(diagonal - weights)


def expected_gains(theta: Floats, covariance: Floats) -> Floats:
    """By how much a vote on row i against column j is expected to lower the sum of variances, (…, k, k); 0 on the
    diagonal."""
    chances = _chances(theta)
    weights = chances * (1 - chances)
    squares = covariance @ covariance  # |Cx|² = xᵀC²x for a symmetric C
    return np.asarray(weights * _difference_form(squares) / (1 + weights * _difference_form(covariance)))


def _difference_form(matrix: Floats) -> Floats:
    """xᵀMx for every two models: M_ii + M_jj − 2·M_ij."""
    diagonal = np.diagonal(matrix, axis1=-2, axis2=-1)
    return np.asarray(diagonal[..., :, None] + diagonal[..., None, :] - 2 * matrix)
