"""Which library answers with a model's weights: a choice of jobs that ask for many answers. One a file in engines/.

GGUF files are llama.cpp's whatever is chosen.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.core.errors import Problems
from workbench.core.hardware import Hardware
from workbench.core.home import Home
from workbench.core.registry import Method, Registry
from workbench.models.model_references import Resolved

if TYPE_CHECKING:
    from workbench.inference.loaded_model import Runtime


class InferenceEngine(Method):
    """Base of the engines."""

    @abstractmethod
    def runtime(self, home: Home, hardware: Hardware) -> "Runtime":
        """What loads models and answers with them; only job processes call this."""

    def prompts_at_once(self, batch_size: int) -> int:
        """How many prompts it is best asked at once, where a job asks so many."""
        return batch_size

    def check(self, models: Sequence[Resolved], problems: Problems) -> None:
        """Adds why it cannot run here, or not with these models, as problems of the setting 'engine'."""
        if reason := self.unavailable():
            problems.add("engine", f"{self.title} cannot run here.", reason)


ENGINES: Registry[InferenceEngine] = Registry("engine", "workbench.inference.engines")
