"""A training run as it is watched: samples, pauses, trackers, alarms and its account."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.running import carried, wrong_with
from tests.toy_training import job, train
from tests.toys import toy_home
from workbench.core.home import Home
from workbench.jobs.job import STOP_FILE
from workbench.jobs.queue import Queue
from workbench.jobs.worker import execute_job
from workbench.training.report import Report

PROMPTS = ["Tell me of the red apple.", "Tell me of the old oak."]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return toy_home(tmp_path)


def weights(home: Home, name: str) -> str:
    return hashlib.sha256((home.models / name / "adapter_model.safetensors").read_bytes()).hexdigest()


def losses(points: list[dict[str, Any]]) -> list[float]:
    return [point["loss"] for point in points if "loss" in point]


def test_samples_are_answered_before_between_and_after_and_change_nothing(home: Home) -> None:
    settings = {"max_steps": 5, "tuner": {"method": "lora", "dropout": 0.2}}
    plain = train(home, "plain", **settings)
    asked = train(home, "asked", sample_prompts=PROMPTS, sample_every=2, sample_tokens=6, **settings)
    samples = asked.state.samples
    assert [(one["step"], one["prompt"]) for one in samples] == [
        (step, text) for step in (0, 2, 4, 5) for text in PROMPTS
    ]
    assert any(one["text"] for one in samples)
    assert losses(asked.state.points) == losses(plain.state.points)
    assert weights(home, "asked") == weights(home, "plain")


def test_a_paused_run_goes_on_to_the_same_bits(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {
        "max_steps": 12, "gradient_accumulation": 2, "checkpoint_every": 5, "tuner": {"method": "lora", "dropout": 0.2},
    }  # fmt: skip
    whole = train(home, "whole", **settings)
    on_step_end = Report.on_step_end

    def pausing(self: Report, args: Any, state: Any, control: Any, **rest: Any) -> None:
        if state.global_step == 7:
            (self.ctx.folder / STOP_FILE).write_text("pause")
        on_step_end(self, args, state, control, **rest)

    with monkeypatch.context() as patch:
        patch.setattr(Report, "on_step_end", pausing)
        paused = carried(home, job(output="paused", **settings))
    assert paused.status == "paused" and paused.can_resume and paused.state.result == {"paused_at": 7}
    assert not (home.models / "paused").exists()
    queue = Queue(home)
    queue.resume(paused.id)
    execute_job(home, paused.folder)
    resumed = queue.get(paused.id)
    assert resumed.status == "done", resumed.state.error
    assert losses(resumed.state.points) == losses(whole.state.points)
    assert weights(home, "paused") == weights(home, "whole")


def test_only_a_job_that_heeds_it_can_be_paused(home: Home) -> None:
    from workbench.core.errors import UserError
    from workbench.inference.jobs.measure import Measure

    queue = Queue(home)
    other = queue.submit(Measure.parse({"models": ["toy"], "dataset": "talks"}), here=True)
    with pytest.raises(UserError, match="cannot be paused"):
        queue.stop(other, "pause")


def test_the_account_tells_where_the_time_went(home: Home) -> None:
    seconds = train(home, "told", max_steps=3, checkpoint_every=1).state.result["account"]["seconds"]
    total = seconds.pop("total")
    assert {"training", "saving"} <= seconds.keys() and 0 < seconds["training"] <= sum(seconds.values()) <= total + 0.01


def test_a_tracker_that_is_missing_or_without_a_key_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", "/nonexistent")
    monkeypatch.setenv("HOME", str(home.root))
    said = wrong_with(home, job(output="out", tracker="wandb"))
    assert "pip install wandb" in said and "WANDB_API_KEY" in said
    assert "pip install trackio" in wrong_with(home, job(output="out", tracker="trackio"))


def test_tensorboard_gets_the_metrics_in_the_folder_of_the_job(home: Home) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    view = train(home, "seen", max_steps=3, tracker="tensorboard")
    (events,) = (view.folder / "tensorboard").glob("events.*")
    accumulated = EventAccumulator(str(events)).Reload()
    assert [scalar.step for scalar in accumulated.Scalars("train/loss")] == [1, 2, 3]
