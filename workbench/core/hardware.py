"""What this machine has. `quick()` never imports torch; `probe()` asks torch in whichever process has it already."""

import json
import platform
from pathlib import Path
from typing import Any

import psutil

from workbench.core.errors import UserError
from workbench.core.home import Home, write_text
from workbench.core.limits import bounded_object
from workbench.core.parallel import cores
from workbench.core.spec import Spec


class Hardware(Spec):
    """The device work runs on. Memory in bytes; `device` is torch's name for it: cuda, mps, xpu or cpu.

    dtype: torch's name for the numbers to compute in where somebody chose them; '' for the device's own.
    """

    device: str = "cpu"
    name: str = ""
    memory: int = 0
    cores: int = 1
    ram: int = 0
    bf16: bool = False
    dtype: str = ""

    def describe(self) -> str:
        ram = f"{self.ram / 2**30:.0f} GB RAM"
        if self.device == "cpu":
            return f"CPU · {self.cores} cores · {ram}"
        return f"{self.name} · {self.memory / 2**30:.0f} GB · {ram}"

    def on_cpu(self) -> "Hardware":
        """The same machine without its GPU."""
        return self.model_copy(
            update={"device": "cpu", "name": platform.processor(), "memory": 0, "bf16": _cpu_has_bf16()}
        )


def hardware_from_os() -> Hardware:
    """What the operating system says, in milliseconds."""
    gpu = Path("/proc/driver/nvidia/version").exists()
    return Hardware(
        device="cuda" if gpu else "cpu",
        name="NVIDIA GPU" if gpu else platform.processor() or platform.machine(),
        cores=cores(),
        ram=psutil.virtual_memory().total,
        bf16=not gpu and _cpu_has_bf16(),
    )


def detect_hardware() -> Hardware:
    """What torch sees; imports torch."""
    import torch

    common: dict[str, Any] = {"cores": cores(), "ram": psutil.virtual_memory().total}
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return Hardware(device="cuda", name=properties.name, memory=properties.total_memory, bf16=bf16, **common)
    if torch.backends.mps.is_available():
        return Hardware(device="mps", name="Apple GPU", memory=common["ram"], bf16=True, **common)
    if hasattr(torch, "xpu") and torch.xpu.is_available():
        xpu = torch.xpu.get_device_properties(0)
        return Hardware(device="xpu", name=xpu.name, memory=xpu.total_memory, bf16=True, **common)
    return Hardware(device="cpu", name=platform.processor(), bf16=_cpu_has_bf16(), **common)


def detect_and_cache(home: Home) -> Hardware:
    """Probes and leaves the answer where `known` finds it."""
    hardware = detect_hardware()
    write_text(home.cache / "hardware.json", json.dumps(hardware.to_dict()))
    return hardware


def cached_hardware(home: Home) -> Hardware:
    """The last probe of this home if there was one, else the quick look."""
    try:
        return Hardware.parse(bounded_object(home.cache / "hardware.json"))
    except UserError:  # none yet, torn, or of another version
        return hardware_from_os()


def _cpu_has_bf16() -> bool:
    """Whether bfloat16 matrix products are native; without that, float32 is faster and exact."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
