"""A LoRA adapter out of the difference of two models, tensor by tensor. Imports torch: only job processes import this.

Truncated SVD of ΔW = W_tuned - W_base for every linear layer, as mergekit does it:
https://github.com/arcee-ai/mergekit/blob/main/mergekit/scripts/extract_lora.py
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoConfig
from transformers.pytorch_utils import Conv1D

from workbench.core.errors import UserError
from workbench.core.home import atomic_dir
from workbench.core.lineage import Manifest, parent_of, write_manifest
from workbench.jobs.job import JobContext
from workbench.merging.combining import weightless
from workbench.merging.jobs.extract_lora import ExtractLora
from workbench.models.adapter_judge import judge_made
from workbench.models.base_settings import scaling_info, write_base_settings
from workbench.models.casting import require_finite
from workbench.models.merged import open_weights
from workbench.models.model_references import Resolved, resolve_setting
from workbench.models.shelving import copy_texts
from workbench.models.weights import Tensors

EXACT_UP_TO_ROWS = 512
OVERSAMPLED_RANKS = 16
PREFIX = "base_model.model."
ROUNDED = (
    "The model is stored in half precision. Its rounding is part of the change but no low rank holds it, so less of "
    "the change's energy can be kept than of what was learned."
)


@dataclass
class Energy:
    """Squared Frobenius norms of a group's tensors: of the change, and of the part of it that the adapter holds."""

    change: float = 0.0
    held: float = 0.0

    def share(self) -> float:
        return round(self.held / self.change, 6) if self.change else 1.0


@dataclass
class Extraction:
    """What has been extracted so far: tensors of the adapter, the rank of every layer, energies by group."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    ranks: dict[str, int] = field(default_factory=dict)
    whole: list[str] = field(default_factory=list)
    energies: dict[str, Energy] = field(default_factory=dict)

    def count(self, group: str, change: float, held: float) -> None:
        energy = self.energies.setdefault(group, Energy())
        energy.change += change
        energy.held += held

    def report(self) -> dict[str, Any]:
        """Shares of the change's energy: what the adapter holds in all and of each group, and how it is spread."""
        total = Energy(
            *(sum(getattr(energy, field) for energy in self.energies.values()) for field in ("change", "held"))
        )
        ranks = list(self.ranks.values())
        return {
            "held": total.share(),
            "held_of": {group: energy.share() for group, energy in sorted(self.energies.items())},
            "change_in": {
                group: round(energy.change / total.change, 6) for group, energy in sorted(self.energies.items())
            },
            "layers": len(ranks), "rank_lowest": min(ranks, default=0), "rank_highest": max(ranks, default=0),
            "rank_mean": round(sum(ranks) / max(1, len(ranks)), 2),
        }  # fmt: skip


class Roles:
    """Which part of the model a tensor is, from the base's modules built without weights."""

    def __init__(self, base: Path):
        model = weightless(base)
        modules = dict(model.named_modules())
        head, inputs = model.get_output_embeddings(), model.get_input_embeddings()
        self.tied = bool(model.config.tie_word_embeddings)
        self.head = _name_of(modules, head)
        self.inputs = _name_of(modules, inputs)
        self.embeddings = {name for name, module in modules.items() if isinstance(module, nn.Embedding)}
        self.embeddings |= {self.head} - {""}
        linear = {name for name, module in modules.items() if isinstance(module, nn.Linear | Conv1D)}
        self.linear = {f"{name}.weight" for name in linear - self.embeddings}
        self.transposed = {f"{name}.weight" for name in linear if isinstance(modules[name], Conv1D)}
        single = {name for name, module in modules.items() if [*dict(module.named_parameters())] == ["weight"]}
        self.whole = {f"{name}.weight" for name in single} - self.linear
        if self.tied and not self.inputs.endswith("embed_tokens"):  # the only tied embedding that PEFT can replace
            self.whole -= {f"{self.inputs}.weight", f"{self.head}.weight"}

    def group(self, name: str) -> str:
        module = name.rpartition(".")[0]
        if module in self.embeddings:
            return "embeddings"
        if name not in self.linear:
            return "norms" if "norm" in name or ".ln_" in name else "other"
        return "attention" if "attn" in name or "attention" in name else "mlp"


def _name_of(modules: dict[str, nn.Module], wanted: nn.Module | None) -> str:
    return next((name for name, module in modules.items() if wanted is not None and module is wanted), "")


def run(job: ExtractLora, ctx: JobContext) -> dict[str, Any]:
    """Extracts the adapter and puts it on the shelf; its result has the figures of `extract`."""
    tuned, base = resolve_setting(ctx.home, job, "model"), resolve_setting(ctx.home, job, "base")
    with atomic_dir(ctx.home.models / job.output_name) as partial:
        result = {"model": job.output_name, **extract(base, tuned, job, partial, ctx)}
        copy_texts(tuned.home_of_template, partial)
        settings = job.base_settings(tuned, base)
        write_base_settings(partial, settings)
        parents = [parent_of(base.base, "base"), *(parent_of(folder, "extracted") for folder in tuned.named_folders)]
        made_by = {**job.to_dict(), "job": ctx.folder.name}
        info = {**result, **scaling_info(settings)}
        manifest = Manifest(kind="adapter", name=job.output_name, parents=parents, made_by=made_by, info=info)
        write_manifest(partial, manifest)
    for note in judge_made(ctx.home, ctx.home.models / job.output_name, base.base):
        ctx.note(note)
    return result


