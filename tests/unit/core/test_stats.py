"""Intervals: bootstrap over rows, Wilson's for shares, and the allowance for votes that hang together."""

import numpy as np
import pytest
from scipy.special import stdtrit

from workbench.core.stats import (
    Z95,
    inflation,
    mean_interval,
    perplexity,
    quantile_interval,
    resampled,
    sums_by_row,
    wilson,
)


def test_a_bootstrap_is_as_wide_as_theory_says_and_the_same_for_a_seed() -> None:
    counts, truth = np.full(400, 10.0), np.random.default_rng(0).normal(3.0, 0.5, 400)
    found = mean_interval(truth * counts, counts, resampled(400))
    assert found.high - found.low == pytest.approx(2 * Z95 * truth.std() / 20, rel=0.1)
    assert found == mean_interval(truth * counts, counts, list(resampled(400)))
    assert found != mean_interval(truth * counts, counts, resampled(400, seed=1))


def test_each_round_draws_as_many_rows_as_there_are() -> None:
    draws = np.array(list(resampled(50, rounds=2000)))
    assert draws.shape == (2000, 50) and set(draws.sum(axis=1)) == {50}
    assert draws.mean(axis=0) == pytest.approx(np.ones(50), abs=0.15)


def test_intervals_contain_their_value_and_shrink_with_rows() -> None:
    values = np.random.default_rng(3).exponential(1, 400)
    wide = mean_interval(values[:20], np.ones(20), resampled(20))
    narrow = mean_interval(values, np.ones(400), resampled(400))
    for found in (wide, narrow):
        assert found.low < found.value < found.high
    assert narrow.high - narrow.low < (wide.high - wide.low) / 2
    tail = quantile_interval(values, np.arange(400), 0.99, resampled(400))
    assert tail.low <= tail.value <= tail.high and (values > tail.value).sum() == 4


def test_an_interval_is_over_rows_not_tokens() -> None:
    """Two rows of a thousand equal tokens each are two observations."""
    found = mean_interval(np.array([0.0, 1000.0]), np.array([1000.0, 1000.0]), resampled(2))
    assert (found.low, found.value, found.high) == (0, 0.5, 1)


def test_paired_differences_are_sharper_than_two_intervals() -> None:
    one = np.random.default_rng(4).exponential(1, 60)
    difference = mean_interval(one + 0.01 - one, np.ones(60), resampled(60))
    assert difference.low == pytest.approx(0.01) and difference.high == pytest.approx(0.01)


def test_one_row_gives_an_interval_without_width_and_rows_of_nothing_are_left_out() -> None:
    one = mean_interval(np.array([6.0]), np.array([3.0]), resampled(1))
    assert (one.low, one.value, one.high) == (2, 2, 2)
    found = mean_interval(np.array([4.0, 0.0]), np.array([2.0, 0.0]), resampled(2))
    assert (found.low, found.value, found.high) == (2, 2, 2)


def test_sums_by_row_and_perplexity() -> None:
    assert sums_by_row(np.array([1.0, 2.0, 4.0]), np.array([2, 0, 2]), 4).tolist() == [2, 0, 5, 0]
    assert perplexity(0) == 1 and np.isfinite(perplexity(1e9))
    assert mean_interval(np.array([0.0]), np.ones(1), resampled(1)).mapped(perplexity).to_dict() == {
        "value": 1, "low": 1, "high": 1,
    }  # fmt: skip


def test_wilson_matches_published_values() -> None:
    assert wilson(8 / 10, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0.5, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    assert wilson(0.5, 0) == (0.0, 1.0)


def test_inflation_by_hand() -> None:
    # Two clusters (1,1,0) and (0,0,1): residuals ±½, sums ½ and −½, so D = [2·½] / [6/5·1.5] = 0.56, never below 1.
    residuals = np.array([[0.5], [0.5], [-0.5], [-0.5], [-0.5], [0.5]])
    assert inflation(residuals, [[0, 0, 0, 1, 1, 1]]) == 1.0
    # Clusters (1,1,1), (0,0,0): D = [2·4.5] / [6/5·1.5] = 5; f = 25/(1/5 + 16/1) = 1.5432.
    residuals = np.array([[0.5]] * 3 + [[-0.5]] * 3)
    expected = 5 * (stdtrit(25 / 16.2, 0.975) / stdtrit(5, 0.975)) ** 2
    assert inflation(residuals, [[0, 0, 0, 1, 1, 1]]) == pytest.approx(expected)
    assert inflation(residuals, [range(6), [0] * 6]) == 1.0
