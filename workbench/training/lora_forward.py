"""LoRA's layers in one step: the frozen product, the low-rank one added in place, and gradients without copies.

PEFT computes base(x) + B(A(dropout(x))) · scaling as operations of their own: three passes over an output of full
width, a cast of x to the adapter's type and back, and as many passes again for the gradients. Here the update is added
where the base's product lies, and the gradient of x is summed where the frozen weight's part lies. The equations are
those of Hu et al. 2021, https://arxiv.org/abs/2106.09685, section 4.1; parameters and files stay PEFT's.

Imports torch and peft: only job processes import this.
"""

import types
from typing import Any

import torch
from peft.tuners.lora.layer import Linear


class LoraProduct(torch.autograd.Function):
    """x Wᵀ + b + s · (x Aᵀ) Bᵀ with a frozen W, (out, in); A, (r, in), and B, (out, r), learn. x: (…, in)."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        lora_a: torch.Tensor,
        lora_b: torch.Tensor,
        scaling: float,
    ) -> torch.Tensor:
        rows = x.reshape(-1, x.shape[-1])
        down, up = lora_a.to(rows.dtype), lora_b.to(rows.dtype)
        inner = rows @ down.t()
        output = torch.nn.functional.linear(rows, weight, bias).addmm_(inner, up.t(), alpha=scaling)
        ctx.save_for_backward(rows, weight, down, up, inner)
        ctx.scaling, ctx.shape, ctx.types = scaling, x.shape, (lora_a.dtype, lora_b.dtype)
        return output.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[Any, ...]:
        rows, weight, down, up, inner = ctx.saved_tensors
        slopes = slope.reshape(-1, slope.shape[-1])
        narrow = (slopes @ up).mul_(ctx.scaling)
        for_a = (narrow.t() @ rows).to(ctx.types[0]) if ctx.needs_input_grad[3] else None
        for_b = (inner.t() @ slopes).mul_(ctx.scaling).t().to(ctx.types[1]) if ctx.needs_input_grad[4] else None
        for_x = (slopes @ weight).addmm_(narrow, down).view(ctx.shape) if ctx.needs_input_grad[0] else None
        return for_x, None, None, for_a, for_b, None


def compute_lora_in_one_step(model: Any) -> int:
    """Lets the layers of a PEFT model that are plain LoRA compute so; how many are. The others stay PEFT's.

    Those are DoRA and other variants, dropout, quantized and transposed bases, biases that learn, and experts.
    """
    layers = [module for module in model.modules() if type(module) is Linear and _is_plain(module)]
    for layer in layers:
        layer.forward = types.MethodType(_forward, layer)  # type: ignore[method-assign]
    return len(layers)


def _is_plain(layer: Any) -> bool:
    base = layer.get_base_layer()
    return (
        type(base) is torch.nn.Linear
        and not base.weight.requires_grad
        and not (base.bias is not None and base.bias.requires_grad)
        and not layer.fan_in_fan_out
        and not layer.lora_variant
        and all(type(dropout) is torch.nn.Identity for dropout in layer.lora_dropout.values())
        and all(up.bias is None for up in layer.lora_B.values())
    )


def _forward(layer: Any, x: torch.Tensor, *args: Any, **settings: Any) -> torch.Tensor:
    active = [name for name in layer.active_adapters if name in layer.lora_A]
    usual: torch.Tensor
    if args or settings or layer.disable_adapters or layer.merged or len(active) != 1 or not _is_plain(layer):
        usual = Linear.forward(layer, x, *args, **settings)
        return usual
    base, lora_a, lora_b = layer.get_base_layer(), layer.lora_A[active[0]].weight, layer.lora_B[active[0]].weight
    weight, bias, device = base.weight, base.bias, x.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        x, weight, bias = x.to(dtype), weight.to(dtype), bias if bias is None else bias.to(dtype)
    elif not x.dtype == weight.dtype == lora_a.dtype:  # PEFT computes the update in the adapter's type
        usual = Linear.forward(layer, x)
        return usual
    product: torch.Tensor = LoraProduct.apply(x, weight, bias, lora_a, lora_b, layer.scaling[active[0]])  # type: ignore[no-untyped-call]
    return product
