"""A task: what it reports, how often, that parts never go back, and that a stop goes through."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.core.tasks import INTERVAL_SECONDS, LEAST_SHARE, Task, seconds_left

Words = tuple[float, float, str]


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def watched(check_stop: Callable[[], object] | None = None) -> tuple[Task, list[Words], Clock]:
    heard: list[Words] = []
    clock = Clock()
    return Task(lambda *words: heard.append(words), check_stop, clock), heard, clock


def test_a_task_that_nobody_watches_says_nothing_and_goes_on() -> None:
    task = Task()
    task.update(1, 2, "x")
    task.part(0, 0.5).check_stop()


def test_what_the_whole_reports_is_passed_on_as_it_is() -> None:
    task, heard, _ = watched()
    task.update(0, 0, "Loading")
    task.update(3, 10, "Step 3")
    assert heard == [(0, 0, "Loading"), (3, 10, "Step 3")]


def test_a_part_reports_its_share_of_the_whole_with_its_label() -> None:
    task, heard, _ = watched()
    half = task.part(0.2, 0.6, "model-a")
    half.update(0, 0, "Loading")
    half.update(5, 10, "Row 5")
    half.part(0.5, 1, "rows").update(1, 1)
    task.step(2, 4).update(1, 2)
    assert heard == [
        (0.2, 1, "model-a: Loading"), (0.4, 1, "model-a: Row 5"), (0.6, 1, "model-a: rows"), (0.625, 1, "")
    ]  # fmt: skip


@pytest.mark.parametrize(("start", "end"), [(-0.1, 0.5), (0.5, 0.4), (0, 1.1), (float("nan"), 1)])
def test_what_is_no_part_of_a_whole_is_refused(start: float, end: float) -> None:
    with pytest.raises(ValueError, match="no part of a whole"):
        Task().part(start, end)


def test_many_small_steps_are_reported_a_few_times_a_second() -> None:
    task, heard, clock = watched()
    for done in range(100_001):
        task.update(done, 100_000, f"Row {done}")
        clock.seconds += 1e-6
    assert len(heard) <= 1 / LEAST_SHARE + 2 and heard[0][0] == 0 and heard[-1][0] == 100_000
    heard.clear()
    for done in range(10):
        task.update(done, 10**9, f"Row {done}")
        clock.seconds += INTERVAL_SECONDS * 0.51
    assert [words[0] for words in heard] == [0, 2, 4, 6, 8]


def test_another_total_and_what_begins_again_are_reported_at_once() -> None:
    task, heard, _ = watched()
    for words in [(50, 1000, "a"), (1, 2000, "b"), (0, 2000, "c"), (0, 0, "d"), (0, 0, "d"), (0, 0, "e")]:
        task.update(*words)
    assert [text for _, _, text in heard] == ["a", "b", "c", "d", "e"]


def test_another_activity_at_the_same_place_is_reported_at_once() -> None:
    task, heard, _ = watched()
    for text in ("Loading a", "Loading b", "Loading b"):
        task.update(3, 1000, text)
        task.part(0.5, 0.6).update(0, 0, text)
    assert [text for _, total, text in heard if total == 1] == ["Loading a", "Loading b", "Loading b"]
    heard.clear()
    for row in range(10_000):
        task.part(0.5, 0.6).update(row, 10_000, f"Row {row}")
    assert len(heard) <= 0.1 / LEAST_SHARE + 2, "however finely a part is divided"


def test_what_was_held_back_is_told_when_the_work_asks_whether_to_go_on() -> None:
    task, heard, clock = watched()
    task.update(0, 10_000, "first")
    task.update(1, 10_000, "second")
    task.check_stop()
    assert len(heard) == 1
    clock.seconds += INTERVAL_SECONDS
    task.check_stop()
    task.check_stop()
    assert heard == [(0, 10_000, "first"), (1, 10_000, "second")]


class Stopped(Exception):
    pass


def test_a_stop_reaches_every_part() -> None:
    def stop() -> None:
        raise Stopped

    task, _, _ = watched(stop)
    for piece in (task, task.part(0, 0.5), task.part(0, 0.5).step(1, 3)):
        with pytest.raises(Stopped):
            piece.check_stop()


SHARES = st.floats(0, 1)
UPDATES = st.lists(st.tuples(st.floats(-5, 50), st.floats(-5, 50), st.floats(0, 1)), max_size=30)


@given(st.lists(SHARES, min_size=2, max_size=6, unique=True), st.lists(UPDATES, min_size=5, max_size=5))
def test_parts_in_their_order_never_go_back_and_stay_within_their_bounds(
    borders: list[float], updates: list[list[tuple[float, float, float]]]
) -> None:
    borders.sort()
    task, heard, clock = watched()
    for start, end, told in zip(borders, borders[1:], updates, strict=False):
        piece, before = task.part(start, end), len(heard)
        for done, total, seconds in told:
            clock.seconds += seconds
            piece.update(done, total)
        assert all(start - 1e-4 <= done <= end + 1e-4 for done, _, _ in heard[before:])
    shares = [done for done, _, _ in heard]
    assert shares == sorted(shares) and all(total == 1 for _, total, _ in heard)


@given(SHARES, SHARES, SHARES, SHARES, SHARES)
def test_a_part_of_a_part_is_a_part_of_the_whole(a: float, b: float, c: float, d: float, share: float) -> None:
    (a, b), (c, d) = sorted((a, b)), sorted((c, d))
    task, heard, _ = watched()
    task.part(a, b).part(c, d).update(share, 1)
    whole = Task(lambda *words: heard.append(words))
    whole.part(a + (b - a) * c, min(1.0, a + (b - a) * d)).update(share, 1)
    assert heard[0][0] == pytest.approx(heard[1][0], abs=2e-4)


@given(st.integers(1, 50), st.lists(st.floats(0, 0.5), min_size=1, max_size=80))
def test_however_often_it_is_told_it_reports_no_more_than_time_and_progress_allow(
    total: int, waits: list[float]
) -> None:
    task, heard, clock = watched()
    began = clock.seconds
    for number, wait in enumerate(waits):
        clock.seconds += wait
        task.update(number / len(waits) * total, total, str(number))
    most = (clock.seconds - began) / INTERVAL_SECONDS + 1 / LEAST_SHARE + 2
    assert 1 <= len(heard) <= most
    assert [done for done, _, _ in heard] == sorted(done for done, _, _ in heard)


def test_the_time_left_follows_the_pace_and_shrinks_while_nothing_comes() -> None:
    assert seconds_left([(10, 0), (20, 5)], 10, 20) == 10
    assert seconds_left([(10, 0), (20, 5)], 10, 26) == 4
    assert seconds_left([(10, 0), (20, 5)], 10, 99) == 0
    for history in ([], [(10, 0)], [(10, 5), (20, 5)], [(10, 0), (10, 5)]):
        assert seconds_left(history, 10, 20) is None
