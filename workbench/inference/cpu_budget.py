"""How many threads llama.cpp should use beside whatever else the machine is doing."""

import time

import psutil

LOOK_EVERY_SECONDS = 0.5  # seconds between two looks at what other processes use


class Spare:
    """How many threads to use: the cores that other processes leave free, one at least.

    llama.cpp's threads wait for each other hundreds of times a token; with one more thread than free cores it gets
    twenty times slower, and with one less hardly.
    """

    def __init__(self, cores: int):
        self.cores = self._found = cores
        self._process = psutil.Process()
        self._looked = time.monotonic()
        self._busy()

    def threads(self) -> int:
        if time.monotonic() - self._looked >= LOOK_EVERY_SECONDS:
            self._looked = time.monotonic()
            self._found = max(1, min(self.cores, round(self.cores - self._busy())))
        return self._found

    def _busy(self) -> float:
        """Cores of this process's share that others used since the last look."""
        used = psutil.cpu_percent(percpu=True)
        ours = self._process.cpu_affinity() if hasattr(self._process, "cpu_affinity") else range(len(used))
        return float(sum(used[core] for core in ours if core < len(used)) - self._process.cpu_percent()) / 100
