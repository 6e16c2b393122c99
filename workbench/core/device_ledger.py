"""Who holds memory of the device: a small file for each process, by which chat, jobs and page know of each other.

cache/device/PID.json counts as long as the very process that wrote it lives. Memory on a CPU is that process's resident
set, read when somebody looks; on a GPU it is what the process said last, since only its own library knows.
"""

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import psutil

from workbench.core.errors import UserError
from workbench.core.home import Home, write_text
from workbench.core.limits import bounded_integer, bounded_object, text_up_to
from workbench.core.process import alive, identity

MOST_LABEL_CHARACTERS = 200
WANTED = "wanted"


@dataclass(frozen=True)
class Holder:
    """kind: whether a job or the chat. job: the job's id. device: torch's name of it. memory: bytes."""

    kind: Literal["job", "chat"]
    label: str
    job: str
    device: str
    memory: int
    pid: int


class DeviceLedger:
    """What this process holds, and what the others of this home hold."""

    def __init__(self, home: Home):
        self.folder = home.cache / "device"
        self._own = self.folder / f"{os.getpid()}.json"

    def hold(self, kind: Literal["job", "chat"], label: str, device: str, job: str = "", memory: int = 0) -> None:
        """Says what this process holds now. A disk that takes nothing keeps no work from being done."""
        entry = asdict(Holder(kind, label, job, device, memory, os.getpid()))
        with contextlib.suppress(OSError):
            self.folder.mkdir(exist_ok=True)
            write_text(self._own, json.dumps({**entry, "process": identity(os.getpid()), "started": _started()}))

    def release(self) -> None:
        """Says that this process holds nothing any more."""
        with contextlib.suppress(OSError):
            self._own.unlink(missing_ok=True)

    def holders(self) -> list[Holder]:
        """The living processes that hold something, this one left out; files of dead ones are removed."""
        found: list[Holder] = []
        for path in sorted(self.folder.glob("*.json")):
            holder = _read(path)
            if holder is None:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
            elif holder.pid != os.getpid():
                found.append(holder)
        return found

    def ask_for_room(self) -> None:
        """Asks processes that only keep models at hand, such as the chat between two questions, to give them back."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(exist_ok=True)
            write_text(self.folder / WANTED, identity(os.getpid()))

    def room_is_wanted(self) -> bool:
        """Whether a living process asked for room and has not withdrawn it."""
        try:
            asking = (self.folder / WANTED).read_text("utf-8")
        except OSError:
            return False
        pid = next((holder.pid for holder in self.holders() if identity(holder.pid) == asking), None)
        return pid is not None

    def withdraw(self) -> None:
        """Says that room is no longer needed."""
        with contextlib.suppress(OSError):
            (self.folder / WANTED).unlink(missing_ok=True)


def _started() -> float:
    return psutil.Process().create_time()


def _read(path: Path) -> Holder | None:
    """The holder of a file; None when its process is dead or the file is none of ours."""
    try:
        entry = bounded_object(path)
        pid, started = int(path.stem), float(entry.get("started") or 0)
    except (UserError, ValueError, TypeError):
        return None
    if entry.get("kind") not in ("job", "chat") or not alive(pid, started, str(entry.get("process") or "")):
        return None
    device = text_up_to(entry.get("device"), MOST_LABEL_CHARACTERS)
    memory = bounded_integer(entry.get("memory")) or 0
    return Holder(
        "job" if entry["kind"] == "job" else "chat",
        text_up_to(entry.get("label"), MOST_LABEL_CHARACTERS),
        text_up_to(entry.get("job"), MOST_LABEL_CHARACTERS),
        device,
        _resident(pid) if device == "cpu" else memory,
        pid,
    )


def _resident(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
