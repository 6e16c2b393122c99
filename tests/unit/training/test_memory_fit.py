"""Settings with which a training fits into the device's memory, and what is known before it starts."""

from typing import Any

import pytest

from tests.toys import toy_home
from workbench.core.errors import UserError
from workbench.core.hardware import Hardware
from workbench.core.home import Home
from workbench.core.tasks import Task
from workbench.training import memory_fit
from workbench.training.jobs.train import Train
from workbench.training.memory_estimate import estimate_memory
from workbench.training.memory_fit import Room, device_room, fitting_job
from workbench.training.preflight import disk_facts, preflight, row_facts
from workbench.training.settings.batching import halved_batch

HARDWARE = Hardware(device="cpu", cores=2, ram=8 * 10**9)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return toy_home(tmp_path_factory.mktemp("fit"))


def job(**settings: Any) -> Train:
    return Train.parse({"model": "toy", "dataset": "talks", "batch_size": 12, **settings})


def with_room(monkeypatch: pytest.MonkeyPatch, size: float) -> None:
    room = Room(int(size), int(size))
    monkeypatch.setattr(memory_fit, "device_room", lambda home, hardware: room)


@pytest.mark.parametrize(
    ("given", "expected"), [((12, 1), (6, 2)), ((3, 2), (1, 6)), ((9, 1), (3, 3)), ((1, 4), None), ((2, 3), (1, 6))]
)
def test_a_smaller_batch_keeps_the_effective_one(given: tuple[int, int], expected: tuple[int, int] | None) -> None:
    assert halved_batch(*given) == expected


def test_what_fits_is_left_as_it_is(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with_room(monkeypatch, 1e12)
    found = fitting_job(home, job())
    assert found.job == job() and not found.changes


def test_a_smaller_batch_comes_first_and_keeps_the_number_of_steps(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with_room(monkeypatch, 1.2 * estimate_memory(home, job(batch_size=6), HARDWARE).total)
    found = fitting_job(home, job())
    assert (found.job.batch_size, found.job.gradient_accumulation) == (6, 2)
    assert {change.setting for change in found.changes} == {"batch_size", "gradient_accumulation"}
    assert all(found.job.total_steps(rows) == job().total_steps(rows) for rows in range(1, 60))


def test_rows_are_cut_last_and_every_change_says_what_stood_there_before(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_room(monkeypatch, 1.15 * estimate_memory(home, job(batch_size=1, max_length=128), HARDWARE).total)
    found = fitting_job(home, job(max_length=512, gradient_checkpointing=True))
    written = {change.setting: (change.before, change.after) for change in found.changes}
    assert written["batch_size"][0] == "12" and "gradient_checkpointing" not in written
    assert Room(0, 10**12).holds(found.estimate) and found.job.max_length <= 512


def test_nothing_that_fits_is_an_error_with_a_remedy(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with_room(monkeypatch, 1000)
    with pytest.raises(UserError, match="smallest settings") as error:
        fitting_job(home, job())
    assert "smaller model" in error.value.remedy


def test_the_operator_limits_what_is_counted_on(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_MEMORY_GB", "0.5")
    assert device_room(home, HARDWARE) == Room(500_000_000, 500_000_000)


def test_rows_cut_off_are_counted_with_the_length_that_would_cut_none(home: Home) -> None:
    found = row_facts(home, job(max_length=32))
    assert found["cut"] == found["looked_at"] == 34 and found["share"] == 1
    longest = row_facts(home, job(max_length=found["longest"]))
    assert longest["cut"] == 0 and row_facts(home, job(max_length=found["longest"] - 1))["cut"] > 0


def test_the_look_at_the_rows_tells_how_far_it_is_and_can_be_stopped(home: Home) -> None:
    told: list[tuple[float, float]] = []

    def stop_after_one() -> None:
        if told:
            raise InterruptedError

    task = Task(lambda done, total, text: told.append((done, total)), clock=iter(range(100)).__next__)
    assert row_facts(home, job(), task)["looked_at"] == 34 and told == [(0, 34), (20, 34)]
    told.clear()
    with pytest.raises(InterruptedError):
        row_facts(home, job(), Task(lambda done, total, text: told.append((done, total)), stop_after_one))


def test_all_that_is_known_comes_as_plain_facts(home: Home) -> None:
    found = preflight(home, job())
    assert found["memory"]["total"] == sum(found["memory"]["parts"].values())
    assert found["disk"]["needed"] == sum(found["disk"]["parts"].values()) > 0 and found["folding"] == ""


def test_what_lies_on_the_disk_depends_on_optimizer_checkpoints_and_the_best_evaluation(home: Home) -> None:
    def parts(**settings: Any) -> dict[str, int]:
        found: dict[str, int] = disk_facts(home, job(**settings))["parts"]
        return found

    plain, whole = parts(), parts(tuner="full")
    assert parts(keep_checkpoints=5)["checkpoints"] == 2 * plain["checkpoints"]
    assert plain["best"] == 0 < parts(keep_best=True)["best"] and plain["folded"] == 0
    assert parts(tuner="full", optimizer={"method": "sgd", "momentum": 0})["checkpoints"] < whole["checkpoints"] / 2
