"""Recipes as settings of jobs: read once, from text or data, told by their path, and written as they were."""

from typing import Any

import pytest

from workbench.core.errors import SpecError
from workbench.core.spec import dump_yaml, load_yaml
from workbench.jobs.job import JOBS

MERGE = {
    "merge_method": "ties", "base_model": "a", "models": [{"model": "b", "parameters": {"weight": [0.2, 1]}}],
    "tokenizer": {"source": "union", "tokens": {"<x>": {"source": {"kind": "zero"}, "force": False}}},
}  # fmt: skip
SLICES = {
    "merge_method": "passthrough", "dtype": "bfloat16",
    "slices": [{"sources": [{"model": "a", "layer_range": [0, 2]}]}],
}  # fmt: skip
MOE = {
    "base_model": "a", "gate_mode": "hidden", "experts": [
        {"source_model": "b", "positive_prompts": ["x"]}, {"source_model": "c", "positive_prompts": ["y"]},
    ],
}  # fmt: skip
PREPARE = {
    "format": 1, "name": "talks", "source": {"method": "shelf", "dataset": "old", "part": "rows"},
    "steps": [{"method": "sample", "share": 0.5}, {"method": "shuffle"}],
}  # fmt: skip
CASES = [("merge", MERGE), ("merge", SLICES), ("assemble-moe", MOE), ("prepare", PREPARE)]


def job(method: str, recipe: Any) -> dict[str, Any]:
    return {"method": method, "recipe": recipe, **({} if method == "prepare" else {"output": "new"})}


@pytest.mark.parametrize(("method", "recipe"), CASES)
def test_a_recipe_is_written_as_it_was_read_from_data_or_text(method: str, recipe: dict[str, Any]) -> None:
    for given in (recipe, dump_yaml(recipe)):
        read = JOBS.parse(job(method, given))
        assert read.to_dict()["recipe"] == recipe
        assert JOBS.parse(load_yaml(read.to_yaml())) == read


@pytest.mark.parametrize(
    ("method", "recipe", "field"),
    [
        ("merge", {**MERGE, "merge_methd": "x"}, "recipe.merge_methd"),
        ("merge", {**MERGE, "models": [{"model": ""}]}, "recipe.models[0].model"),
        ("merge", {**MERGE, "models": [{"model": "a+b+c"}]}, "recipe.models[0].model"),
        (
            "assemble-moe",
            {**MOE, "experts": [{"source_model": "b", "noise_scale": 7}]},
            "recipe.experts[0].noise_scale",
        ),
        ("prepare", {**PREPARE, "steps": ["shuffle", {"method": "sample", "share": 7}]}, "recipe.steps[1].share"),
        ("prepare", {**PREPARE, "source": {"method": "shelf"}}, "recipe.source.dataset"),
        ("prepare", {**PREPARE, "format": 99}, "recipe.format"),
        ("prepare", ["shuffle"], "recipe"),
        ("merge", "- x", "recipe"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_told_by_its_path(method: str, recipe: Any, field: str) -> None:
    with pytest.raises(SpecError) as caught:
        JOBS.parse(job(method, recipe))
    assert [problem.field for problem in caught.value.problems] == [field]


def test_a_recipe_read_alone_names_no_field_around_it() -> None:
    from workbench.data.recipes.recipe import Recipe

    with pytest.raises(SpecError) as caught:
        Recipe.parse({**PREPARE, "format": 99})
    assert [problem.field for problem in caught.value.problems] == ["format"]
    with pytest.raises(SpecError, match="A recipe has name, source and steps"):
        Recipe.parse("[]")
