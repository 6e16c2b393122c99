"""What QLoRA of a large model takes of a GPU's memory, on paper: the estimate of every training, of a model that is a
header alone."""

import json
import math
import os
from dataclasses import dataclass
from typing import Any

from workbench.core.hardware import Hardware
from workbench.core.home import Home, atomic_dir
from workbench.core.lineage import Manifest, write_manifest
from workbench.training.jobs.train import Train
from workbench.training.memory_estimate import MemoryEstimate, estimate_memory

MODEL_NAME = "seven-b"
HALF_BYTES = 2


@dataclass(frozen=True)
class ModelSize:
    """The shape of a decoder with a gated MLP and grouped queries, such as Llama or Mistral."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    key_value_heads: int
    vocabulary: int

    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor of such a Llama by its name."""
        narrow = self.hidden * self.key_value_heads // self.heads
        square, up = (self.hidden, self.hidden), (self.intermediate, self.hidden)
        layer = {
            "self_attn.q_proj": square, "self_attn.k_proj": (narrow, self.hidden),
            "self_attn.v_proj": (narrow, self.hidden), "self_attn.o_proj": square, "mlp.gate_proj": up,
            "mlp.up_proj": up, "mlp.down_proj": (self.hidden, self.intermediate),
            "input_layernorm": (self.hidden,), "post_attention_layernorm": (self.hidden,),
        }  # fmt: skip
        table = (self.vocabulary, self.hidden)
        return {
            "model.embed_tokens.weight": table,
            **{f"model.layers.{n}.{name}.weight": shape for n in range(self.layers) for name, shape in layer.items()},
            "model.norm.weight": (self.hidden,),
            "lm_head.weight": table,
        }


@dataclass(frozen=True)
class TrainingSize:
    """Rows in a forward pass, tokens of each, and the rank of the adapter."""

    batch_size: int
    tokens: int
    rank: int


SEVEN_B = ModelSize(hidden=4096, intermediate=14336, layers=32, heads=32, key_value_heads=8, vocabulary=32000)
"""Mistral 7B (https://arxiv.org/abs/2310.06825, table 1)."""
TRAINING = TrainingSize(batch_size=4, tokens=512, rank=16)
"""What a new training is set to."""


def qlora_memory(
    home: Home, size: ModelSize, training: TrainingSize, hardware: Hardware, checkpointing: bool = False
) -> MemoryEstimate:
    """What QLoRA of such a model takes on this device, part by part, at the settings a new training has."""
    if not (home.models / MODEL_NAME).is_dir():
        _write_headers(home, size)
    job = Train.parse({
        "model": MODEL_NAME, "dataset": "any", "tuner": {"method": "qlora", "r": training.rank},
        "batch_size": training.batch_size, "max_length": training.tokens, "gradient_checkpointing": checkpointing,
    })  # fmt: skip
    return estimate_memory(home, job, hardware)


def _write_headers(home: Home, size: ModelSize) -> None:
    """A model on the shelf whose weights are a hole in a file: they take no room, and are never read."""
    header: dict[str, Any] = {}
    end = 0
    for name, shape in size.tensor_shapes().items():
        begin, end = end, end + HALF_BYTES * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    config = {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": size.hidden,
        "intermediate_size": size.intermediate, "num_hidden_layers": size.layers, "num_attention_heads": size.heads,
        "num_key_value_heads": size.key_value_heads, "vocab_size": size.vocabulary,
    }  # fmt: skip
    with atomic_dir(home.models / MODEL_NAME) as folder:
        (folder / "config.json").write_text(json.dumps(config))
        weights = folder / "model.safetensors"
        weights.write_bytes(len(text).to_bytes(8, "little") + text)
        write_manifest(folder, Manifest(kind="model", name=MODEL_NAME))  # before the hole: it reads every byte
        os.truncate(weights, 8 + len(text) + end)
