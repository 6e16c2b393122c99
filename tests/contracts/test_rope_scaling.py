"""Longer contexts: what training saw is what the saved model computes with; what has no such positions is refused."""

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.running import wrong_with
from tests.toy_training import ended_and_resumed, job, train
from tests.toys import EXACT, toy_home, toy_model
from workbench.compression.quantizers.gguf import _note_scaling
from workbench.core.home import Home
from workbench.core.lineage import read_manifest, write_manifest
from workbench.data.store.datasets import write_rows
from workbench.models.loading import load_base
from workbench.models.rope_scaling import context_tokens, loaded_context_tokens, reason_against_scaling
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
    assert (
        read_manifest(home.models / name).info["rope_scaling"]
        == {"linear": "linear interpolation × 4", "yarn": "YaRN × 4"}[kind]
    )
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


# ---- dynamic: it follows the rows at hand ------------------------------------------------------------------


ASKED = {"role": "user", "content": "Who?"}
USUAL = 24  # tokens of the model 'short', which the rows of 'talks' are longer than, some more and some less


@pytest.fixture(scope="module")
def short(home: Home) -> Path:
    folder: Path = toy_model(home, "short")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": USUAL}))
    write_manifest(folder, read_manifest(folder))
    return folder


def logits(model: Any, length: int) -> torch.Tensor:
    ids = torch.arange(3, 3 + length)[None]
    with torch.no_grad():
        found: torch.Tensor = model.eval()(input_ids=ids).logits
    return found


def test_dynamic_scaling_leaves_the_usual_length_alone_and_forgets_longer_rows(short: Path) -> None:
    method: Any = TUNERS.parse(scaled("dynamic", 4, "full"))
    plain, dynamic = load_base(short, EXACT), method.load(short, None, EXACT)
    for length in (5, USUAL - 1, USUAL):
        assert torch.equal(logits(dynamic, length), logits(plain, length))
    longer = logits(dynamic, 2 * USUAL)
    assert (longer - logits(plain, 2 * USUAL)).abs().max() > 1e-3
    logits(dynamic, 4 * USUAL)  # after which transformers alone would keep these frequencies
    assert torch.equal(logits(dynamic, 2 * USUAL), longer)
    assert torch.equal(logits(dynamic, USUAL), logits(plain, USUAL))
    base = plain.model.rotary_emb.inv_freq
    logits(dynamic, 3 * USUAL)
    theta, dim = plain.config.rope_parameters["rope_theta"], 2 * len(base)
    expected = theta * (4 * 3 - 3) ** (dim / (dim - 2))  # factor · length / usual length - (factor - 1)
    exact = 1 / expected ** (torch.arange(0, dim, 2) / dim)
    assert torch.allclose(frequencies(dynamic), exact, rtol=1e-5)


def test_what_was_trained_dynamically_is_loaded_so_and_takes_longer_rows(short: Path, home: Home) -> None:
    settings: dict[str, Any] = {"model": "short", "tuner": scaled("dynamic", 4), "max_steps": 1}
    train(home, "stretched", **settings)
    config = json.loads((home.models / "stretched" / "config.json").read_text())
    assert config["rope_parameters"]["rope_type"] == "dynamic" and config["max_position_embeddings"] == USUAL
    result = load_base(home.models / "stretched", EXACT)
    assert context_tokens(config) == loaded_context_tokens(result) == 4 * USUAL
    longer = logits(result, 2 * USUAL)
    logits(result, 4 * USUAL)
    assert torch.equal(logits(result, 2 * USUAL), longer)
    assert "already" in reason_against_scaling(config)


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        ({}, 0),
        ({"max_position_embeddings": 100}, 100),
        ({"max_position_embeddings": 100, "rope_parameters": {"rope_type": "linear", "factor": 4}}, 100),
        ({"max_position_embeddings": 100, "rope_parameters": {"rope_type": "dynamic", "factor": 4}}, 400),
        ({"max_position_embeddings": 100, "rope_scaling": {"type": "dynamic", "factor": 2.5}}, 250),
        ({"max_position_embeddings": 100, "rope_scaling": {"type": "dynamic"}}, 100),
    ],
)
def test_how_long_a_context_is_follows_from_the_config(config: dict[str, Any], tokens: int) -> None:
    assert context_tokens(config) == tokens


def test_a_dynamic_run_that_is_ended_in_the_middle_goes_on_to_the_same_bits(short: Path, home: Home) -> None:
    settings: dict[str, Any] = {
        "model": "short", "dataset": "uneven", "tuner": scaled("dynamic", 4), "max_steps": 12, "batch_size": 1,
        "checkpoint_every": 6, "eval_every": 100,
        "objective": {"method": "sft", "learning_rate": 1e-3},
    }  # fmt: skip
    words = (30, 2, 14, 1, 22, 9, 3, 18, 5, 11, 26, 7)
    rows = [{"messages": [ASKED, {"role": "assistant", "content": "It is so. " * count}]} for count in words]
    write_rows(home, "uneven", "conversation", rows, rows[:1])
    train(home, "dynamic-whole", **settings)
    view = ended_and_resumed(home, job(output="dynamic-ended", **settings), 8)
    assert view.status == "done" and "Going on from step 6." in view.state.notes, view.error
    weights = [home.models / name / "model.safetensors" for name in ("dynamic-whole", "dynamic-ended")]
    assert len({hashlib.sha256(file.read_bytes()).hexdigest() for file in weights}) == 1


def test_a_gguf_of_dynamic_positions_says_where_they_end(short: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    for rope, expected in (({"rope_type": "dynamic", "factor": 4.0}, 1), ({"rope_type": "linear", "factor": 4.0}, 0)):
        config = json.loads((short / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps({**config, "rope_parameters": rope}))
        notes.clear()
        _note_scaling(SimpleNamespace(resolved=SimpleNamespace(base=tmp_path), ctx=SimpleNamespace(note=notes.append)))  # type: ignore[arg-type]
        assert len(notes) == expected and all(f"up to {USUAL} tokens" in note for note in notes)
