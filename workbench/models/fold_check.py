"""The same tokens through base + adapter, as PEFT runs them, and through the folded model.

Two models are loaded, one after the other, on the CPU: in float32 where the memory has room for that, else in the
type of their files. What rounding alone does is measured too: the folded model again with every weight that the
adapter changed moved at random within half a step of its type. Imports torch: only job processes import this.
"""

import gc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor

from workbench.core.errors import UserError
from workbench.core.hardware import Hardware, detect_hardware
from workbench.jobs.job import JobContext
from workbench.models import tensors
from workbench.models.adapters import adapter_kind
from workbench.models.base_settings import settings_over
from workbench.models.loading import attach_adapter, fit_rows, load_base
from workbench.models.model_references import Resolved

ROWS, ROW_TOKENS = 4, 32
TOLERANCE = {"float64": 1e-4, "float32": 1e-4}  # share of the adapter's effect
COARSE_SHARE = 0.02  # in half precision
ROUNDINGS = 2  # as often the measured rounding is allowed, where the adapter's effect is small against it


@dataclass(frozen=True)
class FoldComparison:
    """Mean absolute differences of logits: of the adapter to its base, of the folded model to base + adapter, and of
    the folded model to itself with its weights moved within half a rounding step."""

    effect: float
    difference: float
    rounding: float
    dtype: str

    @property
    def share(self) -> float:
        return self.difference / self.effect if self.effect else float("inf")

    def holds(self) -> bool:
        """Whether the two models are the same up to rounding."""
        within = self.share < TOLERANCE.get(self.dtype, COARSE_SHARE)
        return self.effect > 0 and (within or self.difference < ROUNDINGS * self.rounding)


def compare_with_adapter(ctx: JobContext, resolved: Resolved, folder: Path, changed: set[str]) -> dict[str, Any]:
    """What was measured, noted in the job too; raises `UserError` when the folded model is another."""
    assert resolved.adapter
    dtype = tensors.summary(resolved.base).dtype
    cpu, compute = _cpu(resolved.base, dtype)
    ids = probe_ids(resolved)
    ctx.task.update(0, 2, "Asking base and adapter")
    base, truth = _truth(resolved, cpu, compute, ids)
    ctx.task.check_stop()
    ctx.task.update(1, 2, "Asking the folded model")
    folded, moved = _folded(folder, cpu, compute, ids, changed, dtype)
    width = min(base.shape[-1], truth.shape[-1])
    comparison = FoldComparison(
        _mean(truth[..., :width] - base[..., :width]), _mean(folded - truth), _mean(moved - folded), dtype
    )
    if not comparison.holds():
        raise UserError(_wrong(resolved, comparison), "Nothing was put on the shelf. Use the adapter over its base.")
    ctx.note(_right(comparison, ids.numel()))
    return {"difference_of_effect": float(f"{comparison.share:.2g}"), "tokens": ids.numel(), "dtype": dtype}


def _wrong(resolved: Resolved, comparison: FoldComparison) -> str:
    if not comparison.effect:
        return (
            f"{resolved.name!r} changes no logit of {resolved.base.name!r}: it does nothing, and there is nothing to"
            " fold."
        )
    return (
        f"The folded model is not {resolved.base.name!r} with {resolved.name!r}: its logits are off by"
        f" {comparison.share:.2g} of the adapter's own effect."
    )


def _right(comparison: FoldComparison, tokens: int) -> str:
    message = (
        f"Compared on {tokens} tokens: the logits differ from base + adapter by {comparison.share:.2g} of its effect"
    )
    if comparison.share < TOLERANCE.get(comparison.dtype, COARSE_SHARE):
        return f"{message}."
    return f"{message}. That is the rounding to {comparison.dtype}, which is coarse against so small an effect."


def probe_ids(resolved: Resolved) -> Tensor:
    """Token ids (4, 32) from the whole vocabulary, with those that the adapter trains singly and the last ones."""
    assert resolved.adapter
    kind = adapter_kind(resolved.adapter)
    config = tensors.model_config(resolved.base)
    rows = (
        kind.rows or int({**config, **(config.get("text_config") or {})}.get("vocab_size") or 0) or _rows(resolved.base)
    )
    single = kind.config.get("trainable_token_indices") or kind.config.get("token_indices") or []
    single = [index for indices in single.values() for index in indices] if isinstance(single, dict) else list(single)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, rows, (ROWS, ROW_TOKENS), generator=generator)
    first = [*single[: ROW_TOKENS // 2], *range(max(0, rows - 4), rows)]
    ids[0, : len(first)] = torch.tensor(first)
    return ids


def _rows(base: Path) -> int:
    from transformers import AutoConfig

    return int(AutoConfig.from_pretrained(base, trust_remote_code=False).get_text_config().vocab_size)


def _cpu(base: Path, dtype: str) -> tuple[Hardware, torch.dtype]:
    room = psutil.virtual_memory().available * 0.8
    own: torch.dtype = getattr(torch, dtype)
    wide = torch.promote_types(own, torch.float32)
    fits = tensors.summary(base).parameters * wide.itemsize < room
    return Hardware(**{**vars(detect_hardware()), "device": "cpu"}), wide if fits else own


@torch.inference_mode()
def _truth(resolved: Resolved, cpu: Hardware, dtype: torch.dtype, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of the base alone, with the positions the adapter asks for, and of base + adapter by PEFT."""
    assert resolved.adapter
    settings = settings_over(resolved.base, resolved.adapter)
    model = fit_rows(load_base(resolved.base, cpu, dtype=dtype, settings=settings), resolved.adapter).eval()
    base = model(input_ids=ids).logits.float()
    adapted = attach_adapter(model, resolved.adapter).eval()
    truth = adapted(input_ids=ids).logits.float()
    del model, adapted
    gc.collect()
    return base, truth


@torch.inference_mode()
def _folded(
    folder: Path, cpu: Hardware, compute: torch.dtype, ids: Tensor, changed: set[str], dtype: str
) -> tuple[Tensor, Tensor]:
    """Logits of the folded model, and of it again with the changed weights moved within half a rounding step."""
    model = load_base(folder, cpu, dtype=compute).eval()
    folded = model(input_ids=ids).logits.float()
    torch.manual_seed(0)
    step = torch.finfo(getattr(torch, dtype)).eps
    for name, weight in model.named_parameters():
        if name in changed:
            weight.add_(weight * (torch.rand_like(weight) - 0.5) * step)
    moved = model(input_ids=ids).logits.float()
    del model
    gc.collect()
    return folded, moved


def _mean(difference: Tensor) -> float:
    return difference.abs().mean().item()
