"""The disk in the page: a look never waits, is measured once at a time, and says what failed."""

import threading
from pathlib import Path

import pytest

from tabs.overview import disk_watch
from tabs.overview.disk_panel import MEASURING, DiskPanel
from tabs.overview.disk_watch import DiskWatch
from tabs.shell.context import Context
from tests.bench.home_of_many import add_job, many
from workbench.chat.service import ChatService
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.inventory.disk_ledger import DiskLedger
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner

LEDGER = DiskLedger(1, 2, (), ())


def waited(watch: DiskWatch) -> None:
    if watch._thread:
        watch._thread.join(10)


def test_a_look_is_answered_at_once_and_starts_one_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    may_end, measured = threading.Event(), list[int]()

    def measure() -> DiskLedger:
        measured.append(1)
        assert may_end.wait(10)
        return LEDGER

    watch = DiskWatch(measure, lambda: 1)
    assert [watch.look() for _ in range(5)] == [None] * 5 and watch.version() == 0
    may_end.set()
    waited(watch)
    assert watch.look() is LEDGER and watch.version() == 1 and len(measured) == 1


def test_it_is_measured_again_when_the_shelves_changed_and_some_time_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    measured, mark, now = list[int](), [1], [0.0]
    monkeypatch.setattr(disk_watch.time, "monotonic", lambda: now[0])
    watch = DiskWatch(lambda: measured.append(1) or LEDGER, lambda: mark[0])
    for seconds, changed, count in ((0, 1, 1), (11, 1, 1), (12, 2, 2), (13, 3, 2), (23, 3, 3), (200, 3, 4)):
        now[0], mark[0] = seconds, changed
        watch.look()
        waited(watch)
        assert len(measured) == count, seconds
    assert watch.version() == 1  # an equal ledger is no change of the page
    watch.outdate()
    watch.look()
    waited(watch)
    assert len(measured) == 5


def test_a_measurement_that_fails_is_said_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    answers = iter([OSError(5, "Input/output error"), LEDGER])

    def measure() -> DiskLedger:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    watch = DiskWatch(measure, lambda: 1)
    watch.look()
    waited(watch)
    assert "The disk reports an error" in watch.problem and watch.look() is None
    watch.outdate()
    watch.look()
    waited(watch)
    assert watch.look() is LEDGER and watch.problem == ""


@pytest.fixture
def panel(own_home: Path) -> DiskPanel:
    home = many(Home.at(own_home), 2, 1, 0)
    queue = Queue(home)
    return DiskPanel(Context(home, queue, Runner(home, queue), ChatService(home)))


def test_the_page_changes_its_version_when_the_ledger_is_there(panel: DiskPanel) -> None:
    before = panel.ctx.shelves.version()
    assert panel.items() == (MEASURING,) and "Measuring" in panel.summary()
    waited(panel.watch)
    assert panel.ctx.shelves.version() != before
    assert "Models" in panel.summary() and panel.items()[0].size > 0


def test_nothing_is_deleted_that_was_not_chosen_and_confirmed(panel: DiskPanel) -> None:
    for key in (None, "", "model:nothing"):
        with pytest.raises(UserError):
            panel.delete(key)
    with pytest.raises(UserError, match="Nothing was deleted"):
        panel.delete_spent("yes")
    job = add_job(panel.ctx.home, 1)
    (job / "checkpoints" / "checkpoint-1").mkdir(parents=True)
    (panel.ctx.home.models / "model-00001").rename(panel.ctx.home.models / "made-00001")
    with pytest.raises(UserError, match="Nothing was deleted"):
        panel.delete_spent(None)
    assert (job / "checkpoints").is_dir()
