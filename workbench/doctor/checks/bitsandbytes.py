"""bitsandbytes: weights to 4 and 8 bits and back, and layers that compute with them, forward and backward."""

import importlib.util
from collections.abc import Callable
from typing import Any, ClassVar

from workbench.core.errors import UserError
from workbench.core.hardware import detect_hardware
from workbench.doctor.machine_check import CHECKS, Check, CheckProbe, NotRun

MATRIX_ROWS = 256  # rows and columns of the weights
ROWS = 8
BOUNDS = {"4-bit (nf4)": (0.05, 0.13), "8-bit (int8)": (0.001, 0.012)}
"""Error of normally distributed weights, relative to their norm. NF4 in blocks of 64 has 0.092 (Dettmers et al. 2023,
https://arxiv.org/abs/2305.14314); 8 bits by rows have a step of absmax/127, so absmax/(127·√12), 0.007."""
LARGEST_LAYER_ERRORS = {"4-bit (nf4)": 0.02, "8-bit (int8)": 0.03}
"""4-bit layers are held against their own weights, dequantized; 8-bit ones, which round inputs too, against the first
ones."""


@CHECKS.register
class BitsAndBytes(Check):
    """Weights are quantized to 4 and 8 bits and back, and layers of them computed forward and backward."""

    method: ClassVar[str] = "bitsandbytes"
    title: ClassVar[str] = "bitsandbytes"
    order: ClassVar[int] = 40
    limit_seconds: ClassVar[float] = 600
    remedy: ClassVar[str] = (
        "Use LoRA in place of QLoRA, and GGUF to make models smaller; or pip install -U bitsandbytes"
    )

    def measure(self, probe: CheckProbe) -> None:
        if importlib.util.find_spec("bitsandbytes") is None:
            raise NotRun("bitsandbytes is not installed.", "pip install bitsandbytes")
        import bitsandbytes as bnb
        import torch

        hardware = detect_hardware()
        if hardware.device == "mps":
            raise NotRun("bitsandbytes does not compute on Apple GPUs.", "Use LoRA, and GGUF to make models smaller.")
        probe.fact("version", bnb.__version__)
        torch.manual_seed(0)
        weights = torch.randn(MATRIX_ROWS, MATRIX_ROWS, device=hardware.device)
        for name, restore, layer in (
            ("4-bit (nf4)", _four_bit, _layer_4bit),
            ("8-bit (int8)", _eight_bit, _layer_8bit),
        ):
            low, high = BOUNDS[name]
            error = _distance(restore(bnb, weights), weights)
            probe.fact(f"relative error of {name} there and back", error)
            if not low < error < high:
                raise UserError(
                    f"{name} weights come back {error:.2g} off, where {low:g} to {high:g} is right.", self.remedy
                )
            self._compare_layer(probe, name, layer, bnb, weights)

    def _compare_layer(
        self, probe: CheckProbe, name: str, layer: Callable[[Any, Any], tuple[Any, Any]], bnb: Any, weights: Any
    ) -> None:
        import torch

        module, exact = layer(bnb, weights)
        inputs = torch.randn(ROWS, MATRIX_ROWS, device=weights.device).requires_grad_()
        outputs = module(inputs)
        outputs.float().sum().backward()
        errors = {
            "forward": _distance(outputs.float(), inputs.detach() @ exact.T),
            "backward": _distance(inputs.grad, exact.sum(0).expand(ROWS, -1)),
        }
        for way, error in errors.items():
            probe.fact(f"relative error of a layer in {name}, {way}", error)
            if not error < LARGEST_LAYER_ERRORS[name]:
                raise UserError(f"A layer in {name} computes wrong {way}: {error:.2g} of the norm off.", self.remedy)


def _four_bit(bnb: Any, weights: Any) -> Any:
    return bnb.functional.dequantize_4bit(*bnb.functional.quantize_4bit(weights, blocksize=64, quant_type="nf4"))


def _eight_bit(bnb: Any, weights: Any) -> Any:
    codes, scales, _ = bnb.functional.int8_vectorwise_quant(weights.half())
    return bnb.functional.int8_vectorwise_dequant(codes, scales)


def _layer_4bit(bnb: Any, weights: Any) -> tuple[Any, Any]:
    layer = bnb.nn.Linear4bit(MATRIX_ROWS, MATRIX_ROWS, bias=False, compute_dtype=weights.dtype, quant_type="nf4")
    layer.load_state_dict({"weight": weights.cpu()})
    layer = layer.to(weights.device)
    return layer, bnb.functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state).to(weights.dtype)


def _layer_8bit(bnb: Any, weights: Any) -> tuple[Any, Any]:
    layer = bnb.nn.Linear8bitLt(MATRIX_ROWS, MATRIX_ROWS, bias=False, has_fp16_weights=False)
    layer.load_state_dict({"weight": weights.cpu()})
    return layer.to(weights.device), weights


def _distance(value: Any, exact: Any) -> float:
    """How far off a tensor is, relative to the exact one's norm."""
    return float((value.float() - exact.float()).norm() / exact.float().norm())
