"""Whether a model still fits beside what the device holds, asked before it is loaded.

Imports torch: only job and chat processes import this.
"""

import psutil
import torch

from workbench.core.device_ledger import DeviceLedger, Holder
from workbench.core.errors import UserError
from workbench.core.hardware import Hardware
from workbench.core.home import Home
from workbench.core.units import human_size

RESERVE_SHARE = 0.05  # of what is free: answers need room for their context, too


class NoRoom(UserError):
    """A model does not fit into what is free."""


def free_memory(device: str) -> int:
    """Bytes free on a device by torch's name of it; on a CPU, and where memory is shared with it, those of the RAM."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    return int(psutil.virtual_memory().available)


def require_room(home: Home, hardware: Hardware, name: str, needed: int) -> str:
    """'270 MB of 14 GB free': what a model of so many bytes takes. Raises `NoRoom` with who holds the rest."""
    free = free_memory(hardware.device)
    if needed <= free * (1 - RESERVE_SHARE):
        return f"{human_size(needed)} of {human_size(free)} free"
    held = [holder for holder in DeviceLedger(home).holders() if holder.device == hardware.device]
    where = "RAM" if hardware.device == "cpu" else "the GPU"
    raise NoRoom(
        f"{name} takes {human_size(needed)}, and {human_size(free)} of {where} are free.{_sentence(held, where)}",
        _remedy(held, hardware.device),
        "models",
    )


def _sentence(held: list[Holder], where: str) -> str:
    texts = [f"{holder.label} holds {human_size(holder.memory)} of {where}" for holder in held if holder.memory]
    return f" {'; '.join(texts)}." if texts else ""


def _remedy(held: list[Holder], device: str) -> str:
    ways = ["wait for it or pause it"] if any(holder.kind == "job" for holder in held) else []
    ways += ["answer on the CPU"] if device != "cpu" else []
    text = ", or ".join([*ways, "choose fewer or smaller models"])
    return f"{text[0].upper()}{text[1:]}."
