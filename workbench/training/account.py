"""The account of a run: where its time went, and what energy the machine's own counters say it took.

The energy is of the whole package or GPU while the run lasted, whatever else ran there: counters know no processes.
Where there is no counter to be read nothing is said: an estimate from a nominal power would be made up.

Imports transformers: only job processes import this.
"""

import importlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

RAPL = Path("/sys/class/powercap")
JOULE_MICROJOULES, WATT_HOUR_JOULES = 1e6, 3600.0


class Account(TrainerCallback):
    """Seconds by what the trainer was doing, and joules since it was made."""

    def __init__(self) -> None:
        self.seconds = {"training": 0.0, "evaluation": 0.0, "saving": 0.0, "samples": 0.0}
        self._began = self._mark = time.perf_counter()
        self._energy = EnergyCounters()

    @contextmanager
    def of(self, phase: str) -> Iterator[None]:
        """Counts what lies within as that phase."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] += time.perf_counter() - began
            self._mark = time.perf_counter()

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._mark = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._pass_to("training")

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """The trainer logs an evaluation before it says that there was one."""
        if any(name.startswith("eval_") for name in logs or {}):
            self._pass_to("evaluation")
        self._mark = time.perf_counter()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._pass_to("saving")

    def _pass_to(self, phase: str) -> None:
        """What passed since the last event belongs to that phase."""
        now = time.perf_counter()
        self.seconds[phase] += now - self._mark
        self._mark = now

    def result(self) -> dict[str, Any]:
        """{"seconds": {phase: seconds, "total": …}, "energy_wh": watt-hours or left out where nothing counts them}.

        Seconds to the millisecond, of every phase that took place, however short.
        """
        total = time.perf_counter() - self._began
        spent = {name: round(value, 3) for name, value in self.seconds.items() if value}
        joules = self._energy.joules()
        energy = {} if joules is None else {"energy_wh": round(joules / WATT_HOUR_JOULES, 3)}
        return {"seconds": {**spent, "total": round(total, 3)}, **energy}


class EnergyCounters:
    """The energy counters of this machine: NVML's of the first GPU, RAPL's of the processor packages."""

    def __init__(self, powercap: Path = RAPL) -> None:
        self._packages = [zone for zone in sorted(powercap.glob("*-rapl:[0-9]*")) if zone.name.count(":") == 1]
        self._gpu = _gpu_counter()
        self._start = self._read()

    def joules(self) -> float | None:
        """Since it was made; None where no counter can be read."""
        now = self._read()
        if not self._start or now.keys() != self._start.keys():
            return None
        return sum(_difference(self._start[name], value) for name, value in now.items())

    def _read(self) -> dict[str, tuple[float, float]]:
        """(joules so far, joules at which it begins anew or 0) by counter."""
        read: dict[str, tuple[float, float]] = {}
        for zone in self._packages:
            try:
                used = int((zone / "energy_uj").read_text()) / JOULE_MICROJOULES
                range_ = int((zone / "max_energy_range_uj").read_text()) / JOULE_MICROJOULES
            except (OSError, ValueError):
                continue  # since 2020 kernels let only root read it
            read[zone.name] = used, range_
        if self._gpu is not None:
            read["gpu"] = self._gpu() / 1000, 0.0
        return read


def _difference(start: tuple[float, float], now: tuple[float, float]) -> float:
    used = now[0] - start[0]
    return used if used >= 0 else used + now[1]


def _gpu_counter() -> Any:
    """A function that reads the first GPU's millijoules since its driver was loaded, or None."""
    try:
        pynvml = importlib.import_module("pynvml")
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except Exception:  # no bindings, no driver, or a GPU older than Volta
        return None
    return lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
