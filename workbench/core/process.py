"""Which process is which, whatever happens to the clock: a pid is used again, and a start time moves with the clock.

On Linux a process is told by the boot of the kernel and the ticks from boot to its start, both of which no clock
changes (proc(5): /proc/sys/kernel/random/boot_id, field 22 of /proc/PID/stat). Elsewhere the start time is recorded
once, when the process begins, and psutil tells it.
"""

import functools
import time
from pathlib import Path

import psutil

TOLERANCE_SECONDS = 2


@functools.cache
def boot() -> str:
    """This boot of the machine; '' where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def uptime() -> float:
    """Seconds on a clock all processes share and nobody sets; comparable between two moments of one `boot`."""
    return time.monotonic()


def identity(pid: int) -> str:
    """'BOOT/TICKS' of a living process; '' if there is none or the system does not say."""
    if not boot():
        return ""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return f"{boot()}/{fields[19]}" if len(fields) > 19 and fields[0] not in "ZXx" else ""


def alive(pid: int, started: float, known: str = "") -> bool:
    """Whether that very process lives and is no zombie.

    known: its `identity`, if that was recorded; else it is told by its start time, in seconds since the epoch.
    """
    if known:
        return identity(pid) == known
    try:
        process = psutil.Process(pid)
        near = abs(process.create_time() - started) < TOLERANCE_SECONDS
        return near and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError, OverflowError):  # OverflowError: a number no process can have
        return False
