"""Operating system, Python, memory, and the packages against requirements.txt."""

import importlib.metadata
import platform
import re
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import psutil

from workbench.core.assets import ROOT
from workbench.core.errors import UserError
from workbench.core.parallel import cores
from workbench.doctor.machine_check import CHECKS, Check, CheckProbe

REQUIREMENTS = ROOT / "requirements.txt"
DISTRIBUTION = "llm-workbench"
LEAST_MEMORY_BYTES = 4_000_000_000
UNLIMITED_BYTES = 1 << 60
CGROUP_FILES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@CHECKS.register
class System(Check):
    """Operating system, Python, processor cores, memory, and the versions of the packages."""

    method: ClassVar[str] = "system"
    title: ClassVar[str] = "System and packages"
    order: ClassVar[int] = 10

    def measure(self, probe: CheckProbe) -> None:
        memory, limit = psutil.virtual_memory(), cgroup_limit()
        probe.fact("system", f"{platform.system()} {platform.release()} {platform.machine()}")
        probe.fact("Python", platform.python_version())
        probe.fact("cores", cores())
        probe.fact("memory", memory.total, "bytes")
        probe.fact("memory available", memory.available, "bytes")
        if limit:
            probe.fact("memory limit of the container", limit, "bytes")
        if min(memory.total, limit or memory.total) < LEAST_MEMORY_BYTES:
            probe.warn("Less than 4 GB of memory: only small models fit.", "Give this machine or container more.")
        wanted = required_versions()
        probe.fact("packages required", len(wanted))
        if misfits := list(package_misfits(wanted)):
            command = " ".join(f'"{requirement}"' for requirement, _ in misfits)
            raise UserError(
                "; ".join(f"{requirement} is required, {present}" for requirement, present in misfits) + ".",
                f"pip install {command}",
            )


def cgroup_limit() -> int:
    """The most bytes this container may take; 0 without a limit."""
    for name in CGROUP_FILES:
        try:
            text = Path(name).read_text("ascii").strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < UNLIMITED_BYTES:
            return int(text)
    return 0


def required_versions() -> list[str]:
    """What requirements.txt asks for, or the installed package where there is no such file."""
    if REQUIREMENTS.is_file():
        lines = REQUIREMENTS.read_text("utf-8").splitlines()
    else:
        lines = [line for line in importlib.metadata.requires(DISTRIBUTION) or [] if "extra ==" not in line]
    return [line.partition("#")[0].strip() for line in lines if line.partition("#")[0].strip()]


def package_misfits(requirements: Iterable[str]) -> Iterable[tuple[str, str]]:
    """(requirement, what there is instead) of every package that is missing or of another version."""
    from packaging.requirements import Requirement

    for text in requirements:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate():
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            yield _without_marker(text), "it is not installed"
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            yield _without_marker(text), f"{version} is installed"


def _without_marker(requirement: str) -> str:
    return re.sub(r"\s*;.*", "", requirement)
