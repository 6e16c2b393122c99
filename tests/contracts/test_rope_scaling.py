"""Longer contexts: what training saw is what the saved model computes with; what has no such positions is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.running import wrong_with
from tests.toy_training import job, train
from tests.toys import EXACT, toy_home, toy_model
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.lineage import read_manifest, write_manifest
from workbench.models.loading import load_base
from workbench.models.rope_scaling import reason_against_scaling
from workbench.training.tuner import TUNERS


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    return toy_home(tmp_path_factory.mktemp("rope"))


def scaled(kind: str, factor: float = 2.0, tuner: str = "full") -> dict[str, Any]:
    return {"method": tuner, "rope_scaling": kind, "rope_factor": factor}


def frequencies(model: Any) -> torch.Tensor:
    found: torch.Tensor = model.model.rotary_emb.inv_freq
    return found


@pytest.mark.parametrize("tuner", ["full", "qat"])
@pytest.mark.parametrize("kind", ["linear", "yarn"])
def test_the_saved_model_has_the_positions_it_was_trained_with(kind: str, tuner: str, home: Home) -> None:
    name = f"{kind}-{tuner}"
    view = train(home, name, tuner=scaled(kind, 4, tuner), max_steps=1, objective={"method": "sft",
                 "learning_rate": 1e-12})  # fmt: skip
    config = json.loads((home.models / name / "config.json").read_text())
    assert config["rope_parameters"]["rope_type"] == kind and config["rope_parameters"]["factor"] == 4
    assert config["max_position_embeddings"] == 4 * 512
    assert read_manifest(home.models / name).info["rope_scaling"] == f"{kind} × 4"
    base, result = load_base(home.models / "toy", EXACT), load_base(home.models / name, EXACT)
    if kind == "linear":
        assert torch.allclose(frequencies(result), frequencies(base) / 4)
    ids = torch.arange(3, 60)[None]
    method: Any = TUNERS.parse(scaled(kind, 4, "full"))
    trained = method.load(home.models / "toy", None, EXACT)
    with torch.no_grad():  # at such a rate nothing is learned: what differs from the start are the positions
        expected, found, before = (model.eval()(input_ids=ids).logits for model in (trained, result, base))
    if tuner == "full":
        assert torch.allclose(found, expected, atol=1e-4)
    assert (found - before).abs().max() > 1e-3
    assert view.state.result["steps"] == 1


def test_a_model_that_is_scaled_already_is_refused(home: Home) -> None:
    if not (home.models / "linear-full").exists():
        train(home, "linear-full", tuner=scaled("linear"), max_steps=1)
    text = wrong_with(home, job(model="linear-full", output="again", tuner=scaled("yarn")))
    assert "tuner.rope_scaling: 'linear-full' has scaled positions already. Leave RoPE scaling out" in text


def test_a_model_without_rotary_positions_is_refused(home: Home) -> None:
    folder: Path = toy_model(home, "absolute")
    config = json.loads((folder / "config.json").read_text())
    config.pop("rope_parameters", None)
    config.pop("rope_theta", None)
    (folder / "config.json").write_text(json.dumps(config))
    write_manifest(folder, read_manifest(folder))
    assert "has no rotary positions" in wrong_with(home, job(model="absolute", tuner=scaled("linear")))


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"rope_theta": 1e4, "max_position_embeddings": 512}, ""),
        ({"rope_theta": 1e4, "max_position_embeddings": 512, "rope_scaling": None}, ""),
        ({"rope_theta": 1e4, "max_position_embeddings": 512, "rope_scaling": {"type": "linear"}}, "already"),
        ({"rope_parameters": {"full_attention": {"rope_theta": 1e4}}, "max_position_embeddings": 9}, "no rotary"),
        ({"n_positions": 1024}, "no rotary"),
        ({"text_config": {"rope_theta": 1e4}}, "several parts"),
    ],
)
def test_configs_old_and_new_are_told_apart(config: dict[str, Any], reason: str) -> None:
    found = reason_against_scaling(config)
    assert reason in found and bool(found) == bool(reason)


def test_an_adapter_has_no_such_setting() -> None:
    with pytest.raises(UserError, match="rope_scaling"):
        job(tuner={"method": "lora", "rope_scaling": "yarn"})
