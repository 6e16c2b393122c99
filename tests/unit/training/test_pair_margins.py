"""DPO with margins: the chosen answer must be ahead by what its row says, and by nothing where it says nothing."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.toy_training import setup_for, train
from tests.toys import toy_home
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.data.store import datasets
from workbench.training.objective import OBJECTIVES
from workbench.training.pair_margins import pair_margins, row_margin

BETA, WEIGHT = 0.1, 0.5
ODPO = {"method": "dpo", "beta": BETA, "margin_weight": WEIGHT, "learning_rate": 1e-6}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    made = toy_home(tmp_path_factory.mktemp("margins"))
    train(made, "taught", max_steps=1)
    rows = datasets.all_rows(made, "pairs")[:4]
    graded = [{**row, "metadata": {"margin": float(n)}} for n, row in enumerate(rows)]
    datasets.write_rows(made, "graded", "preference", graded)
    return made


def first_loss(home: Home, folder: Path, objective: dict[str, Any], margins: bool) -> float:
    """The loss of the four pairs in one batch before anything is learned."""
    torch.manual_seed(0)
    settings = {"model": "toy", "objective": objective, "epochs": 1, "warmup": 0}
    setup = setup_for(home, folder, 4, "graded", **settings)
    if margins:
        setup.margins = pair_margins(home, "graded", setup.encoded)
    trainer = OBJECTIVES.parse(objective).trainer(setup)
    trainer.train()
    return float(next(entry["loss"] for entry in trainer.state.log_history if "loss" in entry))


def test_before_training_the_loss_is_that_of_the_offsets_alone(home: Home, tmp_path: Path) -> None:
    """The model is its reference then, so that Δ is 0 and the loss of a pair is −log σ(−weight · margin)."""
    plain = first_loss(home, tmp_path / "plain", {**ODPO, "margin_weight": 0.0}, margins=False)
    offset = first_loss(home, tmp_path / "offset", ODPO, margins=True)
    assert plain == pytest.approx(math.log(2), abs=1e-3)
    expected = sum(math.log1p(math.exp(WEIGHT * margin)) for margin in range(4)) / 4
    assert offset == pytest.approx(expected, abs=1e-3)


def test_a_dataset_without_margins_is_refused_with_a_remedy(home: Home, tmp_path: Path) -> None:
    setup = setup_for(home, tmp_path, 2, "pairs", model="toy", objective=ODPO)
    with pytest.raises(UserError, match="says by how much") as refused:
        pair_margins(home, "pairs", setup.encoded)
    assert "graded votes" in refused.value.remedy and refused.value.path == ("objective", "margin_weight")


def test_a_job_trains_on_the_margins_of_graded_votes(home: Home) -> None:
    train(home, "odpo", model="toy", dataset="graded", objective=ODPO, max_steps=1)
    assert (home.models / "odpo").is_dir()


@pytest.mark.parametrize(
    ("metadata", "margin"),
    [({"margin": 1.5}, 1.5), ({"margin": -1}, 0.0), ({"margin": "2"}, 0.0), ({"margin": math.nan}, 0.0), (None, 0.0)],
)
def test_only_a_number_from_0_on_is_a_margin(metadata: Any, margin: float) -> None:
    assert row_margin({"metadata": metadata}) == margin
