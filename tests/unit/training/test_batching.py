"""Batches: which rows lie together, that the loss is theirs whatever way, and that a run that goes on has the same."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.toy_training import job, setup_for, train
from tests.toys import toy_home
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.data.store import datasets
from workbench.training.objective import OBJECTIVES
from workbench.training.ordering import LengthGroupedSampler, bins_of, row_lengths
from workbench.training.row_attention import cleared_rows

WAYS = ("padding-free", "packed", "grouped", "padded")
SIZES = (1, 9, 2, 30, 4, 1, 14, 3, 22, 5, 2, 11)


def conversation(number: int, size: int) -> dict[str, Any]:
    asked = {"role": "user", "content": f"Question {number}"}
    row = {"messages": [asked, {"role": "assistant", "content": "It is so. " * size}]}
    return {**row, "metadata": {"weight": 1 + number % 3}}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    """Toys, and rows of very different lengths, the same with weights."""
    made = toy_home(tmp_path_factory.mktemp("batching"))
    weighted = [conversation(number, size) for number, size in enumerate(SIZES)]
    plain = [{"messages": row["messages"]} for row in weighted]
    for name, rows in (("uneven", plain), ("weighted", weighted)):
        datasets.write_rows(made, name, "conversation", rows, rows[:4])
    return made


def trainer_of(home: Home, folder: Path, batching: str, dataset: str = "uneven", **settings: Any) -> Any:
    common = {"model": "toy", "batching": batching, "max_length": 256, "objective": {"method": "sft"}}
    torch.manual_seed(0)
    setup = setup_for(home, folder, settings.pop("size", 3), dataset, **{**common, **settings})
    return OBJECTIVES.parse(settings.get("objective", {"method": "sft"})).trainer(setup)


# ---- packing and grouping ----------------------------------------------------------------------------------


def test_bins_hold_every_row_once_and_never_too_much() -> None:
    lengths = [int(length) for length in torch.randint(1, 101, (500,), generator=torch.Generator().manual_seed(3))]
    bins = bins_of(lengths, 100)
    assert sorted(row for rows in bins for row in rows) == list(range(500))
    assert all(sum(lengths[row] for row in rows) <= 100 for rows in bins)
    assert len(bins) <= 1.02 * sum(lengths) / 100 + 1
    assert bins_of(lengths, 100) == bins and bins_of([150, 20, 80], 100) == [[0], [2, 1]]


def test_rows_of_similar_length_lie_together_and_every_epoch_has_another_order() -> None:
    lengths = torch.randint(1, 1000, (997,), generator=torch.Generator().manual_seed(3)).tolist()
    sampler = LengthGroupedSampler(lengths, 8, seed=1)
    first, again = list(sampler), list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert first == again != second and sorted(first) == sorted(second) == list(range(997))

    def padded(order: list[int]) -> int:
        batches = [[lengths[row] for row in order[at : at + 8]] for at in range(0, 997, 8)]
        return sum(len(batch) * max(batch) for batch in batches)

    assert padded(first) < 1.1 * sum(lengths) < padded(list(range(997)))


def test_a_packed_run_has_fewer_and_fuller_steps(home: Home) -> None:
    settings = {"dataset": "uneven", "max_steps": 0, "batch_size": 1, "max_length": 256}
    points = {way: train(home, f"steps-{way}", batching=way, **settings).state.points for way in ("padded", "packed")}
    steps = {way: sum("loss" in point for point in found) for way, found in points.items()}
    assert steps["padded"] == len(SIZES) and steps["packed"] <= len(SIZES) / 2


# ---- the loss ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", ["uneven", "weighted"])
@pytest.mark.parametrize("train_on", ["assistant", "all"])
def test_the_loss_is_the_same_whatever_way_rows_lie(train_on: str, dataset: str, home: Home, tmp_path: Path) -> None:
    objective = {"method": "sft", "train_on": train_on}
    found, gradients = [], []
    for way in ("padded", "padding-free", "packed"):
        trainer = trainer_of(home, tmp_path / way, way, dataset, size=len(SIZES), objective=objective)
        batch = next(iter(trainer.get_train_dataloader()))
        assert len(batch["input_ids"]) == len(SIZES)
        with cleared_rows():
            loss = trainer.compute_loss(trainer.model.train(), dict(batch))
            loss.backward()
        found.append(float(loss))
        gradients.append({name: w.grad for name, w in trainer.model.named_parameters() if w.grad is not None})
    assert found[1:] == [pytest.approx(found[0], abs=1e-5)] * 2
    for other in gradients[1:]:
        for name, gradient in gradients[0].items():
            torch.testing.assert_close(other[name], gradient, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("batching", ["padding-free", "grouped", "padded"])
def test_accumulation_is_the_loss_and_the_step_of_the_large_batch(batching: str, home: Home, tmp_path: Path) -> None:
    losses, weights = [], []
    for size, passes in ((12, 1), (3, 4)):
        trainer = trainer_of(
            home, tmp_path / str(size), batching, size=size, gradient_accumulation=passes, max_steps=2, warmup=0,
            eval_every=100, checkpoint_every=100,
        )  # fmt: skip
        trainer.train()
        losses.append([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
        weights.append({n: w.detach().clone() for n, w in trainer.model.named_parameters() if w.requires_grad})
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, atol=2e-4, rtol=1e-2)


@pytest.mark.parametrize("dataset", ["uneven", pytest.param("weighted", marks=pytest.mark.prove)])
@pytest.mark.parametrize("batching", WAYS)
def test_a_run_that_goes_on_in_the_middle_of_an_epoch_is_bit_for_bit_the_run_that_was_not_stopped(
    batching: str, dataset: str, home: Home, tmp_path: Path
) -> None:
    settings = {"size": 1, "gradient_accumulation": 2, "epochs": 2, "checkpoint_every": 1, "eval_every": 2}
    whole = trainer_of(home, tmp_path, batching, dataset, **settings)
    whole.args.save_total_limit = None
    whole.train()
    last = whole.state.global_step
    assert last >= 4
    resumed = trainer_of(home, tmp_path, batching, dataset, **settings)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))
    later = [[e["loss"] for e in t.state.log_history if "loss" in e and e["step"] > 1] for t in (whole, resumed)]
    assert len(later[0]) == last - 1 and later[0] == later[1]
    for one, other in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(one, other)


# ---- what is refused ---------------------------------------------------------------------------------------


def test_pairs_are_not_packed_and_activations_are_offloaded_from_a_gpu_alone(home: Home) -> None:
    problems = Problems()
    given = {"dataset": "pairs", "objective": {"method": "dpo"}, "batching": "packed", "activation_offload": True}
    job(output="never", **given).check(home, problems)
    assert {problem.path[0] for problem in problems.found} == {"batching", "activation_offload"}


def test_activation_offload_is_that_of_trl(home: Home, tmp_path: Path) -> None:
    arguments = job(activation_offload=True).trainer_arguments(tmp_path, torch_device("cuda"), {"train": 3})
    assert arguments["activation_offloading"] is True


def torch_device(name: str) -> Any:
    from workbench.core.hardware import Hardware

    return Hardware(device=name, bf16=True)


def test_lengths_are_those_of_all_the_ids_of_a_row(home: Home, tmp_path: Path) -> None:
    setup = setup_for(home, tmp_path, 2, "pairs", model="toy", objective={"method": "dpo"})
    table = setup.encoded["train"].table
    rows = table.to_pylist()
    found = row_lengths(table, ("chosen_ids", "rejected_ids")).tolist()
    assert found == [len(row["chosen_ids"]) + len(row["rejected_ids"]) for row in rows]
