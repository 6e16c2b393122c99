"""What every optimizer and every schedule promises: it learns, goes on from a checkpoint as if it had not stopped, and
takes the memory it says."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.toy_training import job, setup_for
from tests.toys import toy_home
from workbench.core.errors import SpecError
from workbench.core.home import Home
from workbench.models.model_references import resolve
from workbench.training.disk_estimate import estimate_disk
from workbench.training.jobs.train import Train
from workbench.training.optimizer import OPTIMIZERS, Decay
from workbench.training.schedule import SCHEDULES, RunLength
from workbench.training.trained_weights import optimize, shrink, trained_weights

STEPS = 10
RATES = {"sgd": 0.5, "lion": 0.003, "adagrad": 0.05, "adafactor": 0.5, "lamb": 0.03}
SMALL = {name: {"rank": 4, "update_every": 3} for name in ("galore", "apollo")}
optimizers = pytest.mark.parametrize("name", list(OPTIMIZERS.all()))
schedules = pytest.mark.parametrize("name", list(SCHEDULES.all()))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    return toy_home(tmp_path_factory.mktemp("optimizers"))


def settings_of(name: str) -> dict[str, Any]:
    if reason := OPTIMIZERS.get(name).unavailable():
        pytest.skip(reason)
    return {"method": name, **SMALL.get(name, {})}


def trainer_for(home: Home, folder: Path, rate: float = 0.01, **settings: Any) -> Any:
    """A trainer of ten steps on the toy, with checkpoints at every fifth."""
    given = {"max_steps": STEPS, "checkpoint_every": 5, "eval_every": 100, "warmup_steps": 2, **settings}
    given["objective"] = {"method": "sft", "learning_rate": rate}
    torch.manual_seed(0)
    setup = setup_for(home, folder, 4, model="toy", **given)
    training = Train.parse({"model": "toy", "dataset": "talks", **given})
    trainer = training.objective.trainer(setup)
    optimize(trainer, training.optimizer, training.decay)
    return trainer


def losses(trainer: Any) -> list[float]:
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def rates(trainer: Any) -> list[float]:
    return [entry["learning_rate"] for entry in trainer.state.log_history if "learning_rate" in entry]


def weights(trainer: Any) -> list[torch.Tensor]:
    return [weight.parameter.detach().clone() for weight in trained_weights(trainer)]


def resumed(home: Home, folder: Path, **settings: Any) -> tuple[Any, Any]:
    """A run of ten steps, and one that goes on from the checkpoint that the first left at its fifth."""
    whole = trainer_for(home, folder / "whole", **settings)
    whole.train()
    half = trainer_for(home, folder / "half", **settings)
    half.train(resume_from_checkpoint=str(folder / "whole" / "checkpoint-5"))
    return whole, half


@optimizers
def test_ten_steps_lower_the_loss_and_half_of_them_go_on_bit_for_bit(name: str, home: Home, tmp_path: Path) -> None:
    whole, half = resumed(home, tmp_path, optimizer=settings_of(name), rate=RATES.get(name, 0.01), weight_decay=0.01)
    first, last = losses(whole)[:3], losses(whole)[-3:]
    assert sum(last) < sum(first) - 0.1, (first, last)
    assert losses(half) == losses(whole) and rates(half) == rates(whole)
    assert all(torch.equal(mine, other) for mine, other in zip(weights(whole), weights(half), strict=True))


@optimizers
def test_an_optimizer_takes_the_bytes_it_says(name: str, home: Home, tmp_path: Path) -> None:
    """In memory, embeddings among the weights, and in a checkpoint."""
    settings = {"optimizer": settings_of(name), "tuner": "full"}
    trainer = trainer_for(home, tmp_path, max_steps=1, checkpoint_every=1, **settings)
    trainer.train()
    optimizer = OPTIMIZERS.parse(settings["optimizer"])
    trained = trained_weights(trainer)
    expected = sum(optimizer.state_bytes(weight.parameter.shape, weight.table) for weight in trained)
    held = sum(sizes(values) for values in trainer.optimizer.state.values())
    assert expected == pytest.approx(held, rel=0.05, abs=20 * len(trained))
    compare_checkpoint(home, tmp_path, settings)


@pytest.mark.parametrize("name", ["adafactor", "adamw", "apollo"])
def test_an_adapters_checkpoint_is_as_large_as_the_estimate_says(name: str, home: Home, tmp_path: Path) -> None:
    settings = {"optimizer": settings_of(name), "tuner": "lora"}
    trainer_for(home, tmp_path, max_steps=1, checkpoint_every=1, **settings).train()
    compare_checkpoint(home, tmp_path, settings)


def compare_checkpoint(home: Home, folder: Path, settings: dict[str, Any]) -> None:
    """The checkpoint of the first step takes what the estimate of disk space says, within 15 %."""
    training = Train.parse({"model": "toy", "dataset": "talks", **settings})
    expected = estimate_disk(home, training.tuner, training.optimizer, resolve(home, "toy"), 1).checkpoints
    written = sum(path.stat().st_size for path in (folder / "checkpoint-1").iterdir())
    assert expected == pytest.approx(written, rel=0.15), f"{expected / written:.3f} of it"


def sizes(value: Any) -> int:
    """Bytes of the tensors within."""
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    inner = value.values() if isinstance(value, dict) else vars(value).values() if hasattr(value, "__dict__") else ()
    return sum(map(sizes, inner))


def test_muon_takes_matrices_of_layers_alone(home: Home, tmp_path: Path) -> None:
    trainer = trainer_for(home, tmp_path, optimizer="muon")
    embedding = trainer.model.get_input_embeddings().weight.requires_grad_(True)
    norm = next(p for n, p in trainer.model.named_parameters() if "norm" in n).requires_grad_(True)
    made = OPTIMIZERS.parse("muon").build(trained_weights(trainer), 0.01, Decay(0.1))
    by_muon = {id(p): group["use_muon"] for group in made.param_groups for p in group["params"]}
    assert by_muon[id(embedding)] is by_muon[id(norm)] is False and sum(by_muon.values()) == len(by_muon) - 2
    assert {group["weight_decay"] for group in made.param_groups if id(norm) in map(id, group["params"])} == {0.0}


def test_checkpoints_of_trainings_before_there_was_a_choice_go_on(home: Home, tmp_path: Path) -> None:
    """Theirs were made by transformers' own AdamW."""
    former, trainer = (trainer_for(home, tmp_path / name) for name in ("former", "now"))
    former.optimizer = None
    before = former.create_optimizer()
    for weight in trained_weights(former):
        weight.parameter.grad = torch.ones_like(weight.parameter)
    before.step()
    trainer.optimizer.load_state_dict(before.state_dict())
    for mine, theirs in zip(trained_weights(trainer), trained_weights(former), strict=True):
        held, expected = (
            made.state[weight.parameter] for made, weight in ((trainer.optimizer, mine), (before, theirs))
        )
        assert held.keys() == expected.keys() and torch.equal(held["exp_avg"], expected["exp_avg"])


