"""Which weights a tuner holds in memory and which of them it trains, from headers alone. Imports no torch."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from workbench.core.hardware import Hardware
from workbench.models import tensors
from workbench.training.optimizer import Optimizer

FLOAT32_BYTES = 4
NF4_BYTES = 0.5 + 1 / 64 * (1 + 4 / 256)
"""A 4-bit weight and its share of the scales: a byte for each 64 weights, and 4 for each 256 of these."""

TABLES = ("embed_tokens.weight", "wte.weight", "lm_head.weight")
"""What ends the files' names of the embeddings and the output head."""
OTHER_TABLES = ("wpe.weight", "embed_in.weight", "embed_out.weight", "word_embeddings.weight")

Shape = tuple[int, ...]


@dataclass(frozen=True)
class WeightFacts:
    """What is in memory before the first step. frozen_bytes: of weights that never change; trained: the shapes of
    those that do, in float32; whole: whether the model's own weights train; rank: of adapters, 0 for none; targets: how
    many matrices of a layer one stands on; in_one_step: whether these are computed by `lora_forward`; tables: shapes of
    those trained that are embeddings or an output head."""

    frozen_bytes: int
    trained: tuple[Shape, ...]
    whole: bool = False
    rank: int = 0
    targets: int = 0
    in_one_step: bool = False
    tables: frozenset[Shape] = frozenset()

    @property
    def trained_parameters(self) -> int:
        return sum(map(math.prod, self.trained))

    def state_bytes(self, optimizer: Optimizer) -> int:
        """What the optimizer holds beside the weights that train."""
        return sum(optimizer.state_bytes(shape, shape in self.tables) for shape in self.trained)


def is_table(name: str) -> bool:
    """Whether a weight with this name in the files has a row for each token, or each position."""
    return name.endswith(TABLES + OTHER_TABLES)


def dtype_bytes(hardware: Hardware) -> int:
    """Bytes of a number in the dtype that the device loads and multiplies in."""
    if hardware.dtype:
        return FLOAT32_BYTES if hardware.dtype == "float32" else 2
    return 2 if hardware.bf16 or hardware.device == "cuda" else FLOAT32_BYTES


def frozen_bytes(shapes: Iterable[tuple[str, Shape, str]], hardware: Hardware) -> int:
    """Of a model as it is loaded to answer."""
    return sum(math.prod(shape) for _, shape, _ in shapes) * dtype_bytes(hardware)


def nf4_bytes(base: Path, is_quantized: bool) -> int:
    """Of a base whose layers' matrices are held in 4 bits and the rest in float32; a quantized folder as it is."""
    if is_quantized:
        return tensors.summary(base).size
    total = 0.0
    for name, shape, _ in tensors.shapes(base):
        in_layer = len(shape) == 2 and "embed" not in name and not name.startswith("lm_head")
        total += math.prod(shape) * (NF4_BYTES if in_layer else FLOAT32_BYTES)
    return round(total)
