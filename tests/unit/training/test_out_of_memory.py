"""A training whose memory runs out once goes on with half the batch, and ends as one that had enough."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Trainer

from tabs.shell.job_panel import used_facts
from tests.running import carried
from tests.toy_training import job, train
from tests.toys import toy_home
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.jobs.queue import Queue
from workbench.jobs.view import JobRecord
from workbench.jobs.worker import execute_job
from workbench.training.jobs.train import Train
from workbench.training.report import Report

CPU_WORDS = (
    "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
)
GPU, CPU, PYTHON = torch.OutOfMemoryError("CUDA out of memory."), RuntimeError(CPU_WORDS), MemoryError()
DROPPING = {"method": "lora", "dropout": 0.2}
WEIGHTS = "adapter_model.safetensors"
SETTINGS: dict[str, Any] = {"max_steps": 4, "batch_size": 4, "eval_every": 1000, "checkpoint_every": 1000}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    home = toy_home(tmp_path_factory.mktemp("shortage"))
    train(home, "enough", **SETTINGS)
    return home


def fail_at(monkeypatch: pytest.MonkeyPatch, error: Exception, *calls: int) -> None:
    """The so-manieth passes of a training run out of memory."""
    usual, passes = Trainer.training_step, iter(range(1, 1000))

    def step(*args: Any, **settings: Any) -> Any:
        if next(passes) in calls:
            raise error
        return usual(*args, **settings)

    monkeypatch.setattr(Trainer, "training_step", step)


def losses(view: JobRecord) -> list[float]:
    return [point["loss"] for point in view.state.points if point.get("loss") is not None]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        pytest.param(1, GPU, id="gpu at the first step"),
        pytest.param(3, CPU, id="cpu in between"),
        pytest.param(3, GPU, id="gpu in between", marks=pytest.mark.prove),
        pytest.param(1, CPU, id="cpu at the first step", marks=pytest.mark.prove),
        pytest.param(1, PYTHON, id="python at the first step", marks=pytest.mark.prove),
        pytest.param(3, PYTHON, id="python in between", marks=pytest.mark.prove),
    ],
)
def test_half_the_batch_goes_on_with_the_same_losses(
    call: int, error: Exception, home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = losses(train(home, f"whole-{tmp_path.name}", **SETTINGS))
    fail_at(monkeypatch, error, call)
    view = train(home, tmp_path.name, sample_prompts=["Who?"], sample_tokens=2, **SETTINGS)
    assert [sample["step"] for sample in view.state.samples] == [0, 4]
    assert losses(view) == pytest.approx(expected, rel=1e-3) and len(expected) == 4
    assert any(f"from step {call - 1} with 2 rows" in note for note in view.state.notes)


def test_a_single_row_that_does_not_fit_is_an_error_with_remedies(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fail_at(monkeypatch, MemoryError(), *range(1, 100))
    view = carried(home, job(output=tmp_path.name, **SETTINGS))
    assert view.status == "failed" and "Out of memory" in view.state.error
    assert "single row" in view.state.remedy and "QLoRA" in view.state.remedy


def test_other_errors_are_none_of_memory(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fail_at(monkeypatch, RuntimeError("shapes do not match"), 1)
    view = carried(home, job(output=tmp_path.name, **SETTINGS))
    assert view.status == "failed" and "shapes" in view.state.error


def step_rows(monkeypatch: pytest.MonkeyPatch, *failing: int) -> list[tuple[int, tuple[int, ...]]]:
    """(step, ids of a row) of every row that was learned from, in order; the passes of those numbers fail."""
    usual, passes, rows = Trainer.training_step, iter(range(1, 1000)), []

    def step(self: Trainer, model: Any, inputs: Any, *args: Any, **settings: Any) -> Any:
        if next(passes) in failing:
            raise MemoryError
        kept = zip(inputs["input_ids"].tolist(), inputs["attention_mask"].tolist(), strict=True)
        batch = [tuple(id_ for id_, real in zip(ids, mask, strict=True) if real) for ids, mask in kept]
        loss = usual(self, model, inputs, *args, **settings)
        rows.extend((self.state.global_step, ids) for ids in batch)
        return loss

    monkeypatch.setattr(Trainer, "training_step", step)
    return rows


@pytest.mark.prove
def test_grouped_rows_are_the_same_in_every_step_whatever_the_batch_is_halved_by(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    grouped = {"batching": "grouped", "batch_size": 4, "max_steps": 0, "epochs": 2, "checkpoint_every": 3}
    settings: dict[str, Any] = {"eval_every": 1000, **grouped}
    with monkeypatch.context() as patch:
        expected = step_rows(patch)
        train(home, "grouped", **settings)
    epoch = len(expected) // 2
    assert sorted(ids for _, ids in expected[:epoch]) == sorted(ids for _, ids in expected[epoch:])
    assert len({ids for _, ids in expected}) == epoch, "every row once in an epoch"
    with monkeypatch.context() as patch:
        in_process = step_rows(patch, 4, 13)  # in each of the epochs
        train(home, "grouped-short", **settings)
    assert in_process == expected

    queue = Queue(home)
    job_id = queue.submit(job(output="grouped-resumed", **settings))
    with monkeypatch.context() as patch:
        before = step_rows(patch)
        with pytest.MonkeyPatch.context() as ending:
            ending.setattr(Report, "on_step_end", lambda self, args, state, control, **_: _end_at(state, 5))
            execute_job(home, queue.get(job_id).folder)
    with monkeypatch.context() as patch:
        queue.resume(job_id, less_memory=True)
        after = step_rows(patch)
        execute_job(home, queue.get(job_id).folder)
    view = queue.get(job_id)
    assert view.status == "done", view.error
    assert "from step 3" in " ".join(view.state.notes) and view.state.result["steps"] == len({s for s, _ in expected})
    assert [row for row in before if row[0] < 3] + after == expected


def test_a_run_that_goes_on_keeps_the_halved_batch_and_comes_to_the_same_bytes(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {**SETTINGS, "max_steps": 8, "checkpoint_every": 3, "tuner": DROPPING}
    with monkeypatch.context() as patch:
        expected = step_rows(patch, 2)
        train(home, "short-whole", **settings)

    queue = Queue(home)
    job_id = queue.submit(job(output="short-ended", **settings))
    asked = (queue.get(job_id).folder / "job.yaml").read_text()
    with monkeypatch.context() as patch:
        before = step_rows(patch, 2)
        with pytest.MonkeyPatch.context() as ending:
            ending.setattr(Report, "on_step_end", lambda self, args, state, control, **_: _end_at(state, 5))
            execute_job(home, queue.get(job_id).folder)
    used = {"batch_size": 2, "gradient_accumulation": 2, "from_step": 1}
    assert queue.get(job_id).state.used == used
    queue.resume(job_id)
    with monkeypatch.context() as patch:
        after = step_rows(patch)
        execute_job(home, queue.get(job_id).folder)
    view = queue.get(job_id)
    assert view.status == "done", view.error
    assert "The batch stays at 2 rows at a time, added up over 2 passes, as before." in view.state.notes
    assert [row for row in before if row[0] < 3] + after == expected
    assert len({(home.models / name / WEIGHTS).read_bytes() for name in ("short-whole", "short-ended")}) == 1
    assert (queue.get(job_id).folder / "job.yaml").read_text() == asked, "what was asked for stays as it was"
    assert view.state.result["used"] == read_manifest(home.models / "short-ended").info["used"] == used
    assert used_facts(view.state.used) == [
        ["Batch in use", "2 rows at a time over 2 passes, after step 1, for want of memory"]
    ]
    assert used_facts({}) == used_facts({"batch_size": "2"}) == []


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        ({}, (4, 2)),
        ({"batch_size": 2, "gradient_accumulation": 4, "from_step": 3}, (2, 4)),
        ({"batch_size": 2, "gradient_accumulation": 2}, (4, 2)),  # another effective batch than is asked for now
        ({"batch_size": 8, "gradient_accumulation": 1}, (4, 2)),
        ({"batch_size": "2", "gradient_accumulation": None}, (4, 2)),
    ],
)
def test_the_batch_in_use_is_one_of_the_effective_size_that_is_asked_for(
    used: dict[str, Any], expected: tuple[int, int]
) -> None:
    training = job(batch_size=4, gradient_accumulation=2)
    assert training.batch_in_use(used) == expected
    offer = training.in_less_memory(used)
    assert offer and isinstance(offer.job, Train)
    assert (offer.job.batch_size, offer.job.gradient_accumulation) == (expected[0] // 2, expected[1] * 2)


def _end_at(state: Any, step: int) -> None:
    if state.global_step == step:
        raise RuntimeError("ended")
