"""The reference of DPO is asked once a pair; what it said stays beside the checkpoints, bit for bit."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.toy_training import setup_for, train
from tests.toys import toy_home
from workbench.core.home import Home
from workbench.data.store import datasets
from workbench.training.objective import OBJECTIVES
from workbench.training.reference_log_probs import ReferenceLogProbs

DPO = {"method": "dpo", "learning_rate": 0.01}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    made = toy_home(tmp_path_factory.mktemp("reference"))
    train(made, "taught", max_steps=1)
    return made


def trainer_of(home: Home, folder: Path, **settings: Any) -> Any:
    torch.manual_seed(0)
    common = {"model": "toy", "objective": DPO, "epochs": 2, "eval_every": 1, "checkpoint_every": 1, "warmup": 0}
    trainer = OBJECTIVES.parse(DPO).trainer(setup_for(home, folder, 2, "pairs", **{**common, **settings}))
    trainer.args.save_total_limit = None
    return trainer


def counted(trainer: Any) -> list[int]:
    """The sizes of the batches that the reference is asked of from now on."""
    sizes: list[int] = []
    ask = trainer.compute_ref_log_probs

    def asked(model: Any, inputs: Any) -> Any:
        sizes.append(len(inputs["input_ids"]) // 2)
        return ask(model, inputs)

    trainer.compute_ref_log_probs = asked
    return sizes


def losses(trainer: Any) -> list[float]:
    return [entry[name] for entry in trainer.state.log_history for name in ("loss", "eval_loss") if name in entry]


def test_the_reference_is_asked_once_a_pair_and_the_losses_are_those_of_asking_it_always(
    home: Home, tmp_path: Path
) -> None:
    once, always = trainer_of(home, tmp_path / "once"), trainer_of(home, tmp_path / "always")
    sizes = counted(once)
    always.precompute_ref_logps = False  # TRL asks at every batch and reads nothing
    once.train()
    always.train()
    pairs = datasets.count(home, "pairs", "train") + datasets.count(home, "pairs", "eval")
    assert sum(sizes) == pairs and len(losses(once)) > 4
    assert losses(once) == pytest.approx(losses(always), abs=1e-5)


@pytest.mark.parametrize("model", ["toy", "taught"])
def test_a_run_that_goes_on_reads_what_it_had_and_is_bit_for_bit_the_same(
    model: str, home: Home, tmp_path: Path
) -> None:
    whole = trainer_of(home, tmp_path, model=model)
    whole.train()
    resumed = trainer_of(home, tmp_path, model=model)
    sizes = counted(resumed)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))
    assert not sizes and resumed.state.global_step == whole.state.global_step > 2
    for one, other in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_it_is_gone_with_the_checkpoints_when_the_run_is_done(home: Home) -> None:
    view = train(home, "preferring", dataset="pairs", objective=DPO)
    assert not list(view.folder.rglob("reference-*"))


def test_what_is_known_stays_and_what_is_torn_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "reference.npy"
    known = ReferenceLogProbs(path, 4)
    assert torch.isnan(known.known(torch.tensor([0, 3]))).all()
    known.learn(torch.tensor([1, 2]), torch.tensor([[-1.0, -2.0], [-3.0, -4.0]]))
    again = ReferenceLogProbs(path, 4)
    kept = again.learn(torch.tensor([2, 3]), torch.tensor([[9.0, 9.0], [5.0, 6.0]]))
    assert kept.tolist() == [[-3.0, -4.0], [5.0, 6.0]]
    assert again.known(torch.tensor([1])).tolist() == [[-1.0, -2.0]]
