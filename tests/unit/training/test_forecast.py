"""How long a run will take, said after five steps."""

import pytest

from workbench.core.units import human_duration
from workbench.training.forecast import Forecast


def test_the_rest_is_told_once_after_five_steps_without_the_first() -> None:
    forecast = Forecast()
    told = [forecast.seconds_left(seconds, 100 - step, 0) for step, seconds in enumerate([30, 2, 2, 2, 2, 2], start=1)]
    assert told == [None, None, None, None, 95 * 2.0, None]


def test_evaluations_that_lie_in_between_are_counted_by_those_measured() -> None:
    forecast = Forecast()
    forecast.evaluated(8.0)
    forecast.evaluated(12.0)
    for step in range(1, 5):
        forecast.seconds_left(1.0, 105 - step, 10)
    assert forecast.seconds_left(1.0, 100, 10) == 100 * 1.0 + 10 * 10.0


def test_a_run_that_is_over_needs_no_forecast() -> None:
    forecast = Forecast()
    assert [forecast.seconds_left(1.0, 5 - step, 0) for step in range(1, 6)] == [None] * 5


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (8000, "2 h 13 min")])
def test_durations_are_written_as_people_read_them(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text
