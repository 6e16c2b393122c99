"""The device torch computes on, proved by a product; and a GPU that is there, but that torch cannot use."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from packaging.version import Version

from workbench.core.errors import UserError
from workbench.core.hardware import detect_hardware
from workbench.doctor.machine_check import CHECKS, Check, CheckProbe

NVIDIA_DRIVER, AMD_DRIVER = Path("/proc/driver/nvidia/version"), Path("/dev/kfd")
MATRIX_ROWS = 512  # rows and columns
LARGEST_ERRORS = {"float32": 2e-3, "bfloat16": 2e-2}
"""Relative to the norm of the product in float64; float32 may be TF32 on a GPU, with ten bits of mantissa."""
INDEX = "https://download.pytorch.org/whl"


@dataclass(frozen=True)
class TorchBuild:
    """What torch was built for and sees, and which GPUs the system has a driver for.

    cuda, hip: the version it was built for, '' for none. kernels: such as sm_90. capability: such as sm_90.
    """

    version: str
    cuda: str
    hip: str
    usable: bool
    nvidia: bool
    amd: bool
    capability: str = ""
    kernels: tuple[str, ...] = ()


@CHECKS.register
class Device(Check):
    """The device that models are computed on: its driver, what it can do, and a matrix product held against float64."""

    method: ClassVar[str] = "device"
    title: ClassVar[str] = "Device"
    order: ClassVar[int] = 20
    limit_seconds: ClassVar[float] = 600
    remedy: ClassVar[str] = "Restart the machine; then update the driver and install torch again."

    def measure(self, probe: CheckProbe) -> None:
        import torch

        hardware, build = detect_hardware(), torch_build()
        probe.fact("device", hardware.device)
        if hardware.name:
            probe.fact("name", hardware.name)
        probe.fact("torch", build.version)
        if build.cuda:
            probe.fact("built for CUDA", build.cuda)
        if driver := nvidia_driver():
            probe.fact("driver", driver)
        if hardware.device == "cuda":
            probe.fact("capability", build.capability)
        if hardware.memory:
            probe.fact("device memory", hardware.memory, "bytes")
        probe.fact("bfloat16", hardware.bf16)
        if error := unusable_gpu(build):
            raise error
        for name in ("float32", "bfloat16") if hardware.bf16 else ("float32",):
            _multiply(probe, hardware.device, getattr(torch, name), LARGEST_ERRORS[name])


def torch_build() -> TorchBuild:
    """This torch and these drivers."""
    import torch

    usable = torch.cuda.is_available()
    nvidia = NVIDIA_DRIVER.exists() or shutil.which("nvidia-smi") is not None
    return TorchBuild(
        torch.__version__, torch.version.cuda or "", torch.version.hip or "", usable, nvidia, AMD_DRIVER.exists(),
        "sm_{}{}".format(*torch.cuda.get_device_capability(0)) if usable else "",
        tuple(torch.cuda.get_arch_list()) if usable else (),
    )  # fmt: skip


def nvidia_driver() -> str:
    """The version of the NVIDIA driver; '' where there is none."""
    try:
        words = NVIDIA_DRIVER.read_text("utf-8", "replace").split("\n")[0].split()
    except OSError:
        return ""
    return next((word for word in words if word[:1].isdigit() and "." in word), "")


def unusable_gpu(build: TorchBuild) -> UserError | None:
    """What keeps torch from a GPU that is there, and which wheel to install; None when nothing does."""
    release = Version(build.version).public
    again = f"pip install --force-reinstall torch=={release}"
    if build.usable:
        major = build.capability.rpartition("_")[2][:-1]
        same = [name for name in build.kernels if name.rpartition("_")[2].rstrip("af")[:-1] == major]
        if build.hip or not build.kernels or same:
            return None
        return UserError(
            f"torch {build.version} has no kernels for this GPU ({build.capability}), only {', '.join(build.kernels)}.",
            f"Install a build for it: choose the CUDA version at https://pytorch.org/get-started/locally, then "
            f"{again} --index-url {INDEX}/cuXXX",
        )
    if build.nvidia and not build.cuda:
        return UserError(
            f"There is an NVIDIA GPU, but torch {build.version} is a build without CUDA.",
            f"{again} (on Windows with --index-url {INDEX}/cuXXX, XXX being the CUDA version that nvidia-smi shows)",
        )
    if build.nvidia:
        return UserError(
            f"There is an NVIDIA GPU, but torch {build.version} for CUDA {build.cuda} cannot use it: most likely the "
            "driver is too old, or the container was started without the GPU.",
            f"Update the driver to one for CUDA {build.cuda} or newer, as nvidia-smi shows it; of a container: --gpus "
            "all.",
        )
    if build.amd and not build.hip:
        return UserError(
            f"There is an AMD GPU, but torch {build.version} is a build without ROCm.",
            f"{again} --index-url {INDEX}/rocmX.Y, X.Y being the version of ROCm that is installed",
        )
    return None


def _multiply(probe: CheckProbe, device: str, dtype: Any, largest: float) -> None:
    """A product on the device, held against the same one in float64 on the processor; reports error and speed."""
    import torch

    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(MATRIX_ROWS, MATRIX_ROWS, generator=generator).to(dtype) for _ in range(2))
    exact = left.double() @ right.double()
    on_device = left.to(device), right.to(device)
    product = on_device[0] @ on_device[1]
    error = float(
        (product.double().cpu() if device != "mps" else product.cpu().double()).sub(exact).norm() / exact.norm()
    )
    began, repeats = time.perf_counter(), 5
    for _ in range(repeats):
        product = on_device[0] @ on_device[1]
    product.float().sum().item()  # waits for the device
    seconds = (time.perf_counter() - began) / repeats
    name = str(dtype).removeprefix("torch.")
    probe.fact(f"relative error of a {name} product", error)
    probe.fact(f"speed of a {name} product", 2 * MATRIX_ROWS**3 / seconds / 1e9, "GFLOP/s")
    if not error <= largest:  # NaN, too
        raise UserError(
            f"The device multiplies wrong: a product in {name} is off by {error:.2g} of its norm.",
            "Do not trust what it computes. Undo overclocking, update the driver, test its memory.",
        )
