"""Models of one home in memory: each name is loaded once, by the library that runs it.

Imports torch: only job and chat processes import this.
"""

from collections.abc import Iterator, Sequence

from workbench.core.errors import UserError
from workbench.core.hardware import Hardware, detect_hardware
from workbench.core.home import Home
from workbench.inference.gguf_model import GgufRuntime
from workbench.inference.inference_engine import ENGINES, InferenceEngine
from workbench.inference.loaded_model import Answering, LoadedModel, Runtime
from workbench.models.model_references import resolve


class Engine:
    """Models, adapters over them and GGUF files, loaded as they are asked for."""

    def __init__(self, home: Home, hardware: Hardware | None = None, runs: InferenceEngine | None = None):
        """runs: what answers with weights, transformers unless it is given."""
        self.home = home
        self.hardware = hardware or detect_hardware()
        self.gguf = GgufRuntime(home, self.hardware.cores)
        self.weights = (runs or ENGINES.parse("transformers")).runtime(home, self.hardware)
        self._runtimes: list[Runtime] = [self.gguf, self.weights]
        self._shelf_names: dict[str, str] = {}

    def load(self, names: Sequence[str]) -> Iterator[str]:
        """Loads what is not loaded yet and drops what none of these need; yields what it is doing.

        Raises `UserError` for what is no model that can answer.
        """
        kinds = [kind for runtime in self._runtimes for kind in runtime.kinds]
        models = {name: resolve(self.home, name, kinds=kinds) for name in names}
        for runtime in self._runtimes:
            wanted = {model.name: model for model in models.values() if model.kind in runtime.kinds}
            yield from runtime.load(list(wanted.values()))
        self._shelf_names = {name: model.name for name, model in models.items()}

    def close(self) -> None:
        """Ends what runs beside this process; nothing is loaded any more."""
        for runtime in self._runtimes:
            runtime.close()

    def answering(self, name: str) -> Answering:
        """What answers under a loaded name; raises `UserError` when it is not loaded."""
        return self.model(name)

    def model(self, name: str) -> LoadedModel:
        """The model loaded under this name; raises `UserError` when it is not loaded."""
        for runtime in self._runtimes:
            if model := runtime.get(self._shelf_names.get(name, name)):
                return model
        raise UserError(f"{name!r} is not loaded.", "Load it first.", "model")
