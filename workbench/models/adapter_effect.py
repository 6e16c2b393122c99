"""Whether an adapter changes its base at all: PEFT's own merge, module by module, up to the first that differs.

For one that works that is one module. Imports torch and peft: only job and child processes import this.
"""

from typing import Any

import torch
from torch import Tensor

from workbench.models.adapted import Adapted
from workbench.models.adapters import FROM_BASE
from workbench.models.hollow import Read, hollow
from workbench.models.tensors import model_config
from workbench.models.weights import Tensors

ROUNDING_SHARE = (
    1e-6  # of the largest weight: what reflections that cancel, or a part taken out and added, leave in float32
)
PRODUCTS = ("HRA", "OFT", "BOFT")


def changes_nothing(adapted: Adapted) -> bool:
    """Whether the base with this adapter is the base: every parameter that it changes comes out as it was.

    Of a quantized base, whose weights are packed, ones stand in: what is added to them or multiplied shows too.
    """
    if adapted.kind.is_prompt or adapted.kind.config.get("layer_replication"):
        return False  # a prompt is always read; layers that are repeated are others
    base = _base(adapted)
    for name, held in adapted.replaced().items():
        if not _same(adapted, held, base(name)):
            return False
    for name, unit in sorted(adapted.units(), key=_size):
        if (biased := _biased(unit)) is not None:
            if biased:
                return False
            continue
        merged = adapted.merge(unit, name, base)
        if not all(_same(adapted, value, base(parameter)) for parameter, value in merged.items()):
            return False
    return True


def _size(named: tuple[str, Any]) -> int:
    """Weights of a module: one that works is known by its smallest, in little memory."""
    return sum(parameter.numel() for parameter in named[1].parameters())


def _base(adapted: Adapted) -> Read:
    """Reads a parameter of the base by its name in the model."""
    if model_config(adapted.base).get("quantization_config"):
        shapes = {name: parameter.shape for name, parameter in hollow(adapted.base).model.named_parameters()}
        return lambda name: torch.ones(shapes[name])
    files, layout = Tensors(adapted.base), adapted.layout

    def read(name: str) -> Tensor:
        own = name if name in layout.of_parameter else adapted.tied.get(name, name)
        return layout.read(layout.of_parameter[own], files.get)[own]

    return read


def _biased(unit: Any) -> bool | None:
    """Of a LoRA with a bias of its own, which PEFT does not merge where the base has none, whether it adds anything;
    None of others."""
    modules = list(getattr(unit, "lora_B", {}).values())
    if all(getattr(module, "bias", None) is None for module in modules):
        return None
    return any(bool(parameter.any()) for module in modules for parameter in module.parameters())


def _same(adapted: Adapted, value: Tensor, before: Tensor) -> bool:
    if value.shape != before.shape:
        return False
    before = before.to(value.dtype)
    inexact = adapted.kind.type in PRODUCTS or adapted.kind.config.get("init_lora_weights") in FROM_BASE
    off = ROUNDING_SHARE * float(before.abs().max()) if inexact and before.numel() else 0.0
    return bool(((value - before).abs() <= off).all())
