"""What QLoRA takes of a GPU's memory, on paper."""

from dataclasses import dataclass

WEIGHT_BITS = 4.127
"""NF4 in blocks of 64 with double quantization: 4 bits and 0.127 for the scales (Dettmers et al. 2023, section 3)."""
HALF_BYTES, FLOAT_BYTES = 2, 4
ADAM_STATES = 2


@dataclass(frozen=True)
class ModelSize:
    """The shape of a decoder with a gated MLP and grouped queries, such as Llama or Mistral."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    key_value_heads: int
    vocabulary: int

    @property
    def linear_shapes(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of the linear layers of one block: q, k, v, o, gate, up, down."""
        narrow = self.hidden * self.key_value_heads // self.heads
        return [
            (self.hidden, self.hidden), (self.hidden, narrow), (self.hidden, narrow), (self.hidden, self.hidden),
            (self.hidden, self.intermediate), (self.hidden, self.intermediate), (self.intermediate, self.hidden),
        ]  # fmt: skip


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


def qlora_bytes(model: ModelSize, training: TrainingSize, checkpointing: bool = False) -> dict[str, int]:
    """Bytes by what takes them.

    Activations of a layer: 14·h + 2·h + 8·i bytes a token in 16 bits, h and i being hidden and intermediate size. This
    is the count of Korthikanti et al. 2022 (https://arxiv.org/abs/2205.05198, section 4.1) without dropout and without
    attention scores, which fused attention does not keep, and with the gated MLP's four intermediate tensors. With
    checkpointing 2·h a token of every layer and all of one layer. Logits are held once in 16 bits and, for the loss and
    its gradient, twice in 32.
    """
    linear = sum(inputs * outputs for inputs, outputs in model.linear_shapes) * model.layers
    adapter = sum(training.rank * (inputs + outputs) for inputs, outputs in model.linear_shapes) * model.layers
    tokens = training.batch_size * training.tokens
    layer = tokens * (16 * model.hidden + 8 * model.intermediate)
    kept = tokens * HALF_BYTES * model.hidden * model.layers + layer
    return {
        "weights": round(linear * WEIGHT_BITS / 8) + 2 * model.vocabulary * model.hidden * HALF_BYTES,
        "adapter and its gradient": 2 * adapter * FLOAT_BYTES,
        "optimizer (AdamW)": ADAM_STATES * adapter * FLOAT_BYTES,
        "activations": kept if checkpointing else layer * model.layers,
        "logits": tokens * model.vocabulary * (HALF_BYTES + 2 * FLOAT_BYTES),
    }