def extract(base: Resolved, tuned: Resolved, job: ExtractLora, target: Path, ctx: JobContext) -> dict[str, Any]:
    """Writes the adapter into `target`; returns the report of what it holds. Raises `UserError` if nothing changed."""
    torch.manual_seed(0)
    ctx.task.update(0, 0, "Reading the models")
    old, new, roles, extraction = open_weights(base), open_weights(tuned), Roles(base.base), Extraction()
    if new.dtype(new.names()[0]) != torch.float32:
        ctx.note(ROUNDED)
    both_tied = roles.tied and _config_of(tuned.base).tie_word_embeddings
    names = [
        name
        for name in dict.fromkeys([*old.names(), *new.names()])
        if not (both_tied and name == f"{roles.head}.weight")
    ]
    for completed, name in enumerate(names):
        ctx.task.check_stop()
        ctx.task.update(completed, len(names), name)
        change = _read(new, name, roles) - _read(old, name, roles)
        require_finite(f"The change of {name}", change, "One of the two models is damaged: get it again.", "model")
        _add(extraction, name, change, roles, job, new)
    if not extraction.ranks:
        raise UserError(
            f"{tuned.name!r} has the linear layers of {base.name!r}, so there is nothing to extract.",
            "Choose a model that was trained further from that base.",
            "model",
        )
    save_file(extraction.tensors, target / "adapter_model.safetensors", metadata={"format": "pt"})
    _config(extraction, roles, base.base).save_pretrained(str(target))
    ctx.task.update(len(names), len(names), "Ready")
    return extraction.report()


def _config_of(folder: Path) -> Any:
    return AutoConfig.from_pretrained(folder, trust_remote_code=False)


def _read(weights: Tensors, name: str, roles: Roles) -> Tensor:
    """The tensor in float32; a tied model's head is its input embedding."""
    return weights.get(name if name in weights else f"{roles.inputs}.weight").float()


def _add(extraction: Extraction, name: str, delta: Tensor, roles: Roles, job: ExtractLora, new: Tensors) -> None:
    """Puts the change of one tensor, `delta` in float32, into the adapter as far as it goes, and counts its energy."""
    change, module = delta.double().square().sum().item(), name.removesuffix(".weight")
    held = 0.0
    if change and name in roles.linear:
        down, up, held = low_rank(delta.T if name in roles.transposed else delta, job)
        extraction.tensors |= {f"{PREFIX}{module}.lora_A.weight": down, f"{PREFIX}{module}.lora_B.weight": up}
        extraction.ranks[module] = len(down)
    elif change and job.include_embeddings and name in roles.whole:
        extraction.tensors[PREFIX + name] = new.get(name).clone()
        extraction.whole.append(module)
        if roles.tied and module == roles.inputs:  # PEFT wants a tied head by its own name too
            extraction.tensors[f"{PREFIX}{roles.head}.weight"] = new.get(name).clone()
        held = change
    extraction.count(roles.group(name), change, held)


def low_rank(delta: Tensor, job: ExtractLora) -> tuple[Tensor, Tensor, float]:
    """(A (r, in), B (out, r), energy held) with B A the truncated SVD of `delta` (out, in).

    Exact where one side has at most `EXACT_UP_TO` rows; larger ones by a randomized SVD with four power iterations
    (Halko et al. 2009, https://arxiv.org/abs/0909.4061). There too B A is an orthogonal projection of `delta`, so that
    the energy held is measured exactly; on real weights it came within 0.002 of the best of that rank.
    """
    total = delta.double().square().sum().item()
    most = min(job.rank or job.max_rank, *delta.shape)
    if min(delta.shape) <= EXACT_UP_TO_ROWS or most + OVERSAMPLED_RANKS >= min(delta.shape):
        u, s, v = torch.linalg.svd(delta, full_matrices=False)
    else:
        u, s, right = torch.svd_lowrank(delta, q=most + OVERSAMPLED_RANKS, niter=4)
        v = right.T
    energies = s.double().square().cumsum(0)
    real = int((s > s[0] * max(delta.shape) * torch.finfo(s.dtype).eps).sum())  # the rest is rounding
    wanted = most if job.rank else int((energies < job.energy * total).sum()) + 1
    rank = max(1, min(wanted, most, real))
    root = s[:rank].sqrt()
    return (root[:, None] * v[:rank]).contiguous(), (u[:, :rank] * root).contiguous(), energies[rank - 1].item()


def _config(extraction: Extraction, roles: Roles, base: Path) -> Any:
    """alpha = r for every layer, so that the scaling is 1."""
    from peft import LoraConfig

    usual = Counter(extraction.ranks.values()).most_common(1)[0][0]
    other = {module: rank for module, rank in extraction.ranks.items() if rank != usual}
    return LoraConfig(
        r=usual, lora_alpha=usual, rank_pattern=other, alpha_pattern=dict(other), target_modules=list(extraction.ranks),
        modules_to_save=extraction.whole or None, ensure_weight_tying=roles.tied and roles.inputs in extraction.whole,
        fan_in_fan_out=bool(roles.transposed), base_model_name_or_path=str(base), task_type="CAUSAL_LM",
        inference_mode=True,
    )  # fmt: skip
