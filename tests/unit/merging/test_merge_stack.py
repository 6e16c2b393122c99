"""The layers of a result, where each comes from, and the picture of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tabs.figures.layers import picture
from tests.merge_recipes import EMBED, linear, sliced, three_models, ties
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.merging.recipe import Recipe
from workbench.merging.stack import Layer, group_of, layer_of, stack_of, value_at


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory, own_home: Path) -> Home:
    return three_models(tmp_path_factory, own_home)


def stack(home: Home, recipe: dict[str, Any]) -> list[Layer]:
    return stack_of(Recipe.parse(recipe), home)


def test_the_stack_of_a_frankenmerge(home: Home) -> None:
    layers = stack(home, sliced(("a", 0, 2), ("b", 1, 2), ("a", 1, 2)))
    assert [layer.sources for layer in layers] == [[("a", 0)], [("a", 1)], [("b", 1)], [("a", 1)]]
    assert [layer.index for layer in layers] == [0, 1, 2, 3]
    assert str(layers[2]) == "layer 2 ← b 1"


def test_the_stack_of_whole_models(home: Home) -> None:
    recipe = linear()
    recipe["models"][0]["parameters"]["weight"] = [{"filter": "self_attn", "value": [0, 3]}, {"value": 1}]
    layers = stack(home, recipe)
    assert [layer.sources for layer in layers] == [[("a", 0), ("b", 0)], [("a", 1), ("b", 1)]]
    assert layers[0].weights == [0.5, 0.5] and layers[1].weights == [0.8, 0.2]
    assert [layer.weights for layer in stack(home, ties())] == [[0.5, 0.5, 0.0]] * 2


def test_the_stack_of_a_slerp_follows_t(home: Home) -> None:
    recipe = {"merge_method": "slerp", "base_model": "a", "models": [{"model": "b"}], "parameters": {"t": [0, 1]}}
    assert [layer.weights for layer in stack(home, recipe)] == [[0.0, 1.0], [1.0, 0.0]]


def test_a_stack_of_missing_models_is_refused(home: Home) -> None:
    with pytest.raises(UserError):
        stack(home, linear("a", "gone"))
    with pytest.raises(UserError, match="has 2 layers"):
        stack(home, sliced(("a", 0, 10**12)))


def test_the_picture_is_plain_and_shows_repeats(home: Home) -> None:
    shown = picture(stack(home, sliced(("a", 0, 2), ("b", 1, 2), ("a", 1, 2))))
    assert json.loads(json.dumps(shown)) == shown
    first, second = shown["data"]
    assert first["name"] == "a" and first["y"] == ["0", "1", "3"] and second["text"] == ["b 1"]
    assert first["text"] == ["a 0", "a 1 (×2)", "a 1 (×2)"]
    assert first["marker"]["pattern"]["shape"] == ["", "/", "/"]
    assert "layer 3 ← a 1" in first["customdata"] and first["marker"]["color"] != second["marker"]["color"]
    assert shown["layout"]["paper_bgcolor"] == "rgba(0,0,0,0)" and "color" not in json.dumps(shown["layout"]).replace(
        "bgcolor", ""
    )


def test_sixty_layers_stay_readable() -> None:
    layers = [Layer(n, [("a" if n < 30 else "b", n % 30)], [1.0]) for n in range(60)]
    layout = picture(layers)["layout"]
    assert layout["height"] / 60 >= 14 and layout["yaxis"]["dtick"] == 5


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
    assert {name: (group_of(name), layer_of(name)) for name in names} == names
