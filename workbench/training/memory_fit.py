"""Whether a training fits into the device's memory, and the settings with which it does. Imports no torch."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from workbench.core.device_ledger import DeviceLedger
from workbench.core.errors import Problems, UserError
from workbench.core.hardware import Hardware, cached_hardware
from workbench.core.home import Home
from workbench.core.settings import Settings
from workbench.core.units import human_size
from workbench.models.model_references import resolve_setting
from workbench.training.jobs.train import Train
from workbench.training.memory_estimate import MemoryEstimate, estimate_memory
from workbench.training.settings.batching import halved_batch
from workbench.training.tuner import TUNERS

RESERVE_SHARE = 0.1  # of what is free: an estimate may be off, and nothing runs in the last byte
SHORTEST_TOKENS = 64  # tokens that a row is cut to at least to make it fit
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Room:
    """Bytes of the device's memory: what may be used in all, and what of it is free now."""

    total: int
    free: int

    def holds(self, estimate: MemoryEstimate) -> bool:
        return estimate.total <= self.free * (1 - RESERVE_SHARE)


@dataclass(frozen=True)
class Change:
    """One setting that is changed so that it fits: its name, both values as they are written, and why."""

    setting: str
    before: str
    after: str
    reason: str


@dataclass(frozen=True)
class Fitted:
    """Settings with which a training fits, what they change, and what it takes then."""

    job: Train
    changes: tuple[Change, ...]
    estimate: MemoryEstimate

    def to_dict(self) -> dict[str, Any]:
        """The settings that changed, as plain data to lay over the others, and every change."""
        settings = self.job.to_dict()
        names = {change.setting.split(".")[0] for change in self.changes}
        return {
            "settings": {name: settings[name] for name in names},
            "changes": [asdict(change) for change in self.changes],
            "memory": self.estimate.to_dict(),
        }


def device_room(home: Home, hardware: Hardware) -> Room:
    """What the operator, the container and the machine leave; chat gives its memory back to a job that starts."""
    own = hardware.device in ("cpu", "mps") or not hardware.memory
    memory = psutil.virtual_memory()
    total, free = (memory.total, memory.available) if own else (hardware.memory, hardware.memory)
    if own and (limit := _container_limit()):
        total, free = min(total, limit[0]), min(free, limit[0] - limit[1])
    if not own:
        free -= sum(holder.memory for holder in DeviceLedger(home).holders() if holder.kind == "job")
    if gigabytes := Settings.current().memory_gb:
        total, free = (min(size, int(gigabytes * 1e9)) for size in (total, free))
    return Room(total, max(0, free))


def _container_limit() -> tuple[int, int] | None:
    """(limit, used) of the control group that this process is in, if it has a limit."""
    try:
        return int((CGROUP / "memory.max").read_text()), int((CGROUP / "memory.current").read_text())
    except (OSError, ValueError):  # 'max', or no control groups
        return None


def fitting_job(home: Home, job: Train) -> Fitted:
    """The settings with the fewest changes with which it fits: first those that leave the result as it is.

    Smaller batches with more accumulation, then gradient checkpointing, then QLoRA where it runs, and shorter rows
    last. Raises `UserError` where nothing of that is enough.
    """
    hardware = cached_hardware(home)
    room = device_room(home, hardware)
    changes: dict[str, Change] = {}
    estimate = estimate_memory(home, job, hardware)
    for step in (_smaller_batch, _checkpointing, _four_bits, _shorter):
        while not room.holds(estimate) and (found := step(home, job)):
            after, reason = found
            smaller = estimate_memory(home, after, hardware)
            if smaller.total >= estimate.total:
                break
            changes |= {change.setting: change for change in _changes(job, after, reason, changes)}
            job, estimate = after, smaller
    if not room.holds(estimate):
        raise UserError(
            f"Even with the smallest settings it takes {human_size(estimate.total)}; {human_size(room.free)} are free.",
            "Choose a smaller model, or free some memory.", "model",
        )  # fmt: skip
    return Fitted(job, tuple(changes.values()), estimate)


def _changes(job: Train, after: Train, reason: str, known: dict[str, Change]) -> Iterator[Change]:
    """What differs, each from the value that stood there before the first change."""
    for name in SHOWN:
        old, new = (_written(getattr(one, name)) for one in (job, after))
        if old != new:
            yield Change(name, known[name].before if name in known else old, new, reason)


def _written(value: Any) -> str:
    return value.title if hasattr(value, "title") and not isinstance(value, str) else str(value)


SHOWN = ("batch_size", "gradient_accumulation", "gradient_checkpointing", "tuner", "max_length")
SAME_STEPS = "Fewer rows at a time, added up over more passes: the steps and the result stay the same."
RECOMPUTED = "Activations are computed again in the backward pass: about a third slower, the same result."
QUANTIZED = "The frozen weights are held in 4 bits, about a quarter of their memory; steps are slower."
CUT = "Rows are cut off earlier: what lies behind is not learned."


def _smaller_batch(home: Home, job: Train) -> tuple[Train, str] | None:
    halved = halved_batch(job.batch_size, job.gradient_accumulation)
    if halved is None:
        return None
    return job.model_copy(update={"batch_size": halved[0], "gradient_accumulation": halved[1]}), SAME_STEPS


def _checkpointing(home: Home, job: Train) -> tuple[Train, str] | None:
    if job.gradient_checkpointing:
        return None
    return job.model_copy(update={"gradient_checkpointing": True}), RECOMPUTED


def _four_bits(home: Home, job: Train) -> tuple[Train, str] | None:
    """LoRA's settings with another tuner, where that is LoRA and the other runs on this model."""
    quantized = TUNERS.get("qlora")
    if job.tuner.method != "lora" or quantized.unavailable():
        return None
    settings = {name: value for name, value in job.tuner.to_dict().items() if name != "method"}
    tuner, problems = quantized.parse(settings), Problems()
    tuner.check(home, resolve_setting(home, job, "model"), problems)
    return None if problems.found else (job.model_copy(update={"tuner": tuner}), QUANTIZED)


def _shorter(home: Home, job: Train) -> tuple[Train, str] | None:
    if job.max_length // 2 < SHORTEST_TOKENS:
        return None
    return job.model_copy(update={"max_length": job.max_length // 2}), CUT
