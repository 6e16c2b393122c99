"""What is said of a merge before it runs: every problem with its remedy, notes, the estimate, room for it."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file

from tests.merge_recipes import config, found, linear, notes, sizes, sliced, stops, three_models, ties, weights
from workbench.core.errors import SpecError
from workbench.core.home import Home
from workbench.merging.recipe import MergeRecipe


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory, own_home: Path) -> Home:
    return three_models(tmp_path_factory, own_home)


@pytest.mark.parametrize(
    "recipe",
    [
        linear(),
        linear("a", "b", "c"),
        ties(),
        sliced(("a", 0, 2)),
        ties(tokenizer={"source": "union", "pad_to_multiple_of": 16}),
    ],
    ids=["two", "three", "ties", "passthrough", "union"],
)
def test_a_good_recipe_has_no_problem_and_no_note(home: Home, recipe: dict[str, Any]) -> None:
    findings = found(home, recipe)
    assert (findings.problems, findings.notes) == ([], [])


def test_the_facts_say_what_comes_out(home: Home) -> None:
    facts = dict(found(home, ties(out_dtype="bfloat16", dtype="float32")).facts)
    assert facts["Method"] == "TIES" and facts["Models"] == "a, b, c" and facts["Layers"] == "2"
    assert facts["Precision"] == "bfloat16, maths in float32"
    assert facts["Tokenizer"] == "that of a, 379 tokens"
    stacked = dict(found(home, sliced(("a", 0, 2), ("b", 0, 2))).facts)
    assert stacked["Layers"] == "4 from 2 slices"


def test_the_size_is_the_file_s(home: Home) -> None:
    count = sum(value.size for value in load_file(home.models / "a" / "model.safetensors").values())
    assert sizes(home, linear()).parameters == count
    assert sizes(home, linear()).bytes == 4 * count
    assert sizes(home, linear(out_dtype="bfloat16")).bytes == 2 * count
    assert sizes(home, linear()).memory == 600_000_000 + 4 * 400 * 64 * 4
    layer = 64 * (64 + 32 + 32 + 64) + 3 * 64 * 128 + 2 * 64
    assert sizes(home, sliced(("a", 0, 2), ("b", 1, 2))).parameters == count + layer


def test_several_problems_come_at_once(home: Home) -> None:
    recipe = {
        "merge_method": "slerp",
        "models": [{"model": "a", "parameters": {"tt": 1}}, {"model": "gone"}, {"model": "b"}],
        "parameters": {"t": "half"},
    }
    findings = found(home, recipe, output="a")
    said = " ".join(map(str, findings.problems))
    for part in (
        "no model 'gone'",
        "needs a base",
        "exactly 2 models",
        "'half' is not a finite number",
        "on the shelf",
    ):
        assert part in said
    assert any("slerp ignores it" in note.message for note in findings.notes)


def test_models_may_be_unknown_and_all_wrong(home: Home) -> None:
    findings = found(home, linear("gone", "lost"))
    assert len(findings.problems) == 2 and dict(findings.facts)["Parameters"] == "0"


def test_float16_maths_and_larger_files(home: Home) -> None:
    weights(home, "b", lambda t: t.update({key: value.astype(np.float16) for key, value in t.items()}))
    notes(home, linear(), "float32 in a, float16 in b; the result gets float32", "Set dtype")
    notes(home, linear("a", "c", dtype="float16"), "float16 ends at 65504", "bfloat16")
    notes(home, linear("a", "c", dtype="float32", out_dtype="float16"), "float16 ends at 65504", "bfloat16")
    weights(home, "a", lambda t: t.update({key: value.astype(np.float16) for key, value in t.items()}))
    notes(home, linear(dtype="float32"), "larger than the models", "out_dtype")


def test_the_name_of_the_result(home: Home) -> None:
    stops(home, linear(), "'c' is on the shelf already", "Choose another name", "output", output="c")
    stops(home, linear(), "cannot be a name", "letters", "output", output="../c")
    assert found(home, linear(), "new").problems == []


def test_room_on_the_disk_and_in_memory(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(home.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    stops(home, linear(), "the disk has 1.0 kB left", "Delete what is not needed", "output")
    monkeypatch.undo()
    memory = psutil.virtual_memory()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory._replace(available=1000))
    notes(home, linear(), "merging takes about 600 MB of memory; 1.0 kB are free", "Merge fewer models")


def test_parts_of_a_model_are_known_by_name(home: Home) -> None:
    models = linear()["models"]
    assert found(home, {"merge_method": "linear", "modules": {"default": {"models": models}}}).problems == []
    wrong = {"merge_method": "linear", "modules": {"text": {"models": models}}}
    stops(home, wrong, "LlamaForCausalLM has no part 'text'", "Its parts are: default", "modules.text")


def test_strange_files_are_problems_not_crashes(home: Home) -> None:
    config(home, "b", num_hidden_layers="two", architectures=7, text_config="x", vocab_size=[])
    (home.models / "b" / "chat_template.jinja").write_bytes(b"\xff")
    (home.models / "c" / "tokenizer.json").write_text('{"model": []}')
    said = " ".join(map(str, found(home, linear("a", "b", "c")).problems))
    assert "no one architecture" in said and "no number of layers" in said and "'c' has no tokenizer.json" in said
    assert any("goes beyond" in problem.message for problem in found(home, sliced(("a", 0, 10**12))).problems)


def test_hostile_recipes_are_refused_when_read() -> None:
    for bad in ({**linear(), "pickle": 1}, {**linear(), "models": []}, {"merge_method": "linear"}, sliced(("a", 2, 1))):
        with pytest.raises(SpecError):
            MergeRecipe.parse(bad)
