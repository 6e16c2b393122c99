"""transformers, in the job's own process."""

from typing import TYPE_CHECKING, ClassVar

from workbench.core.hardware import Hardware
from workbench.core.home import Home
from workbench.inference.inference_engine import ENGINES, InferenceEngine

if TYPE_CHECKING:
    from workbench.inference.loaded_model import Runtime


@ENGINES.register
class TransformersEngine(InferenceEngine):
    """Answers with transformers, and of GGUF files with llama.cpp; everywhere, and nothing to install.

    All models, adapters and ensembles that can be chosen at all.
    """

    method: ClassVar[str] = "transformers"
    title: ClassVar[str] = "Transformers and llama.cpp"

    def runtime(self, home: Home, hardware: Hardware) -> "Runtime":
        from workbench.inference.transformers_model import TransformersRuntime

        return TransformersRuntime(home, hardware)
