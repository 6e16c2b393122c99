"""Values that a type cannot hold never reach a file: the tensor is named, and what most likely made it so."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.running import context
from tests.toys import toy_adapter, toy_model
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.merging.jobs.combine_adapters import CombineAdapters
from workbench.merging.jobs.extract_lora import ExtractLora
from workbench.models import casting
from workbench.models.casting import all_finite, cast
from workbench.models.merged import open_weights
from workbench.models.model_references import resolve
from workbench.training.averaging import average
from workbench.training.tuners.full import Full

pytestmark = pytest.mark.usefixtures("exact")
PROJ = "model.layers.1.mlp.up_proj.weight"


@pytest.fixture
def home(own_home: Path) -> Home:
    made = Home.at(own_home)
    toy_model(made)
    return made


def change(path: Path, name: str, value: float) -> None:
    tensors = load_file(path)
    tensors[name][0, 0] = value
    save_file(tensors, path, metadata={"format": "pt"})


def test_what_fits_is_cast_and_what_does_not_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(casting, "BLOCK_ELEMENTS", 3)
    assert torch.equal(cast("w", torch.tensor([65504.0]), torch.float16), torch.tensor([65504.0]).half())
    for large in ([1.0, 2.0, 3.0, 1e5], [-1e5]):
        with pytest.raises(UserError, match="w reaches 100000; float16 ends at 65504") as told:
            cast("w", torch.tensor(large), torch.float16)
        assert "bfloat16" in told.value.remedy
    assert cast("w", torch.tensor([1e38]), torch.bfloat16).isfinite()
    with pytest.raises(UserError, match="w reaches 1e\\+300; float32 ends at"):
        cast("w", torch.tensor([1e300], dtype=torch.float64), torch.float32)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_named_as_such(value: float) -> None:
    with pytest.raises(UserError, match="w holds NaN or infinity"):
        cast("w", torch.tensor([1.0, value]), torch.float32)


def test_large_sums_of_finite_values_are_finite() -> None:
    assert all_finite(torch.full((10,), 3e38))


def halved(home: Home) -> None:
    """The toy in float16."""
    folder = home.models / "toy"
    tensors = {name: value.half() for name, value in load_file(folder / "model.safetensors").items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "dtype": "float16"}))


def test_a_fold_that_float16_cannot_hold_stops(home: Home) -> None:
    halved(home)
    toy_adapter(home, "large", spread=300.0)
    weights = open_weights(resolve(home, "large"))
    with pytest.raises(UserError, match="float16 ends at 65504") as told:
        [weights.get(name) for name in weights.names()]
    assert "_proj.weight reaches" in told.value.message and "bfloat16" in told.value.remedy


def test_full_training_that_ran_beyond_its_type_is_not_saved(home: Home, tmp_path: Path) -> None:
    halved(home)
    model = torch.nn.Linear(2, 2)
    torch.nn.init.constant_(model.weight, 1e6)
    with pytest.raises(UserError, match=r"weight reaches 1e\+06"):
        Full().save(model, home.models / "toy", tmp_path)


def test_an_average_beyond_its_type_stops(tmp_path: Path) -> None:
    for name, value in (("checkpoint-1", 65000.0), ("checkpoint-2", 1.0)):
        (tmp_path / name).mkdir()
        save_file({"w": torch.full((2,), value).half()}, tmp_path / name / "adapter_model.safetensors")
        (tmp_path / name / "adapter_config.json").write_text("{}")
    folders = [tmp_path / "checkpoint-1", tmp_path / "checkpoint-2"]
    with pytest.raises(UserError, match="w reaches 129983; float16 ends at 65504"):
        list(average(folders, [2.0, -1.0], tmp_path))


def test_a_damaged_model_is_not_extracted_from(home: Home, tmp_path: Path) -> None:
    from workbench.merging.extraction import extract

    change(toy_model(home, "tuned", seed=1) / "model.safetensors", PROJ, float("inf"))
    job: Any = ExtractLora(base="toy", model="tuned", output="made", rank=4)
    with pytest.raises(UserError, match=f"The change of {PROJ} holds NaN or infinity"):
        extract(resolve(home, "toy"), resolve(home, "tuned"), job, tmp_path, context(home))


def test_a_damaged_adapter_is_not_combined(home: Home, tmp_path: Path) -> None:
    from workbench.merging.combining import combine_adapters

    names = ["one", "two"]
    folders = [toy_adapter(home, name, seed=seed) for seed, name in enumerate(names)]
    path = folders[1] / "adapter_model.safetensors"
    change(path, next(iter(load_file(path))), float("nan"))
    job: Any = SimpleNamespace(
        **CombineAdapters.model_construct(adapters=names, combination="linear").model_dump(), shares=[0.5, 0.5]
    )
    with pytest.raises(UserError, match=r"of two holds NaN or infinity\..*damaged"):
        combine_adapters(home.models / "toy", folders, job, tmp_path, context(home))
