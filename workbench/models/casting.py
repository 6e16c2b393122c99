"""Weights written in another type than they were computed in, unless that type ends before their values do.

Imports torch: only job and child processes import this.
"""

import torch
from torch import Tensor

from workbench.core.errors import SettingPath, UserError

BLOCK_ELEMENTS = 2**24  # elements looked at together


def cast(name: str, tensor: Tensor, dtype: torch.dtype, remedy: str = "", field: str | SettingPath = "") -> Tensor:
    """The tensor on the CPU in a type; raises `UserError` with its name where that holds NaN or infinity.

    float16 ends at 65,504, bfloat16 where float32 does: what does not fit was most likely made in another type.
    """
    converted = tensor.to("cpu", dtype)
    if all_finite(converted):
        return converted
    require_finite(name, tensor, remedy, field)
    largest = max(float(block.abs().max()) for block in tensor.reshape(-1).split(BLOCK_ELEMENTS))
    kind = str(dtype).removeprefix("torch.")
    raise UserError(
        f"{name} reaches {largest:.6g}; {kind} ends at {torch.finfo(dtype).max:.6g}, so it would become infinite.",
        remedy or "Mostly a scale or weight is too high; bfloat16 and float32 hold larger values.",
        field,
    )


def require_finite(name: str, tensor: Tensor, remedy: str = "", field: str | SettingPath = "") -> None:
    """Raises `UserError` with the tensor's name when it holds NaN or infinity."""
    if not all_finite(tensor):
        remedy = remedy or "What it was made of is damaged, or its values ran away: check the models and adapters."
        raise UserError(f"{name} holds NaN or infinity.", remedy, field)


def all_finite(tensor: Tensor) -> bool:
    """Whether no element is NaN or infinite; a sum tells it without a mask as large as the tensor."""
    if not tensor.is_floating_point() or bool(tensor.sum(dtype=torch.float32).isfinite()):
        return True
    return all(bool(block.isfinite().all()) for block in tensor.reshape(-1).split(BLOCK_ELEMENTS))
