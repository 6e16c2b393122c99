"""An engine that also knows ensembles: their members are loaded like any other models, and asked together.

Imports torch: only job and chat processes import this.
"""

from collections.abc import Iterator, Sequence

from workbench.core.hardware import Hardware
from workbench.core.home import Home
from workbench.ensembles.shelf import ShelvedEnsemble, read_ensemble
from workbench.inference.decoding import Decoding
from workbench.inference.engine import Engine
from workbench.inference.generation import generate_sequential
from workbench.inference.inference_engine import InferenceEngine
from workbench.inference.loaded_model import Answering
from workbench.inference.stream import ChatMessages, Completion, TokenStream, Watch, unwatched
from workbench.models.model_references import ANSWERS


class LoadedEnsemble:
    """An ensemble of the shelf over its loaded members."""

    def __init__(self, engine: Engine, shelved: ShelvedEnsemble):
        self.name, self._engine, self._shelved = shelved.name, engine, shelved

    @property
    def library(self) -> str:
        used = {self._engine.model(member).library for member in self._shelved.members}
        return f"{self._shelved.method.title.lower()} ({'; '.join(sorted(used))})"

    def weights(self) -> str:
        method, members = self._shelved.method, self._shelved.members
        return f"{method.how(members)}: {' | '.join(self._engine.model(member).weights() for member in members)}"

    def check_prompt(self, messages: ChatMessages) -> None:
        """Nothing to say: an ensemble only finds out on its way."""

    def open(self, messages: ChatMessages, decoding: Decoding) -> TokenStream:
        stream = self._shelved.method.stream(self._engine, self._shelved.members, messages, decoding)
        stream.name = self.name
        return stream

    def answer_batch(
        self, conversations: Sequence[ChatMessages], decoding: Decoding, watch: Watch = unwatched
    ) -> list[Completion]:
        return generate_sequential(self, conversations, decoding, watch)


class EnsembleEngine(Engine):
    """Models and ensembles of one home."""

    def __init__(self, home: Home, hardware: Hardware | None = None, runs: InferenceEngine | None = None):
        super().__init__(home, hardware, runs)
        self._ensembles: dict[str, LoadedEnsemble] = {}

    def load(self, names: Sequence[str]) -> Iterator[str]:
        yield from super().load(list(self._with_members(names)))

    def _with_members(self, names: Sequence[str]) -> Iterator[str]:
        """The names of models to load: an ensemble's members in its place."""
        for name in names:
            self._ensembles.pop(name, None)  # the name may have come to mean a model
            resolved = ANSWERS.find(self.home, name)
            if resolved.kind == "ensemble":
                shelved = read_ensemble(self.home, resolved.base.name)
                self._ensembles[name] = LoadedEnsemble(self, shelved)
                yield from shelved.members
            else:
                yield name

    def answering(self, name: str) -> Answering:
        return self._ensembles.get(name) or super().answering(name)
