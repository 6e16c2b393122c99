"""Libraries that make things faster where there are any: which are here, whether they load, what the others give."""

import importlib
import importlib.metadata
import importlib.util
from typing import ClassVar

from workbench.core.errors import UserError
from workbench.core.hardware import hardware_from_os
from workbench.doctor.machine_check import CHECKS, Check, CheckProbe

OPTIONAL = {
    "flash_attn": ("flash-attn", "attention in less memory, faster with long rows", True),
    "liger_kernel": ("liger-kernel", "fused layers and losses: less memory for logits", True),
    "triton": ("triton", "what compiled torch and fused kernels are written in", True),
    "torchao": ("torchao", "int4 and int8 weights, and training aware of them", False),
}
"""By the name of the module: its package, what it gives, and whether it is for GPUs alone."""


@CHECKS.register
class OptionalKernels(Check):
    """Optional libraries: those that are installed have to load; of the others it says what they would give."""

    method: ClassVar[str] = "optional-kernels"
    title: ClassVar[str] = "Optional kernels"
    order: ClassVar[int] = 50
    limit_seconds: ClassVar[float] = 600
    remedy: ClassVar[str] = "Uninstall the library that crashes; nothing here needs it."

    def measure(self, probe: CheckProbe) -> None:
        gpu = hardware_from_os().device != "cpu"
        broken: list[tuple[str, str]] = []
        for module, (package, gain, for_gpu) in OPTIONAL.items():
            if importlib.util.find_spec(module) is None:
                probe.fact(package, f"not installed ({gain}{'; for GPUs' if for_gpu else ''})")
                if gpu or not for_gpu:
                    probe.warn(f"{package} would give {gain}.", f"pip install {package}")
                continue
            try:
                importlib.import_module(module)
            except Exception as error:  # whatever a library built for another machine does
                broken.append((package, f"{type(error).__name__}: {error}"))
                probe.fact(package, "does not load")
            else:
                probe.fact(package, importlib.metadata.version(package))
        if broken:
            reasons = "; ".join(f"{package} does not load ({reason})" for package, reason in broken)
            names = " ".join(package for package, _ in broken)
            raise UserError(f"{reasons}.", f"Install it anew, or remove it: pip uninstall {names}")
