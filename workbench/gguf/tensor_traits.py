"""The tensors of a GGUF as llama.cpp's rules see them: their sorts, their order, and which are quantized.

https://github.com/ggml-org/llama.cpp/blob/master/src/llama-quant.cpp (MIT)
"""

import re
from dataclasses import dataclass

from workbench.gguf.reading import Header

NEVER_QUANTIZED = (
    "_norm.weight", "ffn_gate_inp.weight", "ffn_gate_tid2eid.weight", "altup", "laurel", "per_layer_model_proj",
    "ssm_conv1d", "shortconv.conv.weight", "indexer.k_proj.weight", "indexer.q_proj.weight", "time_mix_first.weight",
    *(f"time_mix_{name}.weight" for name in ("w0", "w1", "w2", "v0", "v1", "v2", "a0", "a1", "a2", "g1", "g2")),
    "time_mix_decay_w1.weight", "time_mix_decay_w2.weight", "time_mix_lerp_fused.weight", "attn_rel_b.weight",
    ".position_embd", "sam.pos_embd", "sam.neck.", "sam.net_", ".rel_pos", ".patch_embd", ".patch_merger",
    "a.rvq.codebook", "mm.a.code_embd",
)  # fmt: skip
SORTS = (
    ("attn_qkv.weight", "value"), ("attn_kv_b.weight", "value"), ("attn_v.weight", "value"), ("attn_k.weight", "key"),
    ("attn_q.weight", "query"), ("attn_output.weight", "attention output"), ("ffn_up", "up"), ("ffn_gate", "gate"),
    ("ffn_down", "down"),
)  # fmt: skip
BLOCK_NUMBER = re.compile(r"blk\.(\d+)\.")


@dataclass(frozen=True)
class Traits:
    """What the rules ask about a model."""

    architecture: str
    layers: int
    heads: int
    key_heads: int
    experts: int = 0

    @property
    def sharing(self) -> int:
        """How many query heads share a key head."""
        return self.heads // self.key_heads if self.key_heads else 0

    @property
    def is_70b(self) -> bool:
        shared = self.architecture == "llama" and self.heads != self.key_heads
        return self.layers == 80 and (shared or self.architecture == "qwen2")

    @classmethod
    def of(cls, header: Header) -> "Traits":
        name = header.architecture
        heads = header.number(f"{name}.attention.head_count", 0)
        return cls(
            name, header.number(f"{name}.block_count", 0), heads,
            header.number(f"{name}.attention.head_count_kv", heads), header.number(f"{name}.expert_count", 0),
        )  # fmt: skip


@dataclass(frozen=True)
class Weight:
    """A tensor to be given a type: its shape begins with the width of a row, `type` is what it is now."""

    name: str
    shape: tuple[int, ...]
    type: str


def order(name: str) -> tuple[int, str]:
    """A key that sorts tensors by layer, then by name; those of no layer come first."""
    layer = BLOCK_NUMBER.match(name)
    return int(layer[1]) if layer else -1, name


def is_quantized(weight: Weight) -> bool:
    """Whether quantizing changes this tensor at all: matrices that are no norms, gates or small helpers."""
    dimensions = max((axis + 1 for axis, size in enumerate(weight.shape) if size > 1), default=1)
    if dimensions < 2 or not weight.name.endswith("weight"):
        return False
    names = ("position_embd.weight", "token_types.weight")
    return weight.name not in names and not any(pattern in weight.name for pattern in NEVER_QUANTIZED)


def sort_of(name: str) -> str:
    """What a tensor does in the model, which decides its type: output, embedding, attention value and so on."""
    if name == "output.weight":
        return "output"
    if name in ("token_embd.weight", "per_layer_token_embd.weight"):
        return "embedding"
    return next((sort for pattern, sort in SORTS if pattern in name), "other")
