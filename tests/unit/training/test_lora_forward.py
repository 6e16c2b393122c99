"""LoRA in one step gives the outputs, the gradients and the files of PEFT's own layers, and leaves others to PEFT."""

import contextlib
import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig

from workbench.training.lora_forward import LoraProduct, compute_lora_in_one_step

LLAMA = LlamaConfig(
    vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, attention_bias=True,
)  # fmt: skip
GPT2 = GPT2Config(vocab_size=97, n_embd=32, n_layer=2, n_head=4)
IDS = torch.arange(3, 43).view(2, 20)
LAYERS = 2 * 7


def adapted(config: Any = LLAMA, dtype: torch.dtype = torch.float32, **lora: Any) -> Any:
    """A model with an adapter that is not idle."""
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_config(copy.deepcopy(config)).to(dtype)
    model = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", **lora))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return model.train()


def loss_and_gradients(model: Any, mixed: bool = False) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    with torch.autocast("cpu", torch.bfloat16) if mixed else contextlib.nullcontext():
        loss = model(input_ids=IDS, labels=IDS).loss
    loss.backward()
    return loss, {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


def assert_same(found: Any, expected: Any, mixed: bool = False) -> None:
    limits = {"atol": 2e-2, "rtol": 5e-2} if mixed else {"atol": 1e-6, "rtol": 1e-4}
    torch.testing.assert_close(found[0], expected[0], **limits)
    assert found[1].keys() == expected[1].keys()
    for name, gradient in expected[1].items():
        torch.testing.assert_close(found[1][name], gradient, **limits)


@pytest.mark.parametrize("settings", [{}, {"use_rslora": True}, {"exclude_modules": ["q_proj"]}])
def test_outputs_and_gradients_are_those_of_peft(settings: dict[str, Any]) -> None:
    expected, found = adapted(**settings), adapted(**settings)
    assert compute_lora_in_one_step(found) == LAYERS - 2 * len(settings.get("exclude_modules", []))
    assert_same(loss_and_gradients(found), loss_and_gradients(expected))


def test_in_mixed_precision_they_are_those_of_peft_as_near_as_that_is() -> None:
    expected, found = adapted(dtype=torch.bfloat16), adapted(dtype=torch.bfloat16)
    compute_lora_in_one_step(found)
    assert {w.dtype for n, w in found.named_parameters() if "lora_" in n} == {torch.float32}
    assert_same(loss_and_gradients(found, mixed=True), loss_and_gradients(expected, mixed=True), mixed=True)


def test_the_gradients_are_the_derivatives() -> None:
    torch.manual_seed(0)
    x, weight, bias = (torch.randn(size, dtype=torch.float64) for size in ((2, 3, 5), (7, 5), (7,)))
    lora_a, lora_b = torch.randn(2, 5, dtype=torch.float64), torch.randn(7, 2, dtype=torch.float64)
    for tensor in (x, lora_a, lora_b):
        tensor.requires_grad_(True)
    assert torch.autograd.gradcheck(LoraProduct.apply, (x, weight, bias, lora_a, lora_b, 1.5))


@pytest.mark.parametrize(
    ("config", "settings"),
    [(LLAMA, {"use_dora": True}), (LLAMA, {"lora_dropout": 0.1}), (LLAMA, {"lora_bias": True}), (GPT2, {})],
)
def test_what_is_not_plain_lora_stays_with_peft(config: Any, settings: dict[str, Any]) -> None:
    model = adapted(config, **settings)
    assert compute_lora_in_one_step(model) == 0


def test_without_the_adapter_it_is_the_base_and_layers_computed_again_give_the_same() -> None:
    model = adapted()
    compute_lora_in_one_step(model)
    expected = loss_and_gradients(model)
    with model.disable_adapter(), torch.no_grad():
        without = model(input_ids=IDS).logits
    base = copy.deepcopy(model).unload()
    torch.testing.assert_close(without, base(input_ids=IDS).logits, atol=1e-5, rtol=1e-5)
    again = adapted()
    compute_lora_in_one_step(again)
    again.enable_input_require_grads()
    again.gradient_checkpointing_enable({"use_reentrant": False})
    assert_same(loss_and_gradients(again), expected)


def test_the_files_are_those_of_peft(tmp_path: Path) -> None:
    model = adapted()
    names = set(model.state_dict())
    compute_lora_in_one_step(model)
    assert set(model.state_dict()) == names
    model.save_pretrained(tmp_path / "ours")
    adapted().save_pretrained(tmp_path / "theirs")
    ours, theirs = (load_file(tmp_path / side / "adapter_model.safetensors") for side in ("ours", "theirs"))
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    torch.manual_seed(0)
    loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_config(copy.deepcopy(LLAMA)), str(tmp_path / "ours"))
    torch.testing.assert_close(loaded(input_ids=IDS).logits, model(input_ids=IDS).logits, atol=1e-5, rtol=1e-5)
