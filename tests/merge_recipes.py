"""Recipes and toy models to check merges with, and what the checks should say of them."""

import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.toys import toy_model
from workbench.core.home import Home
from workbench.merging.checking.context import read_context
from workbench.merging.checking.room import Estimate, estimate_of
from workbench.merging.checks import Findings, check_recipe
from workbench.merging.recipe import MergeRecipe

Edit = Callable[[dict[str, Any]], Any]
HALF = {"weight": 0.5}
EMBED = "model.embed_tokens.weight"


@functools.cache
def _made(folder: Path) -> Path:
    toy_model(Home.at(folder), "a")
    return folder / "models" / "a"


def three_models(factory: pytest.TempPathFactory, root: Path) -> Home:
    """A home with three models of one base: a, b and c."""
    for name in "abc":
        shutil.copytree(_made(factory.getbasetemp() / "three-models"), root / "models" / name)
    return Home.at(root)


def edit(path: Path, change: Edit) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def config(home: Home, name: str, **values: Any) -> None:
    edit(home.models / name / "config.json", lambda data: data.update(values))


def weights(home: Home, name: str, change: Callable[[dict[str, np.ndarray]], Any]) -> None:
    path = home.models / name / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    path.unlink()
    save_file({key: np.ascontiguousarray(value) for key, value in tensors.items()}, path)


def add_token(home: Home, name: str, text: str, place: int = 400) -> None:
    def change(data: dict[str, Any]) -> None:
        data["added_tokens"].append({**data["added_tokens"][0], "id": place, "content": text})

    edit(home.models / name / "tokenizer.json", change)


def rows(home: Home, name: str, count: int) -> None:
    """Gives a model's embedding another number of rows."""
    weights(home, name, lambda t: t.update({EMBED: np.resize(t[EMBED], (count, t[EMBED].shape[1]))}))
    config(home, name, vocab_size=count)


def linear(*names: str, **more: Any) -> dict[str, Any]:
    models = [{"model": name, "parameters": dict(HALF)} for name in names or ("a", "b")]
    return {"merge_method": "linear", "models": models, **more}


def ties(**more: Any) -> dict[str, Any]:
    models = [{"model": name, "parameters": {"weight": 0.5, "density": 0.5}} for name in "bc"]
    return {"merge_method": "ties", "base_model": "a", "models": models, **more}


def sliced(*ranges: tuple[str, int, int], method: str = "passthrough", **more: Any) -> dict[str, Any]:
    sources = [{"sources": [{"model": name, "layer_range": [first, last]}]} for name, first, last in ranges]
    return {"merge_method": method, "slices": sources, **more}


def found(home: Home, recipe: dict[str, Any], output: str = "") -> Findings:
    return check_recipe(home, MergeRecipe.parse(recipe), output)


def stops(home: Home, recipe: dict[str, Any], message: str, remedy: str, field: str = "", output: str = "") -> None:
    """Exactly one problem, and it says this."""
    problems = found(home, recipe, output).problems
    assert [str(problem) for problem in problems if message not in problem.message] == []
    assert len(problems) == 1 and remedy in problems[0].remedy and problems[0].remedy.endswith((".", "?"))
    assert field in problems[0].field


def notes(home: Home, recipe: dict[str, Any], message: str, remedy: str = "") -> None:
    """No problem, and one note that says this."""
    findings = found(home, recipe)
    assert findings.problems == []
    mine = [note for note in findings.notes if message in note.message]
    assert len(mine) == 1, findings.notes
    assert remedy in mine[0].remedy


def sizes(home: Home, recipe: dict[str, Any]) -> Estimate:
    """How big the result is and about how much memory merging takes."""
    return estimate_of(read_context(home, MergeRecipe.parse(recipe)))