def test_nesterov_momentum_needs_momentum() -> None:
    with pytest.raises(SpecError) as caught:
        job(optimizer={"method": "sgd", "momentum": 0, "nesterov": True})
    (problem,) = caught.value.problems
    assert problem.path == ("optimizer", "nesterov") and "Set momentum above 0" in problem.remedy


# ---- schedules ---------------------------------------------------------------------------------------------


@schedules
def test_a_schedule_rises_to_its_highest_and_goes_on_from_a_checkpoint(name: str, home: Home, tmp_path: Path) -> None:
    whole, half = resumed(home, tmp_path, scheduler=name)
    assert rates(whole) == rates(half) and losses(whole) == losses(half)
    assert rates(whole)[:3] == pytest.approx([0, 0.005, 0.01]) and max(rates(whole)) == pytest.approx(0.01)
    assert len(rates(whole)) == STEPS and all(rate >= 0 for rate in rates(whole))


COURSES: list[tuple[Any, list[float]]] = [
    ("linear", [1, 0.75, 0.5, 0.25]),
    ("cosine", [1, 0.853553, 0.5, 0.146447]),
    ({"method": "cosine", "minimum": 0.2}, [1, 0.882843, 0.6, 0.317157]),
    ({"method": "cosine-with-restarts", "cycles": 2}, [1, 0.5, 1, 0.5]),
    ("constant", [1, 1, 1, 1]),
    ("constant_with_warmup", [1, 1, 1, 1]),
    ({"method": "wsd", "decay": 0.5, "shape": "linear"}, [1, 1, 1, 0.5]),
    ({"method": "wsd", "decay": 0.5, "shape": "linear", "minimum": 0.2}, [1, 1, 1, 0.6]),
    ({"method": "wsd", "decay": 0.5, "shape": "1-sqrt"}, [1, 1, 1, 1 - 0.5**0.5]),
    ({"method": "polynomial", "power": 2}, [1, 0.5625, 0.25, 0.0625]),
    ({"method": "polynomial", "power": 1, "minimum": 0.5}, [1, 0.875, 0.75, 0.625]),
    ({"method": "inverse-sqrt", "timescale": 1}, [1, 2**-0.5, 3**-0.5, 0.5]),
]


