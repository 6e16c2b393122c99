"""The parts of a model that pruning cuts, as its config and the headers of its weight files name them."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.core.errors import UserError
from workbench.models import tensors

IN_LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.(.+)$")
FLOAT_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
ROUTERS = (".gate.weight", ".router.weight")
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
PER_LAYER = ("layer_types", "mlp_layer_types", "no_rope_layers")  # lists of a config with one entry a layer

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Anatomy:
    """A decoder's config and the shape and safetensors dtype of its tensors, by name."""

    folder: Path
    config: dict[str, Any]
    shapes: dict[str, Shape]
    dtypes: dict[str, str]

    @classmethod
    def of(cls, folder: Path) -> "Anatomy":
        """Read without torch; raises `UserError` for what cannot be pruned: quantized models, and no decoders."""
        config = tensors.model_config(folder)
        headers = list(tensors.shapes(folder))
        anatomy = cls(
            folder, config, {name: shape for name, shape, _ in headers}, {name: dtype for name, _, dtype in headers}
        )
        if config.get("quantization_config"):
            raise UserError(f"{folder.name} is quantized already.", "Prune the model it was made from.", "model")
        if not config.get("num_hidden_layers") or not anatomy.linear():
            raise UserError(
                f"{folder.name} is no plain language model: its layers have other names or parts.",
                "Llama, Mistral, Qwen, Gemma, SmolLM and models built like them can be pruned.",
                "model",
            )
        return anatomy

    @property
    def layers(self) -> int:
        return int(self.config["num_hidden_layers"])

    @property
    def hidden(self) -> int:
        return int(self.config["hidden_size"])

    @property
    def width(self) -> int:
        """Neurons of an MLP; raises `UserError` where it is not made of gate, up and down."""
        wanted = [f"mlp.{projection}_proj.weight" for projection in ("gate", "up", "down")]
        widths = {self.shapes[name][0] for name in self.each_layer(wanted[:2], "MLP")}
        widths |= {self.shapes[name][1] for name in self.each_layer(wanted[2:], "MLP")}
        if len(widths) > 1:
            raise _other("the MLPs of its layers differ in width")
        return widths.pop()

    @property
    def groups(self) -> int:
        """Key/value heads of a layer; each serves `heads // groups` query heads."""
        return int(self.config.get("num_key_value_heads") or self.heads)

    @property
    def heads(self) -> int:
        return int(self.config["num_attention_heads"])

    @property
    def head_dim(self) -> int:
        """Width of a head; raises `UserError` where attention is not q, k, v and o of one size in all layers."""
        head_width = int(self.config.get("head_dim") or self.hidden // self.heads)
        rows = {
            "q_proj": self.heads * head_width,
            "k_proj": self.groups * head_width,
            "v_proj": self.groups * head_width,
        }
        for name in self.each_layer([f"self_attn.{projection}.weight" for projection in ATTENTION], "attention"):
            projection = name.split(".")[-2]
            if rows.get(projection, self.heads * head_width) != self.shapes[name][projection == "o_proj"]:
                raise _other(f"{name} has not the size its config says")
        divided = {f"self_attn.{projection}.{kind}" for projection in ATTENTION for kind in ("weight", "bias")}
        for name, shape in self.shapes.items():
            inner_name = within(name)
            if inner_name.startswith("self_attn.") and inner_name not in divided and shape != (head_width,):
                raise _other(f"it has {inner_name}, which is not divided by heads in a known way")
        return head_width

    def each_layer(self, inner_names: Iterable[str], block: str) -> list[str]:
        """The names of these parts in all layers; raises `UserError` when one is missing."""
        tensor_names = {(layer_number(name), within(name)): name for name in self.shapes}
        names = [(layer, inner_name) for layer in range(self.layers) for inner_name in inner_names]
        missing = [inner_name for layer, inner_name in names if (layer, inner_name) not in tensor_names]
        if missing:
            raise _other(f"its {block} has no {missing[0]}")
        return [tensor_names[key] for key in names]

    def linear(self) -> list[str]:
        """The matrices of its layers: what unstructured pruning thins out. Embeddings, head and routers are left."""
        return [
            name
            for name, shape in self.shapes.items()
            if layer_number(name) is not None and len(shape) == 2 and name.endswith(".weight")
            if self.dtypes[name] in FLOAT_BYTES and not name.endswith(ROUTERS)
        ]

    def size(self, shapes: dict[str, Shape] | None = None) -> tuple[int, int]:
        """(parameters, bytes), of these shapes in place of its own if they are given."""
        counts = {name: math.prod(shape) for name, shape in (self.shapes if shapes is None else shapes).items()}
        size = sum(count * FLOAT_BYTES.get(self.dtypes[name], 1) for name, count in counts.items())
        return sum(counts.values()), size


def layer_number(name: str) -> int | None:
    """The layer a tensor belongs to; None for embeddings, last norm and head."""
    match = IN_LAYER.search(name)
    return int(match[1]) if match else None


def within(name: str) -> str:
    """A tensor's name inside its layer, as mlp.down_proj.weight; '' outside of layers."""
    match = IN_LAYER.search(name)
    return match[2] if match else ""


def _other(reason: str) -> UserError:
    return UserError(f"This model cannot be pruned so: {reason}.", "Choose another pruner.", "pruner")
