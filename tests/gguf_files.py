"""Small GGUF files of plain floats, the same bytes on every machine, laid out like models of different sorts."""

from dataclasses import dataclass, field
from pathlib import Path

import gguf
import numpy as np

ROWS = 4
BLOCK = {
    "attn_q": 256,
    "attn_k": 256,
    "attn_v": 256,
    "attn_output": 256,
    "ffn_gate": 256,
    "ffn_up": 256,
    "ffn_down": 512,
}
FUSED = {"attn_qkv": 256, "attn_output": 256, "ffn_up": 256, "ffn_down": 512}
EXPERTS = {"attn_q": 256, "attn_k": 256, "attn_v": 256, "attn_output": 256}


@dataclass(frozen=True)
class Sort:
    """A layout: the width of each matrix in a layer, and what the rules of mixing ask about a model."""

    architecture: str = "llama"
    layers: int = 8
    heads: int = 4
    key_heads: int = 2
    experts: int = 0
    block: dict[str, int] = field(default_factory=lambda: BLOCK)
    output: bool = False


SORTS = {
    "plain": Sort(),
    "odd": Sort(block={name: 288 if width == 256 else width for name, width in BLOCK.items()}, output=True),
    "shared": Sort(key_heads=1, output=True, layers=16),
    "experts": Sort(experts=8, block=EXPERTS, key_heads=1),
    "fused": Sort("gpt2", block=FUSED, key_heads=4),
    "falcon": Sort("falcon", block=FUSED, key_heads=1, layers=16),
    "deep": Sort(layers=80, heads=8, key_heads=4, block={"attn_v": 256, "ffn_down": 256}),
}


def tensors(sort: Sort) -> dict[str, np.ndarray]:
    """Random weights by GGUF name; outer dimension first, as numpy has it."""
    random = np.random.Generator(np.random.PCG64(7))
    width = next(iter(sort.block.values()))
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (ROWS, width), "output_norm.weight": (width,)}
    if sort.output:
        shapes["output.weight"] = (ROWS, width)
    if sort.architecture == "gpt2":
        shapes |= {"position_embd.weight": (ROWS, width), "blk.0.attn_qkv.bias": (ROWS,)}
    for layer in range(sort.layers):
        shapes[f"blk.{layer}.attn_norm.weight"] = (width,)
        shapes |= {f"blk.{layer}.{name}.weight": (ROWS, wide) for name, wide in sort.block.items()}
        if sort.experts:
            shapes[f"blk.{layer}.ffn_gate_inp.weight"] = (sort.experts, width)
            for name, wide in (("gate", 256), ("up", 256), ("down", 512)):
                shapes[f"blk.{layer}.ffn_{name}_exps.weight"] = (sort.experts, ROWS, wide)
    kinds = {True: np.float32, False: np.float16}
    return {
        name: (random.integers(-4096, 4096, shape) / 32768).astype(kinds[len(shape) == 1])
        for name, shape in shapes.items()
    }


def write(path: Path, sort: Sort, template: str = "") -> dict[str, np.ndarray]:
    """Writes a file of that layout and returns its tensors."""
    writer = gguf.GGUFWriter(path, sort.architecture)
    writer.add_type("model")
    writer.add_block_count(sort.layers)
    writer.add_context_length(512)
    writer.add_embedding_length(256)
    writer.add_feed_forward_length(512)
    writer.add_head_count(sort.heads)
    writer.add_head_count_kv(sort.key_heads)
    writer.add_layer_norm_eps(1e-5)
    writer.add_layer_norm_rms_eps(1e-5)
    if sort.experts:
        writer.add_expert_count(sort.experts)
        writer.add_expert_used_count(2)
    writer.add_file_type(1)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([f"token {number}" for number in range(3000)])
    if template:
        writer.add_chat_template(template)
    made = tensors(sort)
    for name, data in made.items():
        writer.add_tensor(name, data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return made


def importance(sort: Sort) -> dict[str, np.ndarray]:
    """Positive weights for the columns of every matrix in the layers."""
    random = np.random.Generator(np.random.PCG64(11))
    return {
        name: (random.integers(1, 1000, data.shape[-1] * (data.shape[0] if data.ndim > 2 else 1)) / 256).astype("f4")
        for name, data in tensors(sort).items()
        if name.startswith("blk.") and data.ndim > 1
    }
