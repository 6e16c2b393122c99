"""Models that do not fit the method or one another, and slices that do not fit the models."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.merge_recipes import EMBED, HALF, config, found, linear, notes, sliced, stops, three_models, ties, weights
from tests.toys import toy_model
from workbench.core.home import Home
from workbench.core.lineage import Manifest, parent_of, write_manifest


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory, own_home: Path) -> Home:
    return three_models(tmp_path_factory, own_home)


def test_an_unknown_method_is_named(home: Home) -> None:
    stops(
        home, {**linear(), "merge_method": "linera"}, "no merge method 'linera'", "Did you mean linear", "merge_method"
    )


def test_too_few_and_too_many_models(home: Home) -> None:
    stock = {"merge_method": "model_stock", "base_model": "a", "models": [{"model": "b"}]}
    stops(home, stock, "at least 3 models, the base counted; here are 2", "Add a model")
    three = {
        "merge_method": "slerp",
        "base_model": "a",
        "models": [{"model": "b"}, {"model": "c"}],
        "parameters": {"t": 0.5},
    }
    stops(home, three, "exactly 2 models, the base counted; here are 3", "Take models out")
    stops(home, {**linear("a"), "merge_method": "nuslerp"}, "2 models besides the base; here are 1", "Add a model")


def test_a_base_that_is_missing_or_not_among_the_slices(home: Home) -> None:
    stops(home, {**ties(), "base_model": None}, "ties needs a base", "Set base_model", "base_model")
    slices = sliced(("b", 0, 2), method="ties", base_model="a", parameters={"weight": 1, "density": 0.5})
    stops(home, slices, "base 'a' is not among the sources", "Add the base", "slices[0]")


def test_the_base_is_known_by_its_folder_not_its_spelling(home: Home) -> None:
    recipe = ties()
    recipe["models"].append({"model": str(home.models / "a")})
    assert found(home, recipe).problems == []


def test_a_model_twice(home: Home) -> None:
    stops(home, linear("a", "b", "b"), "'b' goes in 2 times", "Name each model once")
    stops(home, linear("a", "b", str(home.models / "b")), "goes in 2 times", "Name each model once")


def test_a_base_where_the_method_knows_none(home: Home) -> None:
    findings = found(home, linear("b", "c", base_model="a"))
    assert [str(p) for p in findings.problems] == [
        "parameters.weight: linear needs it for 'a'. Give it under that model's parameters as weight: 0.5 or so, "
        "or one for all under the recipe's parameters."
    ]
    assert any("'a' is merged in as one more model" in note.message for note in findings.notes)


# ---- models that do not fit


def test_another_architecture(home: Home) -> None:
    config(home, "b", architectures=["MistralForCausalLM"])
    stops(home, linear(), "'b' is a MistralForCausalLM, 'a' a LlamaForCausalLM", "fine-tunes of one base")
    config(home, "b", architectures=None)
    stops(home, linear(), "names no one architecture", "Write its class")


def test_another_size(home: Home) -> None:
    toy_model(home, "wide", hidden=128)
    stops(home, linear("a", "wide"), "hidden_size 128 against 64", "one size")


def test_another_number_of_layers(home: Home) -> None:
    toy_model(home, "deep", layers=3)
    stops(home, linear("a", "deep"), "the sources differ in layers (a 2, deep 3)", "Choose layers with slices")
    part = [{"model": "a", "layer_range": [0, 2]}, {"model": "deep", "layer_range": [1, 3]}]
    assert found(home, {"merge_method": "linear", "slices": [{"sources": part}], "parameters": HALF}).problems == []


def test_tensors_of_other_shapes_missing_and_additional(home: Home) -> None:
    name = "model.layers.1.mlp.up_proj.weight"
    weights(home, "b", lambda t: t.update({name: t[name][:, :32]}))
    stops(
        home,
        linear(),
        f"1 tensors of 'b' have other shapes than in 'a': {name} (128, 32) against (128, 64)",
        "one size",
    )
    weights(home, "b", lambda t: t.pop(name))
    stops(home, linear(), f"'b' lacks 1 tensors that 'a' has: {name}", "Get that model again")
    weights(home, "c", lambda t: t.update({"model.extra.weight": np.zeros(2, np.float32)}))
    notes(home, linear("a", "c"), "'c' has 1 tensors that 'a' has not: model.extra.weight")
    assert any(
        "leaves out 1 kinds of tensor: model.extra.weight" in note.message
        for note in found(home, linear("c", "c")).notes
    )


def test_heads_that_are_tied_in_one_model_only(home: Home) -> None:
    def untie(tensors: dict[str, np.ndarray]) -> None:
        tensors["lm_head.weight"] = tensors[EMBED].copy()

    config(home, "b", tie_word_embeddings=False)
    stops(home, linear(), "'b' has no output head", "Get that model again")
    weights(home, "b", untie)
    notes(home, linear(), "'a' ties its head to the embedding, so the heads of b are lost", "the base")
    notes(home, linear("b", "a"), "only b have a head of their own")


def test_settings_that_change_what_weights_mean(home: Home) -> None:
    config(home, "b", rope_theta=5e5, rope_parameters={"rope_theta": 5e5, "rope_type": "default"})
    assert any("rope_parameters is" in note.message for note in found(home, linear()).notes)


def test_missing_damaged_and_pickled_weights(home: Home) -> None:
    index = {"weight_map": {"x": "model-00001-of-00002.safetensors", "y": "model-00002-of-00002.safetensors"}}
    path = home.models / "b" / "model.safetensors.index.json"
    path.write_text(json.dumps(index))
    stops(home, linear(), "2 of 2 weight files are missing", "Copy the missing files")
    path.unlink()
    (home.models / "b" / "model.safetensors").write_bytes(b"\xff" * 100)
    stops(home, linear(), "'b': model.safetensors is no safetensors file", "Download the file again")
    (home.models / "b" / "model.safetensors").rename(home.models / "b" / "pytorch_model.bin")
    stops(home, linear(), "'b' has only pickled weights", "safetensors")
    (home.models / "c" / "config.json").write_text("[1")
    stops(home, linear("a", "c"), "c/config.json cannot be read", "Get the model again")


def test_nan_is_not_seen_here(home: Home) -> None:
    weights(home, "b", lambda t: t[EMBED].fill(np.nan))
    assert found(home, linear()).problems == []


def test_quantised_models(home: Home) -> None:
    config(home, "b", quantization_config={"quant_method": "gptq", "bits": 4})
    stops(home, linear(), "'b' is quantised (gptq)", "Merge the unquantised model")
    name = "model.layers.0.mlp.up_proj.weight"
    weights(home, "c", lambda t: t.update({name: t[name].astype(np.int8)}))
    stops(home, linear("a", "c"), "'c' is quantised (I8)", "Merge the unquantised model")


def adapter(home: Home, name: str = "lora", width: int = 64, **settings: Any) -> None:
    folder = home.models / name
    folder.mkdir()
    common = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["layers.0.mlp.up_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps({**common, **settings}))
    start = "base_model.model.model.layers.0.mlp.up_proj"
    save_file(
        {
            f"{start}.lora_A.weight": np.ones((2, width), np.float32),
            f"{start}.lora_B.weight": np.ones((128, 2), np.float32),
            **({f"{start}.lora_magnitude_vector": np.ones(128, np.float32)} if "use_dora" in settings else {}),
        },
        folder / "adapter_model.safetensors",
    )
    write_manifest(folder, Manifest(kind="adapter", name=name, parents=[parent_of(home.models / "a", "base")]))


def test_adapters(home: Home) -> None:
    adapter(home)
    assert found(home, linear("b", "lora")).problems == []
    assert found(home, linear("b", "a+lora")).problems == []
    adapter(home, "dora", use_dora=True)
    assert found(home, linear("b", "dora")).problems == []
    adapter(home, "prefix", peft_type="PREFIX_TUNING", r=0, lora_alpha=0)
    stops(home, linear("b", "prefix"), "there is nothing to fold", "Chat with it")
    (home.models / "prefix" / "adapter_config.json").write_text("[1")
    stops(home, linear("b", "prefix"), "prefix: adapter_config.json is not valid JSON", "Get the model again")
    adapter(home, "other", width=32)
    stops(home, linear("b", "other"), "the adapter needs 32", "base this adapter was trained on")


# ---- slices


def test_layers_beyond_the_model(home: Home) -> None:
    stops(home, sliced(("a", 0, 5)), "'a' has 2 layers; [0, 5] goes beyond", "End it at 2", "slices[0]")


def test_sources_of_unlike_length(home: Home) -> None:
    part = [{"model": "a", "layer_range": [0, 2]}, {"model": "b", "layer_range": [0, 1]}]
    recipe = {"merge_method": "linear", "slices": [{"sources": part}], "parameters": HALF}
    stops(home, recipe, "the sources differ in layers (a 2, b 1)", "as many layers")


def test_passthrough_takes_one_source_a_slice(home: Home) -> None:
    part = [{"model": name, "layer_range": [0, 2]} for name in "ab"]
    recipe = {"merge_method": "passthrough", "slices": [{"sources": part}]}
    stops(home, recipe, "passthrough takes exactly 1 models; here are 2", "Give each slice one source")


def test_layers_put_together_anew(home: Home) -> None:
    notes(home, sliced(("a", 0, 2), ("b", 0, 2)), "layers in a new order", "fine-tuning")
    toy_model(home, "deep", layers=3)
    config(home, "deep", layer_types=["full_attention"] * 3)
    notes(home, sliced(("deep", 0, 3), ("deep", 1, 3)), "layer_types in config.json has an entry a layer (3, not 5)")
