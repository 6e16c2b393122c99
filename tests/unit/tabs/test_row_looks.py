"""The look at the rows of a training: it says how far it is, and ends when nobody wants it any more."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tabs.train import row_looks
from tabs.train.row_looks import RowLooks
from workbench.core.errors import UserError
from workbench.core.tasks import Task

WAIT_SECONDS = 30


class Steps:
    """A look whose every step a test lets happen."""

    def __init__(self) -> None:
        self.may_step, self.ended = threading.Semaphore(0), threading.Event()

    def __call__(self, task: Task) -> list[str]:
        try:
            for step in range(3):
                task.update(step, 3, "Looking")
                assert self.may_step.acquire(timeout=WAIT_SECONDS)
                task.check_stop()
            return ["all is well"]
        finally:
            self.ended.set()

    def step(self, count: int = 1) -> None:
        self.may_step.release(count)


def wait_until(read: Callable[[], dict[str, Any]], holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    limit = time.monotonic() + WAIT_SECONDS
    while not holds(state := read()):
        assert time.monotonic() < limit, state
        threading.Event().wait(0.005)
    return state


def test_a_look_says_how_far_it_is_at_once_and_then_what_it_found() -> None:
    looks, steps = RowLooks(), Steps()
    assert looks.start("a", steps)["text"]
    steps.step()
    wait_until(lambda: looks.state("a"), lambda state: state.get("done") == 1 and state["total"] == 3)
    steps.step(2)
    assert wait_until(lambda: looks.state("a"), lambda state: "lines" in state) == {"lines": ["all is well"]}
    assert looks.state("b") == {"stopped": True}


def test_a_newer_look_of_the_same_page_stops_the_older_and_no_other_page_s() -> None:
    looks, older, other, newer = RowLooks(), Steps(), Steps(), Steps()
    looks.start("a", older)
    looks.start("b", other)
    looks.start("a", newer)
    for steps in (older, other):
        steps.step()
    assert older.ended.wait(WAIT_SECONDS) and not other.ended.is_set()
    assert "text" in looks.state("a")
    for steps in (other, newer):
        steps.step(3)
    for page in ("a", "b"):
        assert wait_until(lambda page=page: looks.state(page), lambda state: "text" not in state)["lines"]  # type: ignore[misc]


def test_a_look_is_stopped_by_its_page_or_by_the_silence_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, stopped, silent = RowLooks(), Steps(), Steps()
    looks.start("a", stopped)
    looks.stop("a")
    stopped.step()
    assert stopped.ended.wait(WAIT_SECONDS) and looks.state("a") == {"stopped": True}
    looks.start("b", silent)
    monkeypatch.setattr(row_looks, "ABANDONED_SECONDS", -1.0)
    silent.step()
    assert silent.ended.wait(WAIT_SECONDS)
    assert wait_until(lambda: looks.state("b"), lambda state: "text" not in state) == {"stopped": True}


def test_what_goes_wrong_is_told_with_its_remedy() -> None:
    def fail(task: Task) -> list[str]:
        raise UserError("No template fits.", "Choose another one.", "template")

    looks = RowLooks()
    looks.start("a", fail)
    found = wait_until(lambda: looks.state("a"), lambda state: "text" not in state)
    assert "No template fits." in found["error"] and "Choose another one." in found["error"]
