"""What the losses of a rising learning rate say."""

import math

import pytest

from tabs.figures.learning_rates import by_rate
from workbench.training.rate_course import advise, has_run_away, rate_at, rounded, smooth

RATES = [rate_at(step, 101, 1e-6, 1.0) for step in range(101)]


def valley(fastest: float, lowest: float) -> list[float]:
    """Losses that are flat, fall fastest at one rate, are lowest at another and rise after it."""
    losses = []
    for rate in RATES:
        fall = 1 / (1 + math.exp(-3 * math.log(rate / fastest)))
        rise = max(0.0, math.log(rate / lowest))
        losses.append(3.0 - fall + rise)
    return losses


def test_the_rates_rise_by_the_same_factor_from_the_lowest_to_the_highest() -> None:
    assert RATES[0] == pytest.approx(1e-6) and RATES[-1] == pytest.approx(1.0)
    assert RATES[50] == pytest.approx(1e-3) and rate_at(500, 101, 1e-6, 1.0) == RATES[-1]


def test_the_suggestion_is_where_the_loss_falls_fastest() -> None:
    advice = advise(RATES, valley(fastest=1e-4, lowest=0.05))
    assert advice.steepest == pytest.approx(1e-4, rel=0.4) and advice.suggested == rounded(advice.steepest)
    assert "where it fell fastest" in advice.sentences[0] and "above which it rose" in advice.sentences[1]


def test_the_suggestion_stays_a_tenth_below_the_lowest_loss() -> None:
    advice = advise(RATES, valley(fastest=2e-3, lowest=5e-3))
    assert advice.lowest is not None and advice.steepest is not None
    assert advice.suggested == rounded(advice.lowest / 10) < advice.steepest
    assert "a tenth of where it was lowest" in advice.sentences[0]


def test_a_loss_that_never_rises_says_to_try_higher() -> None:
    advice = advise(RATES, [3 - 0.01 * step for step in range(101)])
    assert advice.suggested and "a higher one may do better" in advice.sentences[1]


@pytest.mark.parametrize(
    ("losses", "ran_away", "words"),
    [
        ([3.0] * 101, False, "hardly fell"),
        ([3.0 + 0.1 * step for step in range(101)], True, "set the lowest rate lower"),
        ([3.0, 2.0, 1.0], False, "Only 3 steps"),
    ],
)
def test_nothing_is_suggested_without_a_reason(losses: list[float], ran_away: bool, words: str) -> None:
    advice = advise(RATES[: len(losses)], losses, ran_away)
    assert advice.suggested is None and words in advice.sentences[0]


def test_a_loss_far_above_the_first_ones_has_run_away() -> None:
    assert not has_run_away([3.0] * 50) and not has_run_away([3.0] * 3 + [9.0] * 3)
    assert has_run_away([3.0] * 20 + [6.0] * 3) and not has_run_away([3.0] * 20 + [6.0, 3.0, 3.0])


def test_smoothing_keeps_a_straight_line_straight() -> None:
    assert smooth([float(step) for step in range(100)]) == pytest.approx(list(range(100)))


def test_the_picture_has_the_losses_and_the_suggestion() -> None:
    losses = valley(1e-4, 0.05)
    advice = advise(RATES, losses)
    figure = by_rate(advice.facts(RATES, losses))
    assert figure["data"][0]["x"] == RATES and figure["data"][0]["y"] == losses
    assert figure["layout"]["xaxis"]["type"] == "log" and figure["layout"]["shapes"][0]["x0"] == advice.suggested
    assert by_rate({}) == {} and "shapes" not in by_rate(advise(RATES, [3.0] * 101).facts(RATES, losses))["layout"]
