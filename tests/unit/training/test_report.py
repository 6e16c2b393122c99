"""The trainer's callback: what reaches the plots, and how a stop reaches the trainer."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import TrainerControl

from workbench.core.home import Home, write_text
from workbench.jobs.events import JobState
from workbench.jobs.job import STOP_FILE, JobContext
from workbench.training.checkpoints import last_checkpoint
from workbench.training.report import Report, memory_mb
from workbench.training.run import losses_of


@pytest.fixture
def report(tmp_path: Path) -> Report:
    folder = tmp_path / "job"
    folder.mkdir()
    return Report(JobContext(Home(tmp_path), folder))


def story(report: Report) -> JobState:
    found = JobState()
    for event in report.ctx.events.read()[0]:
        found.add(event)
    return found


def state(step: int = 3) -> Any:
    return SimpleNamespace(global_step=step, max_steps=10)


def log(report: Report, step: int, **values: Any) -> None:
    report.on_log(None, state(step), None, values)


def test_a_step_becomes_one_point_and_progress(report: Report) -> None:
    log(report, 3, loss=2.5, grad_norm=1, learning_rate=1e-4, mean_token_accuracy=0.5, epoch=0.3, num_tokens=100)
    found = story(report)
    assert len(found.points) == 1 and found.points[0].pop("memory_mb") > 10
    assert 0 <= found.points[0].pop("device_percent") <= 100
    assert found.points == [{"step": 3, "loss": 2.5, "grad_norm": 1.0, "learning_rate": 1e-4, "token_accuracy": 0.5}]
    assert found.progress == {"done": 3, "total": 10, "text": "Step 3 of 10"}


def test_an_evaluation_is_a_point_without_the_trainers_own_timings(report: Report) -> None:
    log(report, 3, eval_loss=2.0, eval_mean_token_accuracy=0.4, eval_runtime=1.0, eval_samples_per_second=9.0)
    assert story(report).points == [{"step": 3, "eval_loss": 2.0, "eval_token_accuracy": 0.4}]


def test_the_summary_at_the_end_makes_no_point(report: Report) -> None:
    log(report, 10, train_loss=2.0, train_runtime=5.0, total_flos=1.0, train_steps_per_second=1.0)
    assert story(report).points == []


def test_a_loss_that_is_no_number_stays_visible_as_a_gap(report: Report) -> None:
    log(report, 3, loss=float("nan"), grad_norm=float("inf"))
    assert story(report).points[0]["loss"] is None and story(report).points[0]["grad_norm"] is None


def test_the_pace_counts_the_tokens_of_the_step_alone(report: Report) -> None:
    report._seconds = 2.0
    log(report, 1, loss=1, num_tokens=100)
    log(report, 2, loss=1, num_tokens=160)
    assert [point["tokens_per_second"] for point in story(report).points] == [50.0, 30.0]


def test_the_first_step_is_remembered(report: Report) -> None:
    before = time.time()
    for step in (1, 2):
        report.on_step_begin(None, state(step), TrainerControl())
        report.on_step_end(None, state(step), TrainerControl())
    assert before <= report.first_step_at <= time.time()


@pytest.mark.parametrize(
    ("asked", "stops", "saves"), [("", False, False), ("keep", True, True), ("discard", True, False)]
)
def test_a_stop_reaches_the_trainer(asked: str, stops: bool, saves: bool, report: Report) -> None:
    if asked:
        write_text(report.ctx.folder / STOP_FILE, asked)
    control = TrainerControl()
    report.on_step_end(None, state(), control)
    assert (control.should_training_stop, control.should_save, report.stop) == (stops, saves, asked)


def test_memory_is_told_in_megabytes() -> None:
    assert 50 < memory_mb() < 1_000_000


def test_the_result_has_first_and_last_losses() -> None:
    history = [{"eval_loss": 3.0}, {"loss": 2.0}, {"loss": 1.00004, "rewards/margins": 0.1}, {"eval_loss": 2.5}]
    assert losses_of(history) == {
        "train_loss_first": 2.0,
        "train_loss_last": 1.0,
        "eval_loss_first": 3.0,
        "eval_loss_last": 2.5,
        "rewards/margins": 0.1,
    }


def test_a_torn_checkpoint_is_passed_over(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path / "nothing") is None
    for step, text in ((9, "{}"), (10, "{}"), (20, '{"global_st'), (30, None)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if text is not None:
            (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(text)
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