@pytest.mark.parametrize(("scheduler", "shares"), COURSES)
def test_a_schedule_is_what_it_is_by_hand(scheduler: Any, shares: list[float]) -> None:
    from transformers import get_scheduler

    method = job(scheduler=scheduler).scheduler
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    name, settings = method.settings(RunLength(4, 0, 0.01))
    made = get_scheduler(name, optimizer, 0, 4, settings)
    course = []
    for _ in range(4):
        course.append(made.get_last_lr()[0] / 0.01)
        optimizer.step()
        made.step()
    assert course == pytest.approx(shares, abs=1e-5)


@pytest.mark.parametrize(("steps", "warmup", "rising"), [(1, 0.05, 0), (10, 0.05, 0), (40, 0.05, 2), (3, 0.5, 0)])
def test_a_warm_up_never_takes_a_short_run(steps: int, warmup: float, rising: int) -> None:
    assert job(warmup=warmup).steps_of_warmup(steps) == rising


def test_a_warm_up_in_steps_stands_over_the_share() -> None:
    assert job(warmup=0.5, warmup_steps=3).steps_of_warmup(100) == 3


# ---- decay -------------------------------------------------------------------------------------------------


def test_l1_moves_weights_by_the_same_amount_and_stops_at_zero() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0, -0.5, 0.01]))
    exempt = torch.nn.Parameter(torch.tensor([1.0]))
    groups = [{"params": [weight], "l1": 0.5}, {"params": [exempt], "l1": 0.0}]
    shrink(torch.optim.SGD(groups, lr=0.1))
    assert weight.tolist() == pytest.approx([0.95, -0.45, 0.0]) and exempt.item() == 1


def test_a_training_with_l1_leaves_zeros_and_one_without_does_not(home: Home, tmp_path: Path) -> None:
    zeros = []
    for l1 in (0.0, 0.5):
        trainer = trainer_for(home, tmp_path / str(l1), l1=l1)
        trainer.train()
        zeros.append(sum(int((weight == 0).sum()) for weight in weights(trainer)))
    assert zeros[0] < 10 and zeros[1] > 1000


def test_gradients_are_not_clipped_at_zero_and_their_norm_is_told(home: Home, tmp_path: Path) -> None:
    found = []
    for limit in (0.0, 1000.0, 0.001):
        trainer = trainer_for(home, tmp_path / str(limit), max_grad_norm=limit, max_steps=2, warmup_steps=0,
                              optimizer="sgd")  # fmt: skip
        trainer.train()
        assert all(entry["grad_norm"] > 0 for entry in trainer.state.log_history if "loss" in entry)
        found.append(weights(trainer))
    unclipped, wide, tight = found
    assert all(torch.equal(mine, other) for mine, other in zip(unclipped, wide, strict=True))
    assert not all(torch.equal(mine, other) for mine, other in zip(unclipped, tight, strict=True))
