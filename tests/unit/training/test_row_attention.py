"""Rows that lie end to end give what padded ones give, and none of them depends on another."""

import copy
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    FalconMambaConfig,
    Gemma2Config,
    GPT2Config,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
)
from trl.trainer.utils import add_fused_lm_head

from workbench.training.activation_memory import FLOAT32_TOKENS
from workbench.training.row_attention import (
    cleared_rows,
    reason_for_padding,
    register_row_attention,
    row_attention_forward,
    set_rows,
)
from workbench.training.unpadded_forward import compute_real_tokens_only

SMALL = {
    "vocab_size": 97, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
CONFIGS = {
    "llama": LlamaConfig(**SMALL, num_key_value_heads=2),
    "mistral-sliding": MistralConfig(**SMALL, num_key_value_heads=2, sliding_window=4),
    "qwen2": Qwen2Config(**SMALL, num_key_value_heads=2),
    "qwen3": Qwen3Config(**SMALL, num_key_value_heads=2, head_dim=8),
    "gpt2": GPT2Config(vocab_size=97, n_embd=32, n_layer=2, n_head=4, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0),
}
STATEFUL = {
    "mamba": MambaConfig(vocab_size=97, hidden_size=32, num_hidden_layers=2, state_size=4),
    "falcon-mamba": FalconMambaConfig(vocab_size=97, hidden_size=32, num_hidden_layers=2, state_size=4),
}
LENGTHS = (7, 12, 3)


def model_of(config: Any) -> Any:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(copy.deepcopy(config))
    add_fused_lm_head(model, outputs=("log_probs", "entropy", "mean_logits", "is_top1"))
    return model.requires_grad_(True)


def batch(changed: bool = False) -> dict[str, torch.Tensor]:
    """Three rows of different lengths, padded at the right; `changed` is the second with other ids."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(3, 97, (3, max(LENGTHS)), generator=generator)
    if changed:
        ids[1] = (ids[1] - 3 + 11) % 94 + 3
    mask = (torch.arange(max(LENGTHS))[None] < torch.tensor(LENGTHS)[:, None]).long()
    labels = ids.masked_fill(mask == 0, -100)
    labels[:, 1] = -100
    return {"input_ids": ids.masked_fill(mask == 0, 0), "attention_mask": mask, "labels": labels}


def scored(model: Any, rows: dict[str, torch.Tensor]) -> Any:
    with cleared_rows():
        return model(**rows, use_cache=False, fused_lm_head=True)


@pytest.mark.parametrize("frozen_head", [True, False])
@pytest.mark.parametrize("name", CONFIGS)
def test_rows_end_to_end_have_the_loss_and_the_gradients_of_padded_ones(name: str, frozen_head: bool) -> None:
    expected, found = (model_of(CONFIGS[name]) for _ in range(2))
    for model in (expected, found):
        model.get_output_embeddings().requires_grad_(not frozen_head)
    assert compute_real_tokens_only(found, statistics=True) == ""
    outputs = [scored(model, batch()) for model in (expected, found)]
    for output in outputs:
        (-output.log_probs.sum() / output.label_mask.sum()).backward()
    for field in ("log_probs", "entropy", "mean_logits"):
        torch.testing.assert_close(getattr(outputs[1], field), getattr(outputs[0], field), atol=1e-5, rtol=1e-5)
    assert torch.equal(outputs[0].is_top1 & outputs[0].label_mask, outputs[1].is_top1 & outputs[1].label_mask)
    for one, other in zip(found.parameters(), expected.parameters(), strict=True):
        if other.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", CONFIGS)
def test_no_row_depends_on_another(name: str) -> None:
    model = model_of(CONFIGS[name])
    compute_real_tokens_only(model)
    with torch.no_grad():
        before, after = (scored(model, batch(changed)).log_probs for changed in (False, True))
    assert torch.equal(before[[0, 2]], after[[0, 2]])
    assert not torch.allclose(before[1], after[1], atol=1e-3)


@pytest.mark.parametrize("name", CONFIGS)
def test_layers_computed_again_in_the_backward_pass_keep_rows_apart_too(name: str) -> None:
    gradients = []
    for again in (False, True):
        model = model_of(CONFIGS[name]).train()
        compute_real_tokens_only(model)
        if again:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        with cleared_rows():
            model(**batch(), use_cache=False, fused_lm_head=True).log_probs.sum().backward()
        gradients.append([weight.grad for weight in model.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", STATEFUL)
def test_a_model_whose_state_crosses_rows_is_padded(name: str) -> None:
    expected, found = (model_of(STATEFUL[name]) for _ in range(2))
    reason = compute_real_tokens_only(found)
    assert reason
    with torch.no_grad():
        torch.testing.assert_close(
            scored(found, batch()).log_probs, scored(expected, batch()).log_probs, atol=1e-5, rtol=1e-5
        )


def test_a_recurrent_model_is_found_by_trying_whatever_it_says_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.training.row_attention.PER_ROW_LAYERS", {"linear_attention"})
    model = model_of(STATEFUL["mamba"])
    model.config._attn_implementation = "sdpa"
    register_row_attention()
    assert reason_for_padding(model) == "a row would depend on the rows before it"


def test_layers_of_a_kind_that_is_not_known_are_padded() -> None:
    model = model_of(CONFIGS["llama"])
    model.config.layer_types = ["full_attention", "linear_attention"]
    assert "linear_attention" in reason_for_padding(model)


def test_a_soft_cap_over_the_logits_is_kept() -> None:
    config = Gemma2Config(**SMALL, num_key_value_heads=2, head_dim=8, final_logit_softcapping=0.05)
    expected, found = (model_of(config) for _ in range(2))
    compute_real_tokens_only(found)
    one, other = scored(found, batch()).log_probs, scored(expected, batch()).log_probs
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
    model = model_of(Gemma2Config(**SMALL, num_key_value_heads=2, head_dim=8))
    assert not torch.allclose(scored(model, batch()).log_probs, other, atol=1e-3)


def test_a_model_that_answers_is_as_before() -> None:
    model = model_of(CONFIGS["llama"]).eval()
    rows = {name: value for name, value in batch().items() if name != "labels"}
    before = model(**rows).logits
    compute_real_tokens_only(model)
    scored(model, batch())
    assert torch.equal(model(**rows).logits, before)
    ids = rows["input_ids"][1:2]
    assert model.generate(ids, max_new_tokens=3, do_sample=False).shape == (1, 15)


@pytest.mark.parametrize("autocast", [False, True])
def test_short_rows_of_16_bit_numbers_attend_in_float32_on_a_cpu(autocast: bool) -> None:
    lengths, generator = [5, 9, FLOAT32_TOKENS + 1], torch.Generator().manual_seed(0)
    shapes = ((1, heads, sum(lengths), 8) for heads in (4, 2, 2))
    given = [torch.randn(shape, generator=generator).bfloat16() for shape in shapes]
    given = [(part.float() if autocast else part).requires_grad_() for part in given]
    layer = torch.nn.Module()
    layer.num_key_value_groups, layer.is_causal = 2, True
    with cleared_rows(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        set_rows(lengths)
        found = row_attention_forward(layer, *given, None, scaling=0.5)[0]
    found.float().square().sum().backward()
    exact = [part.detach().float().requires_grad_() for part in given]
    with cleared_rows():
        set_rows(lengths)
        expected = row_attention_forward(layer, *exact, None, scaling=0.5)[0]
    expected.square().sum().backward()
    short = sum(lengths[:2])
    assert found.dtype == torch.bfloat16
    assert torch.equal(found[:, :short], expected[:, :short].bfloat16())
    torch.testing.assert_close(found.float(), expected, atol=0.02, rtol=0.02)
    for one, other in zip(given, exact, strict=True):
        torch.testing.assert_close(one.grad.float(), other.grad, atol=0.05, rtol=0.05)
