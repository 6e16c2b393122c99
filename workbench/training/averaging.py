"""The average of several checkpoints of one run. Imports torch: only job processes import this."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from workbench.core.errors import UserError
from workbench.models.casting import cast
from workbench.models.safetensors_files import opened

DAMAGED = "A checkpoint is damaged, or the run went astray: average earlier ones."
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def average(checkpoints: list[Path], shares: list[float], target: Path) -> Iterator[int]:
    """Writes Σ share · checkpoint into `target`, with the last one's config; yields the tensors done.

    Sums in float64, tensor by tensor, and rounds once to the last checkpoint's dtype. Raises `UserError` when the
    checkpoints do not hold the same tensors.
    """
    with ExitStack() as stack:
        files = [stack.enter_context(opened(checkpoint / WEIGHTS, "pt")) for checkpoint in checkpoints]
        _same_tensors(checkpoints, files)
        averaged = {}
        for count, name in enumerate(files[-1].keys(), 1):
            tensors = [file.get_tensor(name) for file in files]
            averaged[name] = cast(name, _sum(tensors, shares), tensors[-1].dtype, DAMAGED, "run")
            yield count
    save_file(averaged, target / WEIGHTS, metadata={"format": "pt"})
    config = json.loads((checkpoints[-1] / CONFIG).read_text("utf-8"))
    (target / CONFIG).write_text(json.dumps({**config, "inference_mode": True}, indent=2), "utf-8")


def _same_tensors(checkpoints: list[Path], files: list[Any]) -> None:
    for checkpoint, file in zip(checkpoints, files, strict=True):
        if _shapes(file) != _shapes(files[-1]):
            raise UserError(
                f"{checkpoint.name} and {checkpoints[-1].name} do not hold the same tensors.",
                "They are not of one run; train again with keep_checkpoints.",
                "run",
            )


def _shapes(file: Any) -> dict[str, list[int]]:
    return {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118  (safe_open is no dict)


def _sum(tensors: list[Tensor], shares: list[float]) -> Tensor:
    """In float64."""
    total = torch.zeros_like(tensors[0], dtype=torch.float64)
    for tensor, share in zip(tensors, shares, strict=True):
        total.add_(tensor, alpha=share)
    return total
