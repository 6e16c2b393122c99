"""Whether the kernel ended a process because memory ran out: what it counts before, and what it counts or logs after.

Linux counts the processes its out-of-memory killer ends in the memory control group that the process was in (v2: the
field oom_kill of memory.events, v1: of memory.oom_control) and, for the whole machine, in /proc/vmstat. Its log names
them. https://docs.kernel.org/admin-guide/cgroup-v2.html, https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
"""

import os
import re
from enum import StrEnum
from pathlib import Path
from typing import Any

from workbench.core.limits import bounded_integer
from workbench.core.process import boot

CGROUPS, PROC, KERNEL_LOG = Path("/sys/fs/cgroup"), Path("/proc"), Path("/dev/kmsg")
COUNTER_FILES = ("memory.events", "memory.oom_control")
FIRST_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO: pids in the kernel's log are those of this one
CLOCK_TOLERANCE_SECONDS = 2.0  # between the clock of the kernel's log and the monotonic one
LOG_RECORD_BYTES = 8192
MOST_LOG_RECORDS = 100_000
KILLED_PROCESS = re.compile(r"Killed process (\d+) ")


class MemoryVerdict(StrEnum):
    """What is known of whether the kernel ended a process for want of memory."""

    CERTAIN = "certain"
    PROBABLE = "probable"
    NO = "no"
    UNKNOWN = "unknown"


def kill_counters() -> dict[str, Any]:
    """What the kernel has counted up to now, to be kept and handed to `memory_verdict` later; JSON types.

    'machine': processes ended since the boot; 'group': the file, its folder's inode and the processes ended of the
    control group of this process. What the system does not count is left out.
    """
    counters: dict[str, Any] = {}
    if (kills := _counted(PROC / "vmstat")) is not None:
        counters["machine"] = kills
    for file in _counter_files():
        if (kills := _counted(file)) is not None and (inode := _inode(file.parent)) is not None:
            counters["group"] = {"file": str(file), "inode": inode, "kills": kills}
            break
    return counters


def memory_verdict(
    before: Any, pid: int, boot_then: str, uptime_then: float, is_sigkill: bool | None = None
) -> MemoryVerdict:
    """Whether a process that is gone was ended for want of memory.

    before: its `kill_counters` at its start, from a file that may hold anything; boot_then, uptime_then: `boot` and
    `uptime` of its start; is_sigkill: whether it ended by SIGKILL, None where nobody can say.
    """
    if is_sigkill is False:
        return MemoryVerdict.NO
    if not boot_then or boot_then != boot():
        return MemoryVerdict.UNKNOWN
    if pid in _logged_pids(uptime_then):
        return MemoryVerdict.CERTAIN
    before = before if isinstance(before, dict) else {}
    grown = _group_grew(before.get("group"))
    if grown is not None:
        sure = MemoryVerdict.CERTAIN if is_sigkill else MemoryVerdict.PROBABLE
        return sure if grown else MemoryVerdict.NO
    then, now = bounded_integer(before.get("machine")), _counted(PROC / "vmstat")
    if then is None or now is None:
        return MemoryVerdict.UNKNOWN
    return MemoryVerdict.PROBABLE if now > then else MemoryVerdict.NO


def _counter_files() -> list[Path]:
    """Where the counter of this process's group may be; in a container its group is often the root that it sees."""
    try:
        lines = (PROC / "self" / "cgroup").read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    files: list[Path] = []
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if "memory" in controllers.split(","):
            tops, name = [CGROUPS / "memory"], COUNTER_FILES[1]
        elif number == "0":
            tops, name = [CGROUPS, CGROUPS / "unified"], COUNTER_FILES[0]
        else:
            continue
        files += [folder / name for top in tops for folder in (top / path.lstrip("/"), top)]
    return files


def _counted(file: Path) -> int | None:
    """The number after 'oom_kill'; None where the kernel does not count, or the group is gone."""
    try:
        lines = file.read_text("ascii", "replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if re.fullmatch(r"oom_kill \d+", line)), None)


def _group_grew(group: Any) -> bool | None:
    """Whether more processes were ended in the group than before; None where it is another group by now, or none."""
    if not isinstance(group, dict) or not isinstance(group.get("file"), str):
        return None
    file, kills = Path(group["file"]), bounded_integer(group.get("kills"))
    if kills is None or file.name not in COUNTER_FILES or ".." in file.parts or not file.is_relative_to(CGROUPS):
        return None
    now = _counted(file) if _inode(file.parent) == group.get("inode") else None
    return None if now is None else now > kills


def _inode(folder: Path) -> int | None:
    """The number of a control group, which no later one of the same name has; None if it is gone."""
    try:
        return folder.stat().st_ino
    except OSError:
        return None


def _logged_pids(since: float) -> set[int]:
    """The processes that the kernel's log says were ended for want of memory after `since`, an `uptime`.

    None of them where the log may not be read (it takes a privilege), or tells the pids of another namespace.
    """
    try:
        if os.readlink(PROC / "self" / "ns" / "pid") != FIRST_PID_NAMESPACE:  # noqa: PTH115  Path resolves it
            return set()
        log = os.open(KERNEL_LOG, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return set()
    try:
        return _killed_in(log, since)
    finally:
        os.close(log)


def _killed_in(log: int, since: float) -> set[int]:
    """Reads /dev/kmsg record by record: 'priority,number,microseconds since the boot,flags;text'.

    https://docs.kernel.org/admin-guide/abi-testing.html#abi-dev-kmsg
    """
    pids: set[int] = set()
    for _ in range(MOST_LOG_RECORDS):
        try:
            record = os.read(log, LOG_RECORD_BYTES).decode("utf-8", "replace")
        except BrokenPipeError:
            continue  # records were overwritten meanwhile; reading goes on at the oldest there is
        except OSError:
            break  # no more of them
        head, _, text = record.partition(";")
        fields = head.split(",")
        killed = KILLED_PROCESS.search(text)
        if not record:
            break
        at = int(fields[2]) / 1e6 if len(fields) > 2 and fields[2].isdigit() else 0.0
        if killed and at >= since - CLOCK_TOLERANCE_SECONDS:
            pids.add(int(killed[1]))
    return pids
