"""Early stopping and the best evaluation's weights: with every tuner, over a kill, a stop, and with pairs."""

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.running import carried, wrong_with
from tests.toy_training import job, train
from tests.toys import conversations, toy_home
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.data.store import datasets
from workbench.jobs.job import STOP_FILE
from workbench.jobs.queue import Queue
from workbench.jobs.view import JobRecord
from workbench.jobs.worker import execute_job
from workbench.training.best_weights import FOLDER, BestWeights
from workbench.training.report import Report
from workbench.training.tuner import TUNERS

CURVE = [3.0, 2.0, 1.5, 1.7, 1.9, 1.4, 1.3]  # the eval loss at each step; better again if it had gone on
STOPPING: dict[str, Any] = {
    "early_stopping_patience": 2, "eval_every": 1, "checkpoint_every": 1, "max_steps": 6, "scheduler": "constant",
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    made = toy_home(tmp_path_factory.mktemp("stopping"))
    datasets.write_rows(made, "no-eval", "conversation", conversations(8))
    return made


@pytest.fixture
def curve(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The eval losses that runs have, by step."""
    from transformers import Trainer

    values, log = list(CURVE), Trainer.log

    def scripted(self: Any, logs: dict[str, float], *args: Any, **settings: Any) -> None:
        if "eval_loss" in logs:
            logs["eval_loss"] = values[self.state.global_step]
        log(self, logs, *args, **settings)

    monkeypatch.setattr(Trainer, "log", scripted)
    return values


def weights(home: Home, name: str) -> dict[str, torch.Tensor]:
    (file,) = (home.models / name).glob("*model.safetensors")
    return load_file(file)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def resumed(home: Home, view: JobRecord) -> JobRecord:
    Queue(home).resume(view.id)
    before = signal.getsignal(signal.SIGTERM)
    execute_job(home, view.folder)
    signal.signal(signal.SIGTERM, before)
    return view.refresh()


@pytest.mark.parametrize("tuner", list(TUNERS.all()))
def test_a_run_stops_early_and_keeps_the_best_weights(tuner: str, home: Home, curve: list[float]) -> None:
    if reason := TUNERS.get(tuner).unavailable():
        pytest.skip(reason)
    view = train(home, f"early-{tuner}", tuner=tuner, **STOPPING)
    train(home, f"short-{tuner}", tuner=tuner, max_steps=2, scheduler="constant")
    assert same(weights(home, f"early-{tuner}"), weights(home, f"short-{tuner}"))
    assert view.state.result["steps"] == 4
    kept = {"metric": "eval loss", "step": 2, "best": 1.5, "last_step": 4, "last": 1.9, "before": 3.0}
    assert view.state.result["kept"] == {**kept, "stopped_early": True}
    assert read_manifest(home.models / f"early-{tuner}").info["kept"]["step"] == 2
    assert "Stopped early at step 4: 2 evaluations without improvement." in view.state.notes
    assert "Kept the weights of step 2, eval loss 1.5; step 4 had 1.9." in view.state.notes
    assert not (view.folder / FOLDER).exists()


def test_a_run_to_its_end_keeps_the_best_weights_without_stopping(home: Home, curve: list[float]) -> None:
    settings = {**STOPPING, "early_stopping_patience": 0, "keep_best": True, "max_steps": 4}
    view = train(home, "to-the-end", **settings)
    assert same(weights(home, "to-the-end"), weights(home, "short-lora"))
    assert view.state.result["kept"]["stopped_early"] is False and view.state.result["steps"] == 4


@pytest.mark.parametrize("checkpoint_every", [1, 3])
@pytest.mark.parametrize("killed_at", [2, 3])
def test_a_run_that_was_killed_stops_and_keeps_as_if_it_had_not_been(
    killed_at: int, checkpoint_every: int, home: Home, curve: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Report.on_step_begin

    def killing(self: Report, args: Any, state: Any, control: Any, **given: Any) -> None:
        if state.global_step == killed_at:
            raise SystemError("killed")
        begin(self, args, state, control, **given)

    name = f"killed-{killed_at}-{checkpoint_every}"
    settings = {**STOPPING, "checkpoint_every": checkpoint_every, "output": name}
    with monkeypatch.context() as patch:
        patch.setattr(Report, "on_step_begin", killing)
        view = carried(home, job(**settings))
    assert view.state.status == "failed" and (view.folder / FOLDER).is_dir()
    view = resumed(home, view)
    assert view.state.status == "done", view.state.error
    assert view.state.result["steps"] == 4 and view.state.result["kept"]["step"] == 2
    assert same(weights(home, name), weights(home, "short-lora"))


def test_a_run_that_was_killed_once_it_had_ended_makes_no_more_steps(
    home: Home, curve: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(*_: Any) -> bool:
        raise SystemError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(BestWeights, "put_back", dying)
        view = carried(home, job(**STOPPING, output="ended"))
    assert view.state.status == "failed"
    view = resumed(home, view)
    assert view.state.status == "done", view.state.error
    assert view.state.result["steps"] == 4 and max(point["step"] for point in view.state.points) == 4
    assert same(weights(home, "ended"), weights(home, "short-lora"))


def test_a_best_that_lies_before_the_last_checkpoint_outlives_a_better_one_that_was_lost(
    home: Home, tmp_path: Path
) -> None:
    """The second evaluation is the best, but its step is lost with the kill: the first is there to go on from."""
    from transformers import TrainerControl, TrainerState

    from workbench.training.best_evaluation import METRICS

    model, control = torch.nn.Linear(2, 2), TrainerControl()
    best = BestWeights(tmp_path, METRICS["loss"], 0, 0.0)
    entries = [{"step": 10, "eval_loss": 2.0}, {"step": 20, "eval_loss": 1.0}]
    for count in (1, 2):
        torch.nn.init.constant_(model.weight, float(count))
        state = TrainerState(global_step=10 * count, max_steps=100, log_history=entries[:count])
        best.on_evaluate(None, state, control, model)
    again = BestWeights(tmp_path, METRICS["loss"], 0, 0.0)
    again.on_train_begin(None, TrainerState(global_step=10, log_history=entries[:1]), control)
    assert again.put_back(model, 10) and model.weight.detach().unique().tolist() == [1.0]
    assert not again.put_back(model, 20)


def test_a_run_that_is_stopped_keeps_the_best_so_far_and_goes_on_from_the_last(
    home: Home, curve: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    end = Report.on_step_end

    def stopping(self: Report, args: Any, state: Any, control: Any, **given: Any) -> None:
        if state.global_step == 3 and not self.ctx.resume:
            (self.ctx.folder / STOP_FILE).write_text("keep")
        end(self, args, state, control, **given)

    monkeypatch.setattr(Report, "on_step_end", stopping)
    view = carried(home, job(**STOPPING, output="stopped"))
    assert view.state.status == "stopped" and view.state.result["kept"]["step"] == 2
    assert same(weights(home, "stopped"), weights(home, "short-lora"))
    view = resumed(home, view)
    assert view.state.status == "done" and view.state.result["steps"] == 4
    assert same(weights(home, "stopped"), weights(home, "short-lora"))


def test_dpo_keeps_the_pair_of_weights_with_the_largest_margin(home: Home) -> None:
    settings = {**STOPPING, "early_stopping_patience": 0, "keep_best": True, "best_metric": "margin", "max_steps": 3}
    view = train(home, "margins", dataset="pairs", objective={"method": "dpo", "learning_rate": 0.01}, **settings)
    margins = {p["step"]: p["eval_rewards/margins"] for p in view.state.points if "eval_rewards/margins" in p}
    kept = view.state.result["kept"]
    assert kept["metric"] == "reward margin on the eval pairs"
    assert kept["best"] == pytest.approx(max(value for step, value in margins.items() if step), abs=1e-4)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"dataset": "no-eval", "keep_best": True}, "keep_best: the dataset has no eval rows"),
        ({"dataset": "no-eval", "early_stopping_patience": 1}, "early_stopping_patience: the dataset has no eval rows"),
        ({"keep_best": True, "best_metric": "margin"}, "best_metric: this objective's evaluations have no reward mar"),
    ],
)
def test_what_evaluations_cannot_tell_is_refused_before_the_start(
    settings: dict[str, Any], expected: str, home: Home
) -> None:
    assert expected in wrong_with(home, job(**settings))


def test_both_are_found_together_with_other_mistakes(home: Home) -> None:
    text = wrong_with(home, job(dataset="no-eval", early_stopping_patience=1, best_metric="margin", warmup_steps=2))
    assert all(field in text for field in ("early_stopping_patience", "best_metric", "warmup_steps"))
