"""LoRA with LoRA: PEFT's add_weighted_adapter over a base without weights.

Imports torch: only job processes import this.
https://github.com/huggingface/peft/blob/main/src/peft/tuners/lora/model.py
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from workbench.core.home import atomic_dir
from workbench.core.lineage import Manifest, parent_of, write_manifest
from workbench.jobs.job import JobContext
from workbench.merging.jobs.combine_adapters import SVD, CombineAdapters, ranks, uneven
from workbench.models.adapted import Adapted
from workbench.models.adapter_judge import judge_made
from workbench.models.base_settings import base_settings, copy_base_settings, scaling_info
from workbench.models.casting import require_finite
from workbench.models.model_references import model_ref
from workbench.models.shelving import copy_texts

NEW = "default"  # the one name that PEFT saves without a folder of its own


def run(job: CombineAdapters, ctx: JobContext) -> dict[str, Any]:
    """Combines the adapters and puts the result on the shelf: {'model', 'rank', 'weights'}."""
    resolved = [model_ref(job, "adapters").find(ctx.home, name, "adapters") for name in job.adapters]
    folders, base = [model.folders[0] for model in resolved], resolved[0].base
    for note in uneven(folders):
        ctx.note(note)
    with atomic_dir(ctx.home.models / job.output) as partial:
        rank = combine_adapters(base, folders, job, partial, ctx)
        copy_texts(folders[0], partial)
        copy_base_settings(folders[0], partial)  # the same of all, as was checked
        parents = [parent_of(base, "base"), *(parent_of(folder, "combined") for folder in folders)]
        result = {"model": job.output, "rank": rank, "weights": job.shares}
        made_by = {**job.to_dict(), "job": ctx.folder.name}
        info = {**result, **scaling_info(base_settings(partial))}
        manifest = Manifest(kind="adapter", name=job.output, parents=parents, made_by=made_by, info=info)
        write_manifest(partial, manifest)
    for note in judge_made(ctx.home, ctx.home.models / job.output, base):
        ctx.note(note)
    return result


def combine_adapters(base: Path, folders: list[Path], job: CombineAdapters, target: Path, ctx: JobContext) -> int:
    """Writes the combined adapter into `target`; returns its rank. Computed and kept in float32."""
    ctx.task.update(0, 0, "Reading the adapters")
    model = with_adapters(base, folders)
    lora = model.base_model
    names = [f"adapter_{index}" for index in range(len(folders))]
    rank = job.rank or max(rank for folder in folders for rank in ranks(folder).values())
    _report(lora, ctx, len(set().union(*(ranks(folder) for folder in folders))))
    torch.manual_seed(job.seed)
    lora.add_weighted_adapter(  # type: ignore[operator]
        names, job.shares, NEW, "cat" if job.combination == "svd" else job.combination,
        svd_rank=rank, svd_full_matrices=False, density=job.density, majority_sign_method=job.majority_sign_method,
    )  # fmt: skip
    config: LoraConfig = lora.peft_config[NEW]  # type: ignore[index,assignment]
    if job.combination in SVD:
        config.r = config.lora_alpha = min(rank, config.r)
        _cut(model, config.r, ctx)
    for name, weight in model.named_parameters():
        if f".{NEW}" in name:
            require_finite(name, weight.detach(), "Combine them with smaller shares.", "shares")
    config.use_rslora = False  # the scalings are in the factors; PEFT's own would count on top of them
    config.base_model_name_or_path = str(base)
    model.save_pretrained(str(target), selected_adapters=[NEW], save_embedding_layers=False)
    (target / "README.md").unlink(missing_ok=True)
    return config.r


def with_adapters(base: Path, folders: list[Path]) -> PeftModel:
    """The adapters, named adapter_0, adapter_1, …, on the hollow base."""
    model: Any = weightless(base)
    for index, folder in enumerate(folders):
        config = LoraConfig.from_pretrained(str(folder))
        config.target_modules = set(ranks(folder))  # however it was written: a list, a regex, some layers only
        config.layers_to_transform = config.layers_pattern = config.exclude_modules = None
        config.init_lora_weights = True
        name = f"adapter_{index}"
        if index:
            model.add_adapter(name, config)
        else:
            model = get_peft_model(model, config, adapter_name=name)
        Adapted(base, folder)  # raises unless all that it promises is in its file
        weights = load_file(folder / "adapter_model.safetensors")
        for tensor, value in weights.items():
            require_finite(f"{tensor} of {folder.name}", value, "That adapter is damaged: train or get it again.")
        set_peft_model_state_dict(model, weights, adapter_name=name)
    return model  # type: ignore[no-any-return]


def weightless(base: Path) -> PreTrainedModel:
    """The base's modules with zeros that take no memory for weights: all that PEFT needs to place adapters."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base, trust_remote_code=False))
    for module in model.modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            module.register_parameter(name, nn.Parameter(torch.zeros(1).expand(weight.shape), requires_grad=False))
    return model  # type: ignore[no-any-return]


def _report(lora: Any, ctx: JobContext, layers: int) -> None:
    """Tells progress and heeds a stop at every layer: PEFT does all in one call, but each layer in one of these two."""
    completed = 0

    def watched(work: Callable[..., Any]) -> Callable[..., Any]:
        def one_layer(*arguments: Any, **named: Any) -> Any:
            nonlocal completed
            ctx.task.check_stop()
            ctx.task.update(completed, layers, f"Combining layer {completed + 1} of {layers}")
            completed += 1
            return work(*arguments, **named)

        return one_layer

    for name in ("_svd_generalized_task_arithmetic_weighted_adapter", "_generalized_task_arithmetic_weighted_adapter"):
        setattr(lora, name, watched(getattr(lora, name)))


def _cut(model: PeftModel, rank: int, ctx: JobContext) -> None:
    """Brings every layer of the new adapter to `rank`: best approximation where it has more, zeros where less."""
    for module in model.modules():
        for down, up in (("lora_A", "lora_B"), ("lora_embedding_A", "lora_embedding_B")):
            held = getattr(module, down, {})
            if NEW not in held:
                continue
            ctx.task.check_stop()
            first, second = held[NEW], getattr(module, up)[NEW]
            first, second = (getattr(factor, "weight", factor) for factor in (first, second))
            first.data, second.data = cut(first.data, second.data, rank)


def cut(down: Tensor, up: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """The best approximation of `up @ down` of at most `rank`, as such a pair with exactly that inner size.

    The SVD of a product of thin matrices from their QR parts: the same as that of the whole product (Eckart–Young),
    at the cost of the ranks. down: (r, in), up: (out, r).
    """
    if len(down) > rank:
        left, small_left = torch.linalg.qr(up)
        right, small_right = torch.linalg.qr(down.T)
        u, s, v = torch.linalg.svd(small_left @ small_right.T, full_matrices=False)
        root = s[:rank].sqrt()
        up, down = left @ u[:, :rank] * root, root[:, None] * (v[:rank] @ right.T)
    missing = rank - len(down)
    return nn.functional.pad(down, (0, 0, 0, missing)), nn.functional.pad(up, (0, missing))
