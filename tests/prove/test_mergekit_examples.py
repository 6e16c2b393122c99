"""Recipes of the shapes that mergekit's own examples have give mergekit's tensors, to the last bit.

https://github.com/arcee-ai/mergekit/tree/main/examples
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
from safetensors.torch import load_file

from tests.toys import toy_model
from workbench.core.home import Home
from workbench.core.spec import load_yaml
from workbench.merging.engine import MergePlan, merge_to
from workbench.merging.recipe import MergeRecipe, for_mergekit

pytestmark = [pytest.mark.prove, pytest.mark.usefixtures("one_thread")]
LAYERS = 4
GRADIENT = [{"filter": "self_attn", "value": [0, 0.5, 0.3, 1]}, {"filter": "mlp", "value": [1, 0.5, 0]}, {"value": 0.5}]


def models(*names: str, **parameters: Any) -> list[dict[str, Any]]:
    return [{"model": name, **({"parameters": parameters} if parameters else {})} for name in names]


def based(method: str, own: dict[str, Any], names: tuple[str, ...] = ("one", "two"), **shared: Any) -> dict[str, Any]:
    recipe = {"merge_method": method, "base_model": "toy", "models": models(*names, **own), "dtype": "float32"}
    return {**recipe, **({"parameters": shared} if shared else {})}


def slices(*ranges: list[tuple[str, int, int]]) -> list[dict[str, Any]]:
    return [{"sources": [{"model": name, "layer_range": [a, b]} for name, a, b in sources]} for sources in ranges]


WEIGHTED, SPARSE = {"weight": 0.4}, {"weight": [0, 0.3, 0.7, 1], "density": [1, 0.7, 0.1]}
EXAMPLES: dict[str, dict[str, Any]] = {
    "linear": {"merge_method": "linear", "models": models("one", "two", "toy", weight=0.3), "dtype": "float16"},
    "linear, float32 maths": {
        "merge_method": "linear", "models": models("one", "two", weight=1.0), "dtype": "float32",
        "out_dtype": "bfloat16", "parameters": {"normalize": False},
    },
    "gradient-slerp": {
        "merge_method": "slerp", "base_model": "toy", "dtype": "float32", "parameters": {"t": GRADIENT},
        "slices": slices([("toy", 0, LAYERS), ("one", 0, LAYERS)]),
    },
    "ties with gradients": based("ties", SPARSE, normalize=True, int8_mask=True),
    "ties, filtered": based("ties", {"density": 0.5, "weight": [{"filter": "mlp", "value": 0.5}, {"value": 0}]}),
    "orcamini-platy, layers put together": {
        "merge_method": "passthrough", "dtype": "float16", "slices": slices([("one", 0, 3)], [("two", 1, 4)]),
    },
    "task_arithmetic": based("task_arithmetic", WEIGHTED),
    "breadcrumbs": based("breadcrumbs", {"weight": 0.5, "density": 0.8, "gamma": 0.05}),
    "breadcrumbs_ties": based("breadcrumbs_ties", {"weight": 0.5, "density": 0.8, "gamma": 0.05}),
    "model_stock": based("model_stock", {}),
    "nearswap": based("nearswap", {}, ("one",), t=0.001),
    "arcee_fusion": based("arcee_fusion", {}, ("one",)),
    "nuslerp": {"merge_method": "nuslerp", "models": models("one", "two", weight=0.5), "dtype": "float32"},
    "multislerp": {"merge_method": "multislerp", "models": models("one", "two", weight=0.5), "dtype": "float32"},
    "karcher": {"merge_method": "karcher", "models": models("one", "two", "toy"), "dtype": "float32"},
    "sce": based("sce", {}, select_topk=0.2),
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = Home.at(tmp_path_factory.mktemp("home"))
    for seed, name in enumerate(("toy", "one", "two")):
        toy_model(made, name, seed=seed, layers=LAYERS)
    return made


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_mergekits_gives_its_tensors(name: str, home: Home, tmp_path: Path) -> None:
    recipe = MergeRecipe.parse(EXAMPLES[name])
    plan = MergePlan(home, recipe, kernels="stock")
    merge_to(plan, tmp_path / "ours").finish()
    theirs = MergeConfiguration.model_validate(load_yaml(for_mergekit(home, recipe)))
    run_merge(theirs, str(tmp_path / "theirs"), MergeOptions(quiet=True))
    ours, expected = (load_file(tmp_path / one / "model.safetensors") for one in ("ours", "theirs"))
    assert set(ours) == set(expected) and len(ours) > 30
    assert [key for key in expected if not torch.equal(ours[key], expected[key])] == []
