"""Averaging checkpoints: the numbers, and which checkpoints a training run leaves behind."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.running import carry, wrong_with
from tests.toys import EXACT, toy_dataset, toy_model
from workbench.core.errors import SpecError
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.jobs.events import EventLog
from workbench.jobs.queue import Queue
from workbench.jobs.view import JobRecord
from workbench.models.loading import load_base
from workbench.training.checkpoints import KEPT_FILES, thin_checkpoints
from workbench.training.jobs.average_checkpoints import AverageCheckpoints, remaining_checkpoints, weights
from workbench.training.jobs.train import Train


def training(output: str, **settings: Any) -> Train:
    common = {"model": "toy", "dataset": "talks", "output": output, "max_steps": 4, "batch_size": 1, "warmup": 0}
    tuner = {"method": "lora", "r": 2, "targets": "attention"}
    return Train.parse({**common, "checkpoint_every": 1, "eval_every": 100, "tuner": tuner, **settings})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    made = Home.at(tmp_path_factory.mktemp("averaging"))
    toy_model(made)
    toy_dataset(made, count=8, held_out=0)
    return made


@pytest.fixture(scope="module")
def run(home: Home) -> JobRecord:
    """A run of four steps that keeps the checkpoints of the last three."""
    return carry(home, training("taught", keep_checkpoints=3))


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def problems_of(home: Home, **settings: Any) -> str:
    return wrong_with(home, AverageCheckpoints.parse({"output": "new", **settings}))


def test_a_run_keeps_the_adapters_of_its_last_checkpoints_and_nothing_else(home: Home, run: JobRecord) -> None:
    names = [path.name for path in remaining_checkpoints(home, run.id)]
    assert names == ["checkpoint-2", "checkpoint-3", "checkpoint-4"]
    for checkpoint in (run.folder / "checkpoints").iterdir():
        assert {path.name for path in checkpoint.iterdir()} == set(KEPT_FILES)
    last, shelf = tensors(run.folder / "checkpoints" / "checkpoint-4"), tensors(home.models / "taught")
    assert all(torch.equal(last[name], shelf[name]) for name in shelf)


def test_a_run_keeps_nothing_unless_told(home: Home) -> None:
    view = carry(home, training("plain", max_steps=1))
    assert not (view.folder / "checkpoints").exists() and remaining_checkpoints(home, view.id) == []
    assert "0 of the two needed" in problems_of(home, training=view.id)


@pytest.mark.parametrize(
    ("settings", "steps", "shares"),
    [
        ({}, [2, 3, 4], [1 / 3, 1 / 3, 1 / 3]),
        ({"last": 2}, [3, 4], [0.5, 0.5]),
        ({"weighting": "ema", "decay": 0.75}, [2, 3, 4], [0.5625, 0.1875, 0.25]),
    ],
)
def test_the_average_is_the_weighted_sum_of_the_trained_parameters(
    settings: dict[str, Any], steps: list[int], shares: list[float], home: Home, run: JobRecord
) -> None:
    name = f"average-{len(settings)}-{len(steps)}"
    view = carry(home, AverageCheckpoints(training=run.id, output=name, **settings))
    assert view.state.result["steps"] == steps
    parts = [tensors(run.folder / "checkpoints" / f"checkpoint-{step}") for step in steps]
    made = tensors(home.models / name)
    assert made.keys() == parts[0].keys()
    for key, weight in made.items():
        expected = torch.stack([share * part[key] for share, part in zip(shares, parts, strict=True)]).sum(0)
        assert torch.allclose(weight, expected, atol=1e-7) and weight.dtype == parts[0][key].dtype
    assert any(not torch.equal(made[key], parts[-1][key]) for key in made)


def test_an_ema_follows_its_recurrence() -> None:
    values, decay = [3.0, -1.0, 4.0, 2.5], 0.9
    average = values[0]
    for value in values[1:]:
        average = decay * average + (1 - decay) * value
    assert sum(w * v for w, v in zip(weights(4, decay), values, strict=True)) == pytest.approx(average)
    assert weights(3, 0.0) == [0, 0, 1] and sum(weights(7, 0.3)) == pytest.approx(1)


def test_the_average_loads_and_says_what_it_was_made_from(home: Home, run: JobRecord) -> None:
    from peft import PeftModel

    view = carry(home, AverageCheckpoints(training=run.id, output="traced"))
    manifest = read_manifest(home.models / "traced")
    assert manifest.kind == "adapter" and manifest.made_by["training"] == run.id and manifest.made_by["job"] == view.id
    assert [(parent.role, parent.name) for parent in manifest.parents] == [
        ("base", "toy"), ("dataset", "talks"), ("averaged", "taught"),
    ]  # fmt: skip
    template = home.models / "traced" / "chat_template.jinja"
    assert template.read_text() == (home.models / "taught" / "chat_template.jinja").read_text()
    model = PeftModel.from_pretrained(load_base(home.models / "toy", EXACT), str(home.models / "traced"))
    with torch.no_grad():
        assert model(input_ids=torch.arange(3, 20)[None]).logits.isfinite().all()


def test_what_is_wrong_is_said_before_it_starts(home: Home, run: JobRecord) -> None:
    assert "There is no job" in problems_of(home, training="20200101-nothing")
    assert "3 of the 5 wanted" in problems_of(home, training=run.id, last=5)
    assert "'taught' is on the shelf already" in problems_of(home, training=run.id, output="taught")
    other = Queue(home).submit(AverageCheckpoints(training=run.id, output="later"))
    assert "is no training job" in problems_of(home, training=other)
    waiting = Queue(home).submit(training("waiting"))
    assert "is queued" in problems_of(home, training=waiting)
    with pytest.raises(SpecError):
        AverageCheckpoints.parse({"training": run.id, "output": "x", "decay": 1})


def test_the_adapter_of_another_run_is_not_taken_for_this_ones(home: Home) -> None:
    queue = Queue(home)
    job_id = queue.submit(training("gone", keep_checkpoints=2))
    fabricate(home.jobs / job_id / "checkpoints", {1: 1.0, 2: 3.0})
    EventLog(home.jobs / job_id / "events.jsonl").status("done", result={})
    assert "not on the shelf any more" in problems_of(home, training=job_id)


def fabricate(folder: Path, values: dict[int, float]) -> None:
    """Checkpoints as the trainer leaves them, each with one tensor of one value and an optimizer's state."""
    for step, value in values.items():
        checkpoint = folder / f"checkpoint-{step}"
        (checkpoint / "ref").mkdir(parents=True)
        save_file({"x": torch.full((2,), value)}, checkpoint / "adapter_model.safetensors")
        (checkpoint / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
        (checkpoint / "optimizer.pt").write_bytes(b"much")
        (checkpoint / "trainer_state.json").write_text("{}")


def test_thinning_out_keeps_the_newest_by_number_and_drops_torn_ones(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    fabricate(folder, {2: 1.0, 9: 2.0, 10: 3.0, 11: 4.0})
    (folder / "checkpoint-11" / "trainer_state.json").unlink()
    thin_checkpoints(folder, 2)
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint-10", "checkpoint-9"]
    assert not list(folder.rglob("optimizer.pt")) and not list(folder.rglob("ref"))
    thin_checkpoints(folder, 0)
    assert not folder.exists()
    thin_checkpoints(folder, 3)
