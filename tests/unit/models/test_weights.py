"""Tensors read with the adapter folded in, and written in files that survive a crash."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.toys import toy_model
from workbench.core.errors import UserError
from workbench.core.home import Home, atomic_dir
from workbench.core.lineage import Manifest, parent_of, write_manifest
from workbench.models.merged import open_weights
from workbench.models.model_references import resolve
from workbench.models.weights import ShardWriter


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.at(tmp_path)
    toy_model(home)
    return home


def lora(home: Home, name: str, seed: int = 0, **options: object) -> None:
    """An adapter of 'toy' with random matrices, as PEFT saves it."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    base = AutoModelForCausalLM.from_pretrained(home.models / "toy", dtype=torch.float32)
    settings = {
        "r": 4,
        "lora_alpha": 12,
        "target_modules": ["q_proj", "down_proj"],
        "task_type": "CAUSAL_LM",
        **options,
    }
    model = get_peft_model(base, LoraConfig(**settings))  # type: ignore[arg-type]
    for key, parameter in model.named_parameters():
        if "lora_" in key or "modules_to_save" in key:
            torch.nn.init.normal_(parameter, std=0.1)
    with atomic_dir(home.models / name) as folder:
        model.save_pretrained(folder)
        write_manifest(folder, Manifest(kind="adapter", name=name, parents=[parent_of(home.models / "toy", "base")]))


def peft_fold(home: Home, name: str) -> dict[str, torch.Tensor]:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(home.models / "toy", dtype=torch.float32)
    return dict(PeftModel.from_pretrained(base, str(home.models / name)).merge_and_unload().state_dict())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_rslora": True},
        {"alpha_pattern": {"layers.1.self_attn.q_proj": 3}, "rank_pattern": {"down_proj": 2}},
        {"modules_to_save": ["norm"]},
    ],
    ids=["plain", "rslora", "patterns", "modules_to_save"],
)
def test_an_adapter_is_folded_as_peft_folds_it(home: Home, options: dict[str, object]) -> None:
    lora(home, "style", **options)
    weights, expected = open_weights(resolve(home, "style")), peft_fold(home, "style")
    changed = 0
    for name in weights.names():
        torch.testing.assert_close(weights.get(name), expected[name], rtol=1e-5, atol=1e-6)
        changed += not torch.equal(weights.get(name), open_weights(resolve(home, "toy")).get(name))
    assert changed >= 4


def test_reading_never_changes_the_base(home: Home) -> None:
    lora(home, "style")
    before = load_file(home.models / "toy" / "model.safetensors")
    weights = open_weights(resolve(home, "style"))
    for name in weights.names():
        weights.get(name)
    after = load_file(home.models / "toy" / "model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)


TENSORS = {
    "a": torch.arange(6.0).reshape(2, 3),
    "b": torch.ones(5, dtype=torch.bfloat16),
    "c": torch.tensor(3, dtype=torch.int64),
    "d": torch.zeros(0, 4),
    "e": torch.arange(8, dtype=torch.float16).reshape(2, 4).T,
}


def test_one_file_reads_back_exactly(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, 10**9, len(TENSORS))
    for name, tensor in TENSORS.items():
        writer.add(name, tensor)
    writer.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    read = load_file(tmp_path / "model.safetensors")
    assert set(read) == set(TENSORS)
    assert all(torch.equal(read[name], tensor) and read[name].dtype == tensor.dtype for name, tensor in TENSORS.items())


def test_several_files_get_an_index_and_load_in_transformers_order(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path / "work", 24, len(TENSORS))
    for name, tensor in TENSORS.items():
        writer.add(name, tensor)
    (tmp_path / "model").mkdir()
    writer.finish(tmp_path / "model")
    index = json.loads((tmp_path / "model" / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"]) == set(TENSORS)
    for name, file in index["weight_map"].items():
        assert torch.equal(load_file(tmp_path / "model" / file)[name], TENSORS[name])
    assert index["metadata"]["total_size"] == sum(t.numel() * t.element_size() for t in TENSORS.values())


def test_finished_files_survive_and_the_torn_one_is_made_again(tmp_path: Path) -> None:
    first = ShardWriter(tmp_path, 24, len(TENSORS))
    for name in ("a", "b"):
        first.add(name, TENSORS[name])
    assert first.done == {"a"}  # 'b' opened the second file; then the process dies
    first.settle()
    again = ShardWriter(tmp_path, 24, len(TENSORS))
    assert again.done == {"a"} and not list(tmp_path.glob("*.writing"))
    for name in set(TENSORS) - again.done:
        again.add(name, TENSORS[name])
    again.finish()
    found = {name: tensor for path in tmp_path.glob("*.safetensors") for name, tensor in load_file(path).items()}
    assert all(torch.equal(found[name], tensor) for name, tensor in TENSORS.items())


def test_more_names_than_expected_only_make_more_files(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, 10**9, expected=1)
    for number in range(40):
        writer.add(f"layers.{number}.{'x' * 60}", torch.full((2,), float(number)))
    writer.finish()
    found = {name: tensor for path in tmp_path.glob("*.safetensors") for name, tensor in load_file(path).items()}
    assert len(found) == 40 and len(list(tmp_path.glob("*.safetensors"))) > 1


def test_a_damaged_file_is_named(home: Home) -> None:
    file = home.models / "toy" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UserError, match=r"toy: model\.safetensors ends within its header.*cut off"):
        open_weights(resolve(home, "toy"))


def test_an_adapter_of_another_base_is_told(home: Home) -> None:
    lora(home, "style")
    path = home.models / "style" / "adapter_model.safetensors"
    tensors = {name.replace("q_proj", "strange_proj"): tensor for name, tensor in load_file(path).items()}
    path.unlink()
    save_file(tensors, path)
    with pytest.raises(UserError, match="strange_proj"):
        open_weights(resolve(home, "style"))
