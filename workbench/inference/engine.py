"""Models of one home in memory: each name is loaded once, by the library that runs it.

Imports torch: only job and chat processes import this.
"""

from collections.abc import Iterator, Sequence

from workbench.core.errors import UserError
from workbench.core.hardware import Hardware, detect_hardware
from workbench.core.home import Home
from workbench.inference.gguf_model import GgufRuntime
from workbench.inference.loaded_model import Answering, LoadedModel, Runtime
from workbench.inference.transformers_model import TransformersRuntime


class Engine:
    """Models, adapters over them and GGUF files, loaded as they are asked for."""

    def __init__(self, home: Home, hardware: Hardware | None = None):
        self.home = home
        self.hardware = hardware or detect_hardware()
        self.gguf, self.transformers = GgufRuntime(home, self.hardware.cores), TransformersRuntime(home, self.hardware)
        self._runtimes: list[Runtime] = [self.gguf, self.transformers]

    def load(self, names: Sequence[str]) -> Iterator[str]:
        """Loads what is not loaded yet and drops what none of these need; yields what it is doing."""
        waiting = list(dict.fromkeys(names))
        chosen: list[list[str]] = []
        for runtime in self._runtimes:
            chosen.append([name for name in waiting if runtime.takes(name)])
            waiting = [name for name in waiting if name not in chosen[-1]]
        for runtime, mine in zip(self._runtimes, chosen, strict=True):
            yield from runtime.load(mine)

    def answering(self, name: str) -> Answering:
        """What answers under a loaded name; raises `UserError` when it is not loaded."""
        return self.model(name)

    def model(self, name: str) -> LoadedModel:
        """The model loaded under this name; raises `UserError` when it is not loaded."""
        for runtime in self._runtimes:
            if model := runtime.get(name):
                return model
        raise UserError(f"{name!r} is not loaded.", "Load it first.", "model")
