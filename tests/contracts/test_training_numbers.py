"""The numbers of a training: evaluations that do not depend on the batch, learning rates above 0, and no NaN."""

import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.running import carried
from tests.toy_training import job, setup_for, train
from tests.toys import conversations, toy_home, toy_model
from workbench.core.home import Home
from workbench.core.lineage import read_manifest, write_manifest
from workbench.data.store import datasets
from workbench.training import run
from workbench.training.finiteness import MOST_SKIPPED_STEPS, NotFinite, finite_trainer
from workbench.training.objective import OBJECTIVES
from workbench.training.report import Report

TIMING = re.compile("per_second|runtime|preparation_time")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    """A home with toys, computed in float32."""
    made = toy_home(tmp_path_factory.mktemp("numbers"))
    toy_model(made, "teacher", seed=1)
    return made


def conversation(answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": answer}]}


def pair(chosen: str, rejected: str) -> dict[str, Any]:
    asked, *good = conversation(chosen)["messages"]
    return {"prompt": [asked], "chosen": good, "rejected": conversation(rejected)["messages"][1:]}


# ---- evaluation --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("objective", "dataset"),
    [
        ({"method": "sft"}, "uneven"),
        ({"method": "sft"}, "weighted"),
        ({"method": "distill", "teacher": "teacher", "alpha": 0.3, "temperature": 2.0}, "uneven"),
        ({"method": "dpo"}, "uneven-pairs"),
        ({"method": "dpo", "loss": "ipo", "sft_weight": 1.5}, "uneven-pairs"),
    ],
)
@pytest.mark.parametrize("batching", ["padding-free", "padded"])
def test_an_evaluation_is_the_same_whatever_the_batch_size(
    batching: str, objective: dict[str, Any], dataset: str, home: Home, tmp_path: Path
) -> None:
    rows = [conversation("It is so. " * size) for size in (1, 40, 2, 7, 30, 1, 3)]
    pairs = [pair("It is so. " * size, "No. " * (9 - size)) for size in (1, 8, 2, 7, 3)]
    weighed = [{**row, "metadata": {"weight": 1 + number}} for number, row in enumerate(rows)]
    for name, kind, made in (
        ("uneven", "conversation", rows),
        ("weighted", "conversation", weighed),
        ("uneven-pairs", "preference", pairs),
    ):
        datasets.write_rows(home, name, kind, made, made, replace=True)
    found = []
    for size in (1, 2, 4, 8):
        setup = setup_for(
            home, tmp_path / str(size), size, dataset, objective=objective, model="toy", batching=batching
        )
        if "dpo" in objective.values():
            torch.manual_seed(0)
            for weight in setup.model.parameters():  # a policy that differs from its reference
                if weight.requires_grad:
                    torch.nn.init.normal_(weight, std=0.2)
        trainer = OBJECTIVES.parse(objective).trainer(setup)
        trainer.evaluate()
        found.append({name: value for name, value in trainer.state.log_history[-1].items() if not TIMING.search(name)})
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        assert all(other[name] == pytest.approx(value, rel=2e-4, abs=1e-5) for name, value in found[0].items())


# ---- learning rate and numbers -----------------------------------------------------------------------------


def test_steps_are_counted_as_the_trainer_does(home: Home, tmp_path: Path) -> None:
    settings = {"epochs": 2.5, "gradient_accumulation": 2, "batch_size": 3, "max_steps": 0}
    counted = job(**settings).total_steps(34)
    view = train(home, "counted", **settings)
    assert view.state.result["steps"] == counted == math.ceil(2.5 * 6)


@pytest.mark.parametrize("scheduler", ["cosine", "linear", "constant_with_warmup"])
def test_the_only_step_of_a_run_learns_something(scheduler: str, home: Home) -> None:
    view = train(home, f"one-step-{scheduler}", max_steps=1, warmup=0.05, scheduler=scheduler)
    (rate,) = [point["learning_rate"] for point in view.state.points if "loss" in point]
    assert rate == pytest.approx(0.01)
    assert any("warm-up of 5% is too short for the only step" in note for note in view.state.notes)
    weights = load_file(home.models / f"one-step-{scheduler}" / "adapter_model.safetensors")
    assert any(bool(weight.any()) for name, weight in weights.items() if "lora_B" in name)


