"""What a forward pass keeps for the backward pass, from a model's config and the batch. Imports no torch.

What autograd keeps was counted with saved tensor hooks on Llama, and is held against them in a test: of a layer the
input of both norms in float32, queries, keys, values and the output of attention, and four times the MLP's width (the
gate, the gate activated, the other projection, their product); a trained layer also its norms' normalised inputs, an
adapter the r numbers that go through its middle. Matrices that train, or have an adapter, keep their own input where
autocast made a copy of it. Attention is fused (SDPA): no score is kept.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.core.errors import UserError
from workbench.core.hardware import Hardware
from workbench.models import tensors
from workbench.training.weight_facts import FLOAT32_BYTES, WeightFacts, dtype_bytes

TILE_BYTES, FEWEST_ROWS, OWN_COPIES = 32 * 2**20, 64, 2  # of `token_log_probs`, which imports torch
FLOAT32_TOKENS = 384
"""Rows up to this long, end to end on a CPU, attend in float32: torch's kernel for 16-bit numbers takes twice the time
at 128 tokens, as much at 512, and is less exact. Measured on a CPU with AVX512-BF16."""
TRL_ROWS, TRL_COLUMNS, TRL_COPIES = 4096, 32768, 8  # of trl.kernels.chunked_logprob


@dataclass(frozen=True)
class LayerSizes:
    """What decides how large activations are: widths in numbers, and counts."""

    hidden: int
    inner: int
    queries: int
    keys: int
    heads: int
    layers: int
    vocabulary: int
    gated: bool = True
    query_norm: bool = False
    fused_attention: bool = True

    @classmethod
    def of(cls, base: Path) -> "LayerSizes":
        """From config.json and the tensors' names; raises `UserError` where it says too little."""
        whole = tensors.model_config(base)
        inner = whole.get("text_config")
        config = {**whole, **inner} if isinstance(inner, dict) else whole
        names = [name for name, _, _ in tensors.shapes(base)]
        try:
            hidden = _number(config, "hidden_size", "n_embd", "d_model")
            heads = _number(config, "num_attention_heads", "n_head")
            head = int(config.get("head_dim") or hidden // heads)
            experts = int(config.get("num_experts_per_tok") or 1)
            width = config.get("moe_intermediate_size") or config.get("intermediate_size") or config.get("n_inner")
            return cls(
                hidden, int(width or 4 * hidden) * experts, heads * head,
                int(config.get("num_key_value_heads") or heads) * head, heads,
                _number(config, "num_hidden_layers", "n_layer"), _number(config, "vocab_size"),
                any("gate" in name for name in names), any("q_norm" in name for name in names),
                config.get("_attn_implementation", "sdpa") != "eager",
            )  # fmt: skip
        except (TypeError, ValueError, ZeroDivisionError):
            raise UserError(f"config.json of {base.name!r} says too little of its layers.", "", "model") from None


def _number(config: dict[str, Any], *names: str) -> int:
    return int(next((config[name] for name in names if config.get(name)), ""))


@dataclass(frozen=True)
class Batch:
    """What goes through the model at once: pairs are two rows each. padded: whether rows lie one below the other."""

    rows: int
    length: int
    hardware: Hardware
    padded: bool = False

    @property
    def tokens(self) -> int:
        return self.rows * self.length

    @property
    def attends_in_float32(self) -> bool:
        """Whether `row_attention` computes in float32 what the model has in 16 bits."""
        return self.hardware.device == "cpu" and not self.padded and self.length <= FLOAT32_TOKENS

    @property
    def is_masked(self) -> bool:
        """Whether attention takes a mask, with which it repeats keys and values for every head."""
        return self.padded and self.rows > 1


def activation_bytes(sizes: LayerSizes, batch: Batch, held: WeightFacts) -> int:
    """Of one layer, what its backward pass needs. The one formula of activations."""
    number = dtype_bytes(batch.hardware)
    copied = number < FLOAT32_BYTES and not held.in_one_step
    attention = sizes.queries * 2 + (sizes.queries if batch.is_masked else sizes.keys) * 2
    attention *= FLOAT32_BYTES // number if batch.attends_in_float32 else 1
    attention += 0 if batch.padded else sizes.queries  # the rows' outputs, and these end to end
    attention += batch.length if batch.is_masked else 0  # the mask, a number for each pair of tokens
    mlp = sizes.inner * (4 if sizes.gated else 2)
    norms = sizes.hidden * (4 if held.whole else 2)
    per_token = FLOAT32_BYTES * norms + number * (attention + mlp) + FLOAT32_BYTES * (sizes.heads + 2)
    if sizes.query_norm:
        per_token += FLOAT32_BYTES * (sizes.queries + sizes.keys) * (2 if held.whole else 1)
    inputs = sizes.hidden * ((5 if sizes.gated else 4) if copied else 2)  # q, k, v, gate, up; one for both norms' else
    per_token += number * inputs
    if held.rank:
        per_token += number * held.targets * held.rank + (number * sizes.queries if copied else 0)
    scores = 0 if sizes.fused_attention else 2 * sizes.heads * batch.length * number
    return batch.tokens * (per_token + scores)


def kept_activations(sizes: LayerSizes, batch: Batch, held: WeightFacts, checkpointing: bool) -> int:
    """Of all layers when the forward pass ends: each one's input alone where they are computed again."""
    layer = activation_bytes(sizes, batch, held)
    if not checkpointing:
        return sizes.layers * layer
    return layer + sizes.layers * batch.tokens * sizes.hidden * dtype_bytes(batch.hardware)


def logits_bytes(sizes: LayerSizes, batch: Batch, held: WeightFacts) -> int:
    """Of an output layer that is computed in tiles, with the gradients of what it takes.

    One that does not train is computed by `token_log_probs` on a CPU: a tile of logits and one of their exponentials,
    and of what a product in 16 bits gives. Others by TRL, whose tiles go over tokens and vocabulary: one in a GPU's
    kernel, the copies of its steps on a CPU.
    """
    states = 2 * FLOAT32_BYTES * batch.tokens * sizes.hidden
    on_gpu = batch.hardware.device == "cuda"
    if not held.whole and not on_gpu:
        rows = min(batch.tokens, max(FEWEST_ROWS, TILE_BYTES // (FLOAT32_BYTES * sizes.vocabulary)))
        number = dtype_bytes(batch.hardware)
        products = number if number < FLOAT32_BYTES else 0
        return rows * sizes.vocabulary * (OWN_COPIES * FLOAT32_BYTES + products) + states
    tile = min(batch.tokens, TRL_ROWS) * min(sizes.vocabulary, TRL_COLUMNS)
    return tile * (dtype_bytes(batch.hardware) if on_gpu else FLOAT32_BYTES * TRL_COPIES) + states
