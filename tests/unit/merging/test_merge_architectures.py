"""Architectures whose files are not as mergekit describes them: merged by their own names, or told what they lack."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.prove.architectures import ARCHITECTURES, CLASSES
from tests.running import run, wrong_with
from tests.toy_adapters import build
from tests.toys import toy_tokenizer
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.lineage import Manifest, write_manifest
from workbench.merging.checks import check_recipe
from workbench.merging.engine import MergePlan
from workbench.merging.jobs.merge import Merge
from workbench.merging.recipe import MergeRecipe
from workbench.models.tensors import model_config

HALVES = {
    "merge_method": "linear",
    "models": [{"model": name, "parameters": {"weight": 0.5}} for name in ("a", "b")],
    "dtype": "float32",
}


def two_models(home: Home, name: str, without: str = "") -> None:
    """Two of an architecture on the shelf, the tensors whose names hold `without` taken out of both."""
    architecture, settings = ARCHITECTURES[name]
    for seed, called in enumerate("ab"):
        folder = home.models / called
        build(architecture, settings, seed, CLASSES.get(name, "")).save_pretrained(folder)
        toy_tokenizer(folder)
        tensors = load_file(folder / "model.safetensors")
        left = {key: value for key, value in tensors.items() if not without or without not in key}
        save_file(left, folder / "model.safetensors", metadata={"format": "pt"})
        write_manifest(folder, Manifest(kind="model", name=called))


def merge(home: Home, recipe: dict[str, Any], output: str = "made") -> dict[str, torch.Tensor]:
    run(home, Merge(output=output, recipe=recipe, proof={"enabled": False}, verify=False))
    return load_file(home.models / output / "model.safetensors")


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("gpt-neox", "attention.bias"),
        ("gemma3", "vision_model.embeddings.patch_embedding.bias"),
        ("falcon", "lm_head.weight"),
        ("cohere", "q_norm.weight"),
        ("bert", "pooler.dense.weight"),
    ],
)
def test_what_mergekit_demands_and_is_not_there_is_told_and_the_files_are_followed(
    name: str, tensor: str, own_home: Path
) -> None:
    home = Home.at(own_home)
    two_models(home, name)
    notes = [str(note) for note in check_recipe(home, MergeRecipe.parse(HALVES)).notes]
    assert any(f"{tensor}; 'a' has none" in note and "own names are followed" in note for note in notes), notes
    first, second = (load_file(home.models / one / "model.safetensors") for one in "ab")
    made = merge(home, HALVES)
    assert made.keys() == first.keys()
    assert all(torch.allclose(value, (first[key] + second[key]) / 2, atol=1e-6) for key, value in made.items())


def test_experts_that_only_some_layers_have_are_not_lost(own_home: Path) -> None:
    home = Home.at(own_home)
    two_models(home, "deepseek-v2")
    assert any("layers.1.mlp.experts" in name for name in merge(home, HALVES))
    assert len(merge(home, HALVES, "again")) == len(load_file(home.models / "a" / "model.safetensors"))


def test_layers_are_put_together_by_the_files_names(own_home: Path) -> None:
    home = Home.at(own_home)
    two_models(home, "gpt-neox")
    sources = [("a", 0, 2), ("b", 1, 2)]
    slices = [{"sources": [{"model": name, "layer_range": [first, last]}]} for name, first, last in sources]
    made = merge(home, {"merge_method": "passthrough", "slices": slices, "dtype": "float32"})
    key = "gpt_neox.layers.{}.attention.dense.weight"
    assert torch.equal(made[key.format(2)], load_file(home.models / "b" / "model.safetensors")[key.format(1)])
    assert model_config(home.models / "made")["num_hidden_layers"] == 3


def test_tensors_that_may_be_left_out_are_known_as_such(own_home: Path) -> None:
    home = Home.at(own_home)
    two_models(home, "llama-tied")
    findings = check_recipe(home, MergeRecipe.parse(HALVES))
    assert not findings.problems and not findings.notes


def test_a_tensor_missing_from_one_layer_is_refused_by_name(own_home: Path) -> None:
    home = Home.at(own_home)
    two_models(home, "llama", without="layers.1.mlp.up_proj")
    wrong = wrong_with(home, Merge(output="made", recipe=HALVES))
    assert "'a' lacks model.layers.1.mlp.up_proj.weight. Get that model again" in wrong


def test_models_that_lack_the_same_tensor_in_every_layer_are_refused_before_anything_is_written(own_home: Path) -> None:
    home = Home.at(own_home)
    two_models(home, "qwen3", without="q_norm")
    assert any("q_norm" in str(note) for note in check_recipe(home, MergeRecipe.parse(HALVES)).notes)
    with pytest.raises(UserError, match=r"'a' lacks model\.layers\.0\.self_attn\.q_norm\.weight and 1 more"):
        MergePlan(home, MergeRecipe.parse(HALVES))


def test_parts_that_do_not_fit_the_files_are_refused(own_home: Path) -> None:
    home = Home.at(own_home)
    two_models(home, "gemma3")
    parts = ("text_decoder", "multi_modal_projector", "vision_tower")
    recipe = {"merge_method": "linear", "modules": {part: {"models": HALVES["models"]} for part in parts}}
    assert "Leave modules out" in wrong_with(home, Merge(output="made", recipe=recipe))
    with pytest.raises(UserError, match="does not fit their files"):
        MergePlan(home, MergeRecipe.parse(recipe))
