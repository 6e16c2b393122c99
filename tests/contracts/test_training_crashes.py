"""What ends a training from outside, and that it goes on from there to the very same weights."""

import hashlib
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.small_disk import small_disk
from tests.toy_training import job, train
from tests.toys import toy_home
from workbench.core.home import Home
from workbench.jobs.queue import Queue
from workbench.jobs.view import JobRecord
from workbench.jobs.worker import execute_job
from workbench.training.checkpoints import checkpoints
from workbench.training.report import Report

SETTINGS: dict[str, Any] = {
    "max_steps": 12, "gradient_accumulation": 2, "checkpoint_every": 5, "eval_every": 4,
    "tuner": {"method": "lora", "dropout": 0.2},
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return toy_home(tmp_path_factory.mktemp("crashes"))


@pytest.fixture(scope="module")
def undisturbed(home: Home) -> JobRecord:
    return train(home, "undisturbed", **SETTINGS)


@pytest.fixture
def sigterm() -> Any:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def weights(home: Home, name: str) -> str:
    return hashlib.sha256((home.models / name / "adapter_model.safetensors").read_bytes()).hexdigest()


def numbers(view: JobRecord) -> list[dict[str, Any]]:
    """What every step and evaluation told, but for timings."""
    names = ("step", "loss", "grad_norm", "learning_rate", "eval_loss")
    return [{name: point[name] for name in names if name in point} for point in view.state.points]


def disturbed(monkeypatch: pytest.MonkeyPatch, step: int, disturbance: Callable[[], None]) -> None:
    """Has the trainer disturbed at the end of a step."""
    on_step_end = Report.on_step_end

    def ending(self: Report, args: Any, state: Any, control: Any, **rest: Any) -> None:
        if state.global_step == step:
            disturbance()
        on_step_end(self, args, state, control, **rest)

    monkeypatch.setattr(Report, "on_step_end", ending)


def carried_out(home: Home, job_id: str) -> JobRecord:
    view = Queue(home).get(job_id)
    execute_job(home, view.folder)
    return view.refresh()


def test_after_sigterm_it_goes_on_to_the_same_bits(
    home: Home, undisturbed: JobRecord, monkeypatch: pytest.MonkeyPatch, sigterm: None
) -> None:
    queue = Queue(home)
    job_id = queue.submit(job(output="asked", **SETTINGS))
    with monkeypatch.context() as patch:
        disturbed(patch, 7, lambda: os.kill(os.getpid(), signal.SIGTERM))
        view = carried_out(home, job_id)
    assert view.status == "stopped" and view.state.result["steps"] == 7
    queue.resume(job_id)
    view = carried_out(home, job_id)
    assert view.status == "done", view.state.error
    assert weights(home, "asked") == weights(home, "undisturbed")
    assert numbers(view)[-8:] == numbers(undisturbed)[-8:]


def test_a_disk_that_is_full_in_a_checkpoint_leaves_the_last_one_whole(
    home: Home, undisturbed: JobRecord, monkeypatch: pytest.MonkeyPatch, sigterm: None
) -> None:
    queue = Queue(home)
    job_id = queue.submit(job(output="full", **SETTINGS))
    folder = queue.get(job_id).folder / "checkpoints"
    with small_disk(folder) as disk:
        with monkeypatch.context() as patch:
            disturbed(patch, 8, disk.fill)
            view = carried_out(home, job_id)
        assert view.status == "failed" and "disk" in (view.error + view.state.remedy).lower(), view.error
        assert checkpoints(folder) == [folder / "checkpoint-5"]
        disk.free()
        queue.resume(job_id)
        view = carried_out(home, job_id)
        assert view.status == "done", view.state.error
    assert "Going on from step 5." in view.state.notes
    assert weights(home, "full") == weights(home, "undisturbed")
    assert numbers(view) == numbers(undisturbed)


def test_going_on_from_an_adapter_says_what_it_keeps_and_what_is_not_used(home: Home, undisturbed: JobRecord) -> None:
    settings = {"model": "undisturbed", "tuner": {"method": "lora", "r": 4, "alpha": 32, "dropout": 0.2}}
    facts = dict(job(output="further", **settings).facts(home))
    assert facts["Kept of the adapter"] == "rank 16, alpha 32, dropout 0.2, rsLoRA off"
    assert facts["Not used"] == "rank 4: an adapter keeps its shape"
    view = train(home, "further", **settings)
    assert "Not used: rank 4: an adapter keeps its shape" in view.state.notes
    same = {"model": "undisturbed", "tuner": {"method": "lora", "dropout": 0.2}}
    assert "Not used" not in dict(job(output="same", **same).facts(home))
