"""Values along the layers of a result, and the groups of its tensors."""

from pathlib import Path

import pytest

from tests.merge_recipes import EMBED, three_models
from workbench.core.home import Home
from workbench.merging.stack import layer_of, tensor_group, value_at


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory, own_home: Path) -> Home:
    return three_models(tmp_path_factory, own_home)


def test_values_along_the_layers() -> None:
    peak: list[bool | int | float | str] = [0, 1, 0]
    assert [value_at(peak, "", place) for place in (0, 0.25, 0.5, 1)] == [0, 0.5, 1, 0]
    assert value_at([], "x", 0) is None and value_at("2e-1", "x", 0) == 0.2
    switch: list[bool | int | float | str] = [True, False]
    assert [value_at(switch, "", place, bool) for place in (0, 0.9, 1)] == [True, True, False]


def test_tensors_are_sorted_into_groups() -> None:
    names = {
        "model.layers.3.self_attn.q_norm.weight": ("norms", 3), "model.layers.11.mlp.gate_proj.weight": ("mlp", 11),
        "model.layers.0.self_attn.o_proj.bias": ("attention", 0), EMBED: ("embeddings", None),
        "lm_head.weight": ("head", None), "model.norm.weight": ("norms", None), "h.2.ln_1.weight": ("norms", 2),
    }  # fmt: skip
    assert {name: (tensor_group(name), layer_of(name)) for name in names} == names
