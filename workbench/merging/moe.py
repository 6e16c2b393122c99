"""A mixture of experts from dense models, by mergekit's code: https://github.com/arcee-ai/mergekit/tree/main/mergekit/moe.

Imports torch and mergekit: only job processes import this.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mergekit.moe import ALL_OUTPUT_ARCHITECTURES, common
from mergekit.moe.config import MoEMergeConfig
from mergekit.moe.router import get_gate_params
from mergekit.options import MergeOptions
from torch import Tensor

from workbench.core.tasks import Task
from workbench.merging.moe_recipe import Expert, MoeRecipe
from workbench.merging.stack import layer_of
from workbench.models.loading import load_tokenizer
from workbench.models.weights import ShardWriter

SHARD_BYTES = 2_000_000_000
NAMES = {"mixtral": "Mixtral", "qwen": "Qwen MoE", "qwen3": "Qwen3 MoE"}
FUSED = {"mixtral": ("block_sparse_moe", "w1", "w3", "w2"), "qwen3": ("mlp", "gate_proj", "up_proj", "down_proj")}
TOO_ALIKE_CONDITION = 5.0  # mergekit's own bound on the condition number of a router


def assemble(
    recipe: MoeRecipe, folders: dict[str, Path], target: Path, seed: int, device: str, task: Task
) -> list[int]:
    """Writes weights and config into `target`; returns the layers whose experts the router can hardly tell apart.

    mergekit writes the experts of a layer as one tensor, the way transformers holds them in memory. They are split on
    the way into the files that Mixtral and Qwen MoE are published in, which transformers, llama.cpp and mergekit read.
    `task` is told of every layer, and may stop it.
    """
    config = MoEMergeConfig.model_validate(_with_folders(recipe, folders))
    output = recipe.output(folders)
    makes = next(architecture for architecture in ALL_OUTPUT_ARCHITECTURES if architecture.name() == NAMES[output])
    torch.manual_seed(seed)
    task.update(0, 0, "Reading the prompts")
    tokenizer = load_tokenizer(folders[recipe.base_model])
    tokenizer.padding_side = "left"
    experts = [*config.experts, *(config.shared_experts or [])]
    gates = get_gate_params(config.base_model, tokenizer, experts, mode=recipe.gate_mode, device=device)
    routed, shared = gates[:, : len(config.experts)], gates[:, len(config.experts) :]
    with _writing_through(output, task):
        makes.write_model(str(target), config, MergeOptions(device="cpu"), list(routed), list(shared))
    return [layer for layer, gate in enumerate(routed) if torch.linalg.cond(gate.float()) > TOO_ALIKE_CONDITION]


def _with_folders(recipe: MoeRecipe, folders: dict[str, Path]) -> dict[str, Any]:
    def placed(expert: Expert) -> dict[str, Any]:
        return {**expert.to_dict(), "source_model": {"model": {"path": str(folders[expert.source_model])}}}

    data = {**recipe.to_dict(), "base_model": {"model": {"path": str(folders[recipe.base_model])}}}
    data["experts"] = [placed(expert) for expert in recipe.experts]
    return {**data, "shared_experts": [placed(expert) for expert in recipe.shared_experts or []] or None}


@contextlib.contextmanager
def _writing_through(output: str, task: Task) -> Iterator[None]:
    """Puts our writer in the place of mergekit's for a while: the one place every tensor comes through."""

    class Writer:
        def __init__(self, out_path: str, **_: Any):
            self.shards = ShardWriter(Path(out_path), SHARD_BYTES)

        def save_tensor(self, name: str, tensor: Tensor, **_: Any) -> None:
            task.check_stop()
            layer = layer_of(name)
            task.update(0, 0, "Writing" if layer is None else f"Writing layer {layer}")
            for key, weight in published(output, name, tensor):
                self.shards.add(key, weight)

        def finalize(self) -> None:
            self.shards.finish()

    before, common.TensorWriter = common.TensorWriter, Writer
    try:
        yield
    finally:
        common.TensorWriter = before


def published(output: str, name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    """A tensor under the names it has in published files; fused experts (experts, rows, columns) one by one."""
    block, gate, up, down = FUSED.get(output, FUSED["qwen3"])
    layer, _, rest = name.partition(".mlp.")
    for expert, weight in enumerate(tensor if rest in ("experts.gate_up_proj", "experts.down_proj") else ()):
        parts = zip((gate, up), weight.chunk(2), strict=True) if "gate_up" in rest else [(down, weight)]
        for projection, values in parts:
            yield f"{layer}.{block}.experts.{expert}.{projection}.weight", values
    if rest not in ("experts.gate_up_proj", "experts.down_proj"):
        yield f"{layer}.{block}.{rest}" if rest else name, tensor
