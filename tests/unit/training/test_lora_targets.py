"""'attention' and 'mlp' mean that on every architecture; it is told, and so is the room it takes."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.numpy import load_file, save_file
from transformers.pytorch_utils import Conv1D

from tests.prove.architectures import ARCHITECTURES
from tests.running import run, wrong_with
from tests.toy_adapters import build, toy_base
from tests.toy_training import job
from tests.toys import EXACT, toy_dataset
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.models.jobs.fold_adapter import Fold
from workbench.models.model_import import import_folder
from workbench.models.model_references import resolve
from workbench.training.lora_targets import Group, adapted_layers, group_of, in_layer, targets_of
from workbench.training.target_facts import CONVERTED
from workbench.training.tuners.lora import Lora

NONE = ("mamba", "bert", "t5", "llava")  # none of them is trained here
EXPERTS = ("mixtral", "gpt-oss", "qwen2-moe", "qwen3-moe", "deepseek-v2")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home.at(tmp_path_factory.mktemp("home"))
    toy_dataset(home)
    for name in ("gpt2", "untied", "mixtral"):
        toy_base(home, name)
    return home


def adapted(name: str, group: Group) -> Any:
    model = build(*ARCHITECTURES[name])
    found = targets_of(model, group)
    config = LoraConfig(r=2, target_modules=found.modules, target_parameters=found.parameters or None)
    return get_peft_model(model, config)


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name not in NONE])
def test_attention_and_mlp_are_two_parts_that_make_up_the_layers(name: str) -> None:
    model = build(*ARCHITECTURES[name])
    layers = {
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and in_layer(name) and not name.endswith("expert_gate")
    }
    stands: dict[str, set[str]] = {}
    for group in ("attention", "mlp"):
        tuner = adapted(name, group).base_model  # type: ignore[arg-type]
        stands[group] = {*tuner.targeted_module_names, *tuner.targeted_parameter_names}
        assert stands[group] and {group_of(one) for one in stands[group]} == {group}
    if name != "deepseek-v2":  # PEFT takes its experts alone, which the log says
        assert layers <= stands["attention"] | stands["mlp"]
    assert any(one.endswith("experts.down_proj") for one in stands["mlp"]) == (name in EXPERTS)


def test_the_towers_of_pictures_and_the_choice_of_experts_are_left_out() -> None:
    assert not any("vision" in name for name in adapted_layers(adapted("gemma3", "attention")))
    assert not any(
        "gate.weight" in name or name.endswith("expert_gate") for name in adapted_layers(adapted("qwen2-moe", "mlp"))
    )


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("transformer.blocks.3.attn.Wqkv.weight", "attention"),
        ("transformer.blocks.3.ffn.experts.mlp.w1", "mlp"),
        ("h.0.attn.c_proj.weight", "attention"),
        ("h.0.mlp.c_proj.weight", "mlp"),
        ("model.layers.0.block_sparse_moe.experts.7.w2.weight", "mlp"),
        ("model.layers.0.block_sparse_moe.gate.weight", None),
        ("model.layers.0.feed_forward.w3.weight", "mlp"),
        ("backbone.layers.0.mixer.in_proj.weight", None),
        ("lm_head.weight", None),
    ],
)
def test_names_of_files_tell_the_group(name: str, group: str | None) -> None:
    assert group_of(name) == group


def test_gpt2_trains_its_attention_alone_and_says_so(home: Home) -> None:
    settings = {
        "model": "gpt2",
        "output": "only-attention",
        "tuner": {"method": "lora", "r": 2, "targets": "attention"},
    }
    result = run(home, job(**settings), "attention")
    assert result["targets"] == {"attn.c_attn": 2, "attn.c_proj": 2}
    assert read_manifest(home.models / "only-attention").info["targets"] == result["targets"]
    assert "Targets: attention: attn.c_attn, attn.c_proj." in (home.jobs / "attention" / "events.jsonl").read_text()
    assert ["Targets", "attention: attn.c_attn, attn.c_proj."] in job(**settings).facts(home)
    assert "attn.c_attn (2), attn.c_proj (2)" in (home.jobs / "attention" / "events.jsonl").read_text()
    assert all(".attn." in name for name in load_file(home.models / "only-attention" / "adapter_model.safetensors"))


def test_experts_are_trained_as_the_mlp_and_fold(home: Home) -> None:
    settings = {"model": "mixtral", "output": "experts", "tuner": {"method": "lora", "r": 2, "targets": "mlp"}}
    result = run(home, job(**settings))
    assert result["targets"] == {"mlp.experts.down_proj": 2, "mlp.experts.gate_up_proj": 2}
    assert run(home, Fold(adapter="experts", output="folded"))["difference_of_effect"] < 1e-4


@pytest.mark.parametrize("targets", ["mlp", "all-linear"])
def test_experts_take_no_dropout(targets: Any) -> None:
    with pytest.raises(UserError, match=r"take no dropout.*Set it to 0"):
        Lora(targets=targets, dropout=0.1).attach(build(*ARCHITECTURES["mixtral"]), None)


@pytest.mark.parametrize(
    ("name", "targets", "says", "never"),
    [
        ("deepseek-v2", "mlp", "the experts. PEFT takes the experts in place of mlp.down_proj", "self_attn"),
        ("deepseek-v2", "all-linear", "mlp.shared_experts.up_proj, mlp.up_proj, which get none", "no layers"),
        ("gpt-oss", "all-linear", "The experts are no layers and get none: choose mlp", "router"),
        ("qwen2-moe", "all-linear", "The experts are no layers and get none: choose mlp", "mlp.gate,"),
        ("qwen2-moe", "mlp", "mlp.shared_expert.up_proj, the experts.", "get none"),
        ("mixtral", "all-linear", "self_attn.v_proj, the experts.", "get none"),
        ("qwen3-moe", "mlp", "mlp: the experts.", "get none"),
        ("gpt2", "attention", "attention: attn.c_attn, attn.c_proj.", "mlp"),
        ("gemma3", "all-linear", "The vision tower's get one too, which no text trains.", "experts"),
        ("gemma3", "mlp", "mlp: mlp.down_proj, mlp.gate_proj, mlp.up_proj.", "vision"),
    ],
)  # fmt: skip
def test_what_an_adapter_stands_on_is_told_before_the_start(
    name: str, targets: Any, says: str, never: str, tmp_path: Path
) -> None:
    model = build(*ARCHITECTURES[name])
    model.save_pretrained(tmp_path)
    ((title, told),) = Lora(targets=targets).facts(tmp_path, None)
    assert title == "Targets" and says in told and never not in told
    trained = " ".join(adapted_layers(Lora(r=2, targets=targets).attach(model, None)))
    assert ("the experts" in told.partition(".  ")[0].split(". PEFT")[0]) == (".experts." in trained)
    assert ("vision" in told) == ("vision" in trained)
    assert not ("which get none" in told and "mlp.up_proj" in trained)


def test_the_types_whose_experts_peft_takes_are_those_of_the_library() -> None:
    from peft.utils.transformers_weight_conversion import _MOE_FUSED_TARGETS
    from transformers.conversion_mapping import _MODEL_TO_CONVERSION_PATTERN

    library = {name for name, kind in _MODEL_TO_CONVERSION_PATTERN.items() if _MOE_FUSED_TARGETS.get(kind)}
    assert library | {"mixtral"} == CONVERTED


def test_transposed_layers_are_not_trained_in_four_bits(home: Home) -> None:
    told = wrong_with(home, job(model="gpt2", output="four-bits", tuner={"method": "qlora", "r": 2}))
    assert "holds its weights transposed (Conv1D)" in told and "Use LoRA." in told
    assert "transposed" not in wrong_with(
        home, job(model="untied", output="four-bits", tuner={"method": "qlora", "r": 2})
    )


def test_a_model_without_such_layers_is_refused_before_the_start(tmp_path: Path) -> None:
    save_file({"backbone.layers.0.mixer.in_proj.weight": np.ones((2, 2), "f4")}, tmp_path / "model.safetensors")
    for group in ("attention", "mlp"):
        reason = Lora(targets=group).reason_against(tmp_path, None)  # type: ignore[arg-type]
        assert reason and f"No {group} layers are known" in str(reason) and "all-linear" in str(reason)
    assert Lora().reason_against(tmp_path, None) is None


@pytest.mark.parametrize("targets", ["all-linear", "attention", "mlp"])
@pytest.mark.parametrize("name", ["untied", "gpt2", "mixtral"])
def test_the_size_of_an_adapter_is_known_from_the_headers(name: str, targets: Any, home: Home) -> None:
    tuner = Lora(r=4, targets=targets)
    model = tuner.attach(build(*ARCHITECTURES[{"untied": "llama"}.get(name, name)]), None)
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    expected = tuner.weight_facts(home.models / name, None, EXACT).trained_parameters
    assert expected == trained or (name == "mixtral" and trained <= expected < 1.5 * trained)  # experts get fused


def test_an_adapter_without_room_for_its_checkpoints_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"model": "untied", "output": "roomless", "tuner": {"method": "lora", "r": 4}}
    assert wrong_with(home, job(**settings)) == ""
    usage = shutil.disk_usage(home.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100_000))
    assert "disk space, 100 kB are free. Take a lower rank" in wrong_with(home, job(**settings))
    need = job(**settings).disk_estimate(home, resolve(home, "untied")).total
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=need))
    assert wrong_with(home, job(**settings)) == ""
    assert "tuner" in wrong_with(home, job(**settings, keep_checkpoints=5))


def test_going_on_from_an_adapter_takes_the_room_of_that_adapter(home: Home, tmp_path: Path) -> None:
    name = "going-on"
    tuner = Lora(r=8, targets="attention")
    model = tuner.attach(build(*ARCHITECTURES["llama"]), None)
    for weight in model.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight)
    model.save_pretrained(tmp_path)
    import_folder(home, tmp_path, name, "untied")
    base, adapter = home.models / "untied", home.models / name
    going_on, fresh = (made.weight_facts(base, start, EXACT) for made, start in ((Lora(r=64), adapter), (tuner, None)))
    assert going_on.trained_parameters == fresh.trained_parameters