def spoil(home: Home, name: str) -> Path:
    """A toy with NaN in one weight."""
    folder = toy_model(home, name)
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"][3, 5] = float("nan")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    write_manifest(folder, read_manifest(folder))
    return folder


@pytest.mark.parametrize("tuner", ["lora", "full"])
@pytest.mark.parametrize("dataset", ["talks", "pairs", "no-eval"])
def test_nan_in_the_base_is_found_at_once_and_nothing_is_shelved(dataset: str, tuner: str, home: Home) -> None:
    if not (home.models / "spoiled").exists():
        spoil(home, "spoiled")
        datasets.write_rows(home, "no-eval", "conversation", conversations(8))
    objective = {"method": "dpo" if dataset == "pairs" else "sft"}
    view = carried(home, job(model="spoiled", dataset=dataset, output="never", objective=objective, tuner=tuner))
    assert view.state.status == "failed" and not (home.models / "never").exists()
    assert "weights (model.layers.1.mlp.up_proj.weight)" in view.state.error
    assert f"step {1 if dataset == 'no-eval' else 0}" in view.state.error and "Import or make" in view.state.remedy
    assert not any(value is None for point in view.state.points for value in point.values())


def test_numbers_that_break_in_training_stop_it_with_the_step_and_leave_good_checkpoints(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Report.on_step_begin

    @torch.no_grad()
    def breaking(self: Report, args: Any, state: Any, control: Any, model: Any = None, **given: Any) -> None:
        begin(self, args, state, control, **given)
        if state.global_step == 3:
            next(weight for weight in model.parameters() if weight.requires_grad).fill_(math.inf)

    monkeypatch.setattr(Report, "on_step_begin", breaking)
    view = carried(home, job(output="broken", max_steps=8, checkpoint_every=1, eval_every=100))
    assert view.state.status == "failed" and not (home.models / "broken").exists()
    assert view.state.error.startswith("The loss is not a finite number at step 4: the learning rate of 0.01")
    assert "0.001" in view.state.remedy
    assert [point["step"] for point in view.state.points if "loss" in point] == [1, 2, 3]
    last = run.last_checkpoint(view.folder / "checkpoints")
    assert last and last.name == "checkpoint-3"
    weights = load_file(last / "adapter_model.safetensors").values()
    assert all(bool(torch.isfinite(weight).all()) for weight in weights)


def test_weights_that_overflow_by_themselves_are_no_fault_of_the_learning_rate(home: Home) -> None:
    folder = toy_model(home, "huge")
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"].fill_(3e38)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    write_manifest(folder, read_manifest(folder))
    view = carried(home, job(model="huge", output="never"))
    assert view.state.status == "failed" and "overflows by itself" in view.state.error


class FakeTrainer:
    """As much of a trainer as the guard asks for."""

    def __init__(self, fp16: bool, skipped: bool = False):
        self.args = SimpleNamespace(fp16=fp16, learning_rate=0.5)
        self.state = SimpleNamespace(global_step=7)
        self.accelerator = SimpleNamespace(optimizer_step_was_skipped=skipped)
        self.model = torch.nn.Linear(2, 2)
        self.logged: list[dict[str, float]] = []

    def log(self, logs: dict[str, float]) -> None:
        self.logged.append(logs)


@pytest.mark.parametrize("value", [math.inf, math.nan])
@pytest.mark.parametrize(("fp16", "cause"), [(False, "learning rate of 0.5"), (True, "float16")])
def test_a_gradient_that_is_no_number_stops_the_run(value: float, fp16: bool, cause: str) -> None:
    trainer = finite_trainer(FakeTrainer)(fp16)
    with pytest.raises(NotFinite, match=f"gradient is not a finite number at step 7: .*{cause}"):
        trainer.log({"loss": 1.0, "grad_norm": value})


def test_steps_that_the_scaling_of_float16_skips_are_no_fault_until_they_do_not_end() -> None:
    trainer = finite_trainer(FakeTrainer)(True, skipped=True)
    for _ in range(MOST_SKIPPED_STEPS):
        trainer.log({"loss": 1.0, "grad_norm": math.inf})
    with pytest.raises(NotFinite):
        trainer.log({"loss": 1.0, "grad_norm": math.inf})
