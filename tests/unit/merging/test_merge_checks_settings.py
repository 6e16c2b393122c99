"""Parameters of a recipe: missing, misplaced, unreadable, out of bounds, or senseless together."""

from pathlib import Path
from typing import Any

import pytest

from tests.merge_recipes import found, linear, notes, stops, three_models, ties
from workbench.core.home import Home
from workbench.merging import catalogue
from workbench.merging.parameters import Parameter


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory, own_home: Path) -> Home:
    return three_models(tmp_path_factory, own_home)


def test_a_missing_parameter(home: Home) -> None:
    recipe = linear()
    recipe["models"][1]["parameters"] = {}
    stops(home, recipe, "linear needs it for 'b'", "under that model's parameters", "parameters.weight")
    assert found(home, {**recipe, "parameters": {"weight": 1.0}}).problems == []


def test_filters_that_leave_tensors_without_a_value(home: Home) -> None:
    recipe = linear()
    recipe["models"][0]["parameters"]["weight"] = [{"filter": "mlp", "value": 1}]
    stops(home, recipe, "leave 14 of 20 tensors for 'a' without a value", "entry without a filter")
    assert found(home, {**recipe, "parameters": {"weight": 1.0}}).problems == []


def test_a_filter_that_fits_no_tensor(home: Home) -> None:
    weight = [{"filter": "self_atn", "value": 0.1}, {"value": 0.5}]
    notes(home, ties(parameters={"weight": weight}), "no tensor has 'self_atn'", "Did you mean self_attn")


@pytest.mark.parametrize("value", ["much", float("nan"), float("inf"), [0.1, "x"]])
def test_a_value_that_is_no_number(home: Home, value: Any) -> None:
    recipe = linear()
    recipe["models"][0]["parameters"]["weight"] = value
    stops(home, recipe, "is not a finite number", "Give a finite number", "parameters.weight")


def test_numbers_as_text_are_read_as_mergekit_reads_them(home: Home) -> None:
    assert (
        found(
            home,
            {"merge_method": "nearswap", "base_model": "a", "models": [{"model": "b"}], "parameters": {"t": "1e-4"}},
        ).problems
        == []
    )


def test_a_density_beyond_one_and_a_value_that_is_only_unusual(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = ties()
    recipe["models"][0]["parameters"]["density"] = -0.5
    stops(home, recipe, "-0.5 is no share", "Choose 0 to 1", "parameters.density")
    recipe["models"][0]["parameters"]["density"] = 1.5
    notes(home, recipe, "1.5 is taken for 1", "Choose 0 to 1")
    known = catalogue.method("linear")
    bounded = [Parameter("weight", "float", "input", required=True, low=0, high=2)]
    narrow = type(known)(**{**vars(known), "parameters": tuple(bounded)})
    monkeypatch.setattr(catalogue, "methods", lambda: {"linear": narrow})
    recipe = linear()
    recipe["models"][0]["parameters"]["weight"] = -1
    notes(home, recipe, "-1 is unusual", "Most use 0 to 2")


def test_an_unknown_or_misplaced_parameter_is_ignored_and_said(home: Home) -> None:
    notes(home, linear(parameters={"densty": 1}), "linear ignores it", "Leave it out")
    recipe = {
        "merge_method": "slerp", "base_model": "a", "parameters": {"t": 0.5},
        "models": [{"model": "a"}, {"model": "b", "parameters": {"t": 0.3}}],
    }  # fmt: skip
    notes(home, recipe, "one value for all models: the one under 'b' is not read", "Put it under the recipe's")
    based = ties()
    based["models"].insert(0, {"model": "a", "parameters": {"weight": 1}})
    notes(home, based, "ties reads none for the base", "Leave it out there")


def test_della_s_density_and_epsilon(home: Home) -> None:
    recipe = ties(merge_method="della")
    recipe["models"][1]["parameters"] |= {"density": 0.9, "epsilon": 0.2}
    stops(home, recipe, "0.9 ± 0.2 for 'c'", "epsilon must be below 0.1", "parameters.epsilon")
    recipe["models"][1]["parameters"]["epsilon"] = 0.05
    assert found(home, recipe).problems == []


def test_weights_that_add_up_to_nothing(home: Home) -> None:
    recipe = linear()
    recipe["models"][0]["parameters"]["weight"] = -0.5
    stops(home, recipe, "add up to 0", "normalize: false", "parameters.weight")
    assert found(home, {**recipe, "parameters": {"normalize": False}}).problems == []


def test_a_density_of_one_does_nothing(home: Home) -> None:
    recipe = ties(merge_method="dare_ties")
    for model in recipe["models"]:
        del model["parameters"]["density"]
    notes(home, recipe, "nothing is dropped", "0.1 to 0.5 (DARE)")
