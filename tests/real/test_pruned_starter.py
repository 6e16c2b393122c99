"""The starter model with an eighth of its MLP neurons gone: which ones go decides, and training heals it."""

import json
from pathlib import Path
from typing import Any

import pytest

from workbench.cli.jobs import run_here
from workbench.core.home import Home
from workbench.data.recipes.importing import import_sample
from workbench.data.store.datasets import all_rows, write_rows
from workbench.jobs.job import JOBS
from workbench.models import starter
from workbench.models.shelf import model_info

pytestmark = [pytest.mark.timeout(900), pytest.mark.prove]
HELD_OUT = Path(__file__).resolve().parents[2] / "assets" / "merging" / "held_out.jsonl"


def job(home: Home, method: str, **settings: Any) -> dict[str, Any]:
    return run_here(home, JOBS.parse({"method": method, **settings}))


@pytest.fixture(scope="module")
def pruned(starter_home: Home) -> dict[str, dict[str, Any]]:
    """The results by score. They look at sample rows and are measured on held-out text of another kind."""
    if not (starter_home.datasets / "field-guide").exists():
        import_sample(starter_home)
    held_out = [json.loads(line) for line in HELD_OUT.read_text("utf-8").splitlines()]
    write_rows(starter_home, "looked-at", "conversation", all_rows(starter_home, "field-guide")[:8], held_out[:12])
    found = {}
    for score in ("activation", "magnitude", "random"):
        pruner = {"method": "mlp-width", "share": 0.125, "score": score}
        found[score] = job(
            starter_home, "prune", model=starter.STARTER_NAME, pruner=pruner, calibration="looked-at",
            calibration_rows=8,
            measured_rows=12, max_length=160, output=f"by-{score}",
        )  # fmt: skip
        print(score, found[score]["loss"], found[score]["difference"], found[score]["parameters"])
    return found


def test_what_activations_choose_is_missed_far_less(starter_home: Home, pruned: dict[str, dict[str, Any]]) -> None:
    losses = {score: made["loss"][1] for score, made in pruned.items()}
    base = pruned["activation"]["loss"][0]
    assert base < losses["activation"] < base + 0.5
    assert losses["activation"] + 1 < losses["random"] < losses["magnitude"]
    info = model_info(starter_home, "by-activation")
    assert info.parameters == 134_515_008 - 30 * 3 * 576 * 192 and info.dtype == "bfloat16"
    assert info.size < 250e6


def test_a_short_training_heals_it(starter_home: Home, pruned: dict[str, dict[str, Any]]) -> None:
    healed = job(
        starter_home, "train", model="by-activation", dataset="field-guide", output="healed", max_steps=6,
        batch_size=4, max_length=160, eval_every=1000, checkpoint_every=1000,
        objective={"method": "sft", "learning_rate": 1e-3},
    )  # fmt: skip
    print(healed)
    assert healed["eval_loss_last"] < healed["eval_loss_first"] - 0.3
