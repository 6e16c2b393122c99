"""What the quantizers of transformers folders share: which matrices they turn, what stands against it, the writing.

Headers and config alone tell before the work; torch is imported where a job loads the model.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from workbench.compression.quantizer import Work
from workbench.core.errors import Problems
from workbench.core.units import human_size
from workbench.models import tensors
from workbench.models.anatomy import FLOAT_BYTES
from workbench.models.model_references import Resolved
from workbench.models.shelving import copy_texts

Shape = tuple[int, ...]

OUTSIDE = re.compile(r"embed|\bwte\b|\bwpe\b|\blm_head\b|\brouter\b|\bgate\.weight")  # what stays in 16 bits
CAUSAL = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
TRANSPOSED = ("gpt2", "openai-gpt", "imagegpt", "decision_transformer")  # their matrices are no nn.Linear
EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
SHARD = "2GB"
TENSOR_HEADER_BYTES = 110  # bytes that a tensor's name, type, shape and place take in the file


@dataclass(frozen=True)
class Parts:
    """A model's tensors by their headers: name → (shape, safetensors dtype)."""

    folder: Path
    config: dict[str, Any]
    headers: dict[str, tuple[Shape, str]]

    @classmethod
    def of(cls, folder: Path) -> "Parts":
        """Raises `UserError` on a damaged folder."""
        config = tensors.model_config(folder)
        headers = {name: (shape, dtype) for name, shape, dtype in tensors.shapes(folder)}
        if config.get("tie_word_embeddings") and any("embed_tokens" in name for name in headers):
            headers.pop("lm_head.weight", None)  # the same tensor again; it is saved once
        return cls(folder, config, headers)

    @cached_property
    def matrices(self) -> dict[str, Shape]:
        """The weights of the linear layers, rows × columns: what quantizers turn. Embeddings, head and routers stay."""
        return {
            name: shape
            for name, (shape, dtype) in self.headers.items()
            if len(shape) == 2 and name.endswith(".weight") and dtype in FLOAT_BYTES and not OUTSIDE.search(name)
        }

    @property
    def parameters(self) -> int:
        return sum(math.prod(shape) for shape, _ in self.headers.values())

    @property
    def rest(self) -> int:
        """Parameters that stay as they are."""
        return self.parameters - sum(math.prod(shape) for shape in self.matrices.values())

    def bytes(self, packed: Callable[[int, int], tuple[float, int]]) -> int:
        """The size of the files when a matrix of (rows, columns) takes `packed` (bytes, tensors), the rest 16 bits."""
        each = [packed(*shape) for shape in self.matrices.values()]
        entries = sum(count for _, count in each) + len(self.headers) - len(self.matrices)
        return int(sum(size for size, _ in each) + 2 * self.rest + TENSOR_HEADER_BYTES * entries)

    def widths(self) -> set[int]:
        """The columns of its matrices: what groups of weights must divide."""
        return {shape[1] for shape in self.matrices.values()}

    def notes(self) -> list[str]:
        """What a person should know of every such copy of this model."""
        share = self.rest / max(self.parameters, 1)
        note = f"Embeddings and norms stay in 16 bits: {share:.0%} of the weights, {human_size(2 * self.rest)}."
        return [note] if share > 0.1 else []


def check_model(resolved: Resolved, problems: Problems, only_linear: bool = True) -> Parts | None:
    """Adds why a model cannot be quantized; its parts if nothing stands against it.

    `only_linear`: the quantizer knows nn.Linear alone, so that experts and transposed matrices would stay as they are.
    """
    parts = Parts.of(resolved.base)
    before, config = len(problems.found), parts.config
    architecture = str((config.get("architectures") or ["?"])[0])
    if config.get("quantization_config"):
        problems.add("model", f"{resolved.base.name!r} is quantized already.", "Choose the model it was made from.")
    elif not architecture.endswith(CAUSAL):
        problems.add("model", f"{architecture} is no language model that answers.", "Choose a causal language model.")
    elif not parts.matrices:
        problems.add("model", f"{architecture} has no matrices that could be quantized.", "Choose another model.")
    elif only_linear and config.get("model_type") in TRANSPOSED:
        problems.add("model", f"{architecture} keeps its matrices transposed.", "Quantize it to GGUF.")
    elif only_linear and any(int(config.get(name) or 0) > 1 for name in EXPERTS):
        problems.add("model", f"{architecture} has experts, which would stay as large.", "Quantize it to GGUF.")
    return parts if len(problems.found) == before else None


def quantize_and_save(work: Work, quantization: Any) -> dict[str, Any]:
    """Loads the model with its matrices quantized, writes it with its texts; what its manifest says of it.

    quantization: a config object of transformers. Raises `JobStopped`.
    """
    from workbench.core.hardware import detect_hardware
    from workbench.models.loading import load_base

    parts, hardware = Parts.of(work.resolved.base), detect_hardware()
    work.task.update(0, 3, f"Loading and quantizing on {hardware.device}")
    model: Any = load_base(work.resolved.base, hardware, quantization, sixteen_bits(parts))
    work.task.check_stop()
    work.task.update(2, 3, "Saving")
    model.save_pretrained(work.folder, max_shard_size=SHARD)
    copy_texts(work.resolved.base, work.folder)
    work.task.update(3, 3, "Saved")
    return quantized_facts(parts, work.folder)


def sixteen_bits(parts: Parts) -> Any:
    """torch's dtype of what is not quantized: the model's own, or bfloat16 for wider ones."""
    import torch

    kinds = [dtype for shape, dtype in parts.headers.values() if len(shape) == 2]
    return torch.float16 if kinds and all(kind == "F16" for kind in kinds) else torch.bfloat16


def quantized_facts(parts: Parts, folder: Path) -> dict[str, Any]:
    """What every manifest says: parameters as the original counts them, the matrices turned, bytes, notes."""
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return {
        "parameters": parts.parameters,
        "matrices": len(parts.matrices),
        "bytes": size,
        "bits_per_weight": round(8 * size / parts.parameters, 2),
        "notes": parts.notes(),
    }
