"""Models that a vLLM server answers with: one server for each base, adapters over it by name.

Prompts are rendered here, as for training, and sent as tokens. Only job processes import this.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from workbench.core.errors import UserError
from workbench.core.lineage import read_manifest
from workbench.inference.decoding import Decoding
from workbench.inference.loaded_model import room_left
from workbench.inference.prompt_rendering import PromptRenderer
from workbench.inference.stream import (
    TOKENS_PER_TURN,
    ChatMessages,
    Completion,
    PromptTooLong,
    TokenStream,
    Watch,
    unwatched,
)
from workbench.inference.vllm_adapters import reason_against_adapter, served_rank
from workbench.inference.vllm_requests import ask_all, chances_body, chances_of, completion_of, sampling_body
from workbench.inference.vllm_server import BASE, LESS_MEMORY, ServerEnded, ServerPlan, VllmServer
from workbench.models.model_references import WEIGHT_KINDS, Resolved

if TYPE_CHECKING:
    from workbench.rendering.tokenizer import Tokenizer

log = logging.getLogger(__name__)

NO_TORCH = "Choose transformers as engine."


class VllmModel:
    """A model of the shelf, asked for at a server by the name `served`."""

    def __init__(self, resolved: Resolved, server: VllmServer, served: str, concurrency: int):
        self.name, self.resolved, self.server = resolved.name, resolved, server
        self._served, self._concurrency = served, concurrency
        self._renderer = PromptRenderer(resolved)
        self.stops = self._renderer.stops

    @property
    def library(self) -> str:
        return f"vLLM {self.server.version}".strip()

    def weights(self) -> str:
        base, adapter = self.resolved.base, self.resolved.adapter
        words = f"{base.name} · {read_manifest(base).digest[:8]}"
        return f"{words} + adapter {adapter.name} on · {read_manifest(adapter).digest[:8]}" if adapter else words

    def torch_model(self) -> Any:
        raise UserError(f"{self.name!r} is run by vLLM, which shows no weights.", NO_TORCH, "engine")

    def check_prompt(self, messages: ChatMessages) -> None:
        self.room(self.prompt_ids(messages))

    def room(self, prompt: Sequence[int]) -> int:
        return room_left(self.name, prompt, self.server.longest)

    def prompt_text(self, messages: ChatMessages) -> str:
        return self._renderer.prompt(messages).text

    def prompt_ids(self, messages: ChatMessages) -> list[int]:
        return self._renderer.prompt(messages).ids

    def token_ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode([text])[0].ids)

    def decode(self, tokens: Sequence[int], skip_special_tokens: bool = True) -> str:
        return self._tokenizer.backend.decode(list(tokens), skip_special_tokens=skip_special_tokens)

    def open(self, messages: ChatMessages, decoding: Decoding) -> TokenStream:
        self.check_prompt(messages)
        return WholeAnswer(self, messages, decoding)

    def answer_batch(
        self, conversations: Sequence[ChatMessages], decoding: Decoding, watch: Watch = unwatched
    ) -> list[Completion]:
        """All at once, each with a seed of its own: the batch's and its place in it.

        A server that ends meanwhile is started once more and asked for what is still missing. Raises `UserError` with
        the last lines of its log when it ends again.
        """
        answers: dict[int, Completion] = {}
        bodies: dict[int, dict[str, Any]] = {}
        for index, messages in enumerate(conversations):
            prompt = self.prompt_ids(messages)
            try:
                bodies[index] = sampling_body(prompt, decoding, sorted(self.stops), self.room(prompt), index)
            except PromptTooLong:
                answers[index] = Completion("", "error", 0)
        answers |= {index: completion_of(reply) for index, reply in self._replies(bodies, watch).items()}
        return [answers[index] for index in range(len(conversations))]

    def next_token_chances(
        self, conversations: Sequence[ChatMessages], watch: Watch = unwatched
    ) -> list[dict[str, float]]:
        """The probabilities of the likeliest first tokens of an answer by their texts, of each conversation."""
        bodies = {index: chances_body(self.prompt_ids(messages)) for index, messages in enumerate(conversations)}
        replies = self._replies(bodies, watch)
        return [chances_of(replies[index]) for index in range(len(conversations))]

    @property
    def _tokenizer(self) -> "Tokenizer":
        return self._renderer.tokenizer

    def _replies(self, bodies: Mapping[int, dict[str, Any]], watch: Watch) -> dict[int, dict[str, Any]]:
        replies: dict[int, dict[str, Any]] = {}
        asked = {index: {**body, "model": self._served} for index, body in bodies.items()}
        try:
            ask_all(self.server, asked, self._concurrency, replies.__setitem__, watch)
            return replies
        except ServerEnded:
            log.warning("vLLM %s\nStarting it once more.", self.server.end_words())
        missing = {index: body for index, body in asked.items() if index not in replies}
        for _ in self.server.start():
            watch(min(missing))
        try:
            ask_all(self.server, missing, self._concurrency, replies.__setitem__, watch)
        except ServerEnded:
            raise UserError(
                f"vLLM ended twice while it answered: it {self.server.end_words()}",
                f"{LESS_MEMORY} A resumed job goes on with what was answered before.", "engine",
            ) from None  # fmt: skip
        return replies


class WholeAnswer:
    """An answer that comes all at once, as the stream that others are."""

    def __init__(self, model: VllmModel, messages: ChatMessages, decoding: Decoding):
        self.name, self._model, self._messages, self._decoding = model.name, model, messages, decoding
        self.text = self.finish = self.note = ""
        self.generated_ids: list[int] = []
        self.seconds = 0.0

    def advance(self, tokens: int = TOKENS_PER_TURN) -> str:
        """Makes the whole answer, however many tokens are asked for; returns it."""
        began = time.perf_counter()
        (answer,) = self._model.answer_batch([self._messages], self._decoding)
        self.seconds += time.perf_counter() - began
        self.text, self.finish = answer.text, answer.finish
        self.generated_ids = self._model.token_ids(answer.text)
        return self.text


class VllmRuntime:
    """The servers of one job, by the base each holds, and the models that answer from them."""

    kinds: ClassVar[tuple[str, ...]] = WEIGHT_KINDS

    def __init__(self, program: Path, gpu_memory: float, concurrency: int, start_seconds: float):
        """gpu_memory: the share that all servers take together; concurrency: prompts asked at once."""
        self._program, self._gpu_memory = program, gpu_memory
        self._concurrency, self._start_seconds = concurrency, start_seconds
        self._servers: dict[Path, VllmServer] = {}
        self._models: dict[str, VllmModel] = {}

    def get(self, name: str) -> VllmModel | None:
        return self._models.get(name)

    def load(self, models: Sequence[Resolved]) -> Iterator[str]:
        """Starts a server for each base, or leaves those there are if they serve just these models."""
        if {model.name for model in models} == self._models.keys():
            return
        self.close()
        by_base: defaultdict[Path, list[Resolved]] = defaultdict(list)
        for model in models:
            _require_served(model)
            by_base[model.base].append(model)
        for base, over_it in by_base.items():
            adapters = list(dict.fromkeys(model.adapter for model in over_it if model.adapter))
            served = {adapter: f"adapter-{number}" for number, adapter in enumerate(adapters)}
            server = self._servers[base] = VllmServer(self._plan(base, served, len(by_base)))
            yield from server.start()
            for model in over_it:
                name = served[model.adapter] if model.adapter else BASE
                self._models[model.name] = VllmModel(model, server, name, self._concurrency)

    def close(self) -> None:
        self._models.clear()
        while self._servers:
            self._servers.popitem()[1].close()

    def _plan(self, base: Path, served: Mapping[Path, str], servers: int) -> ServerPlan:
        return ServerPlan(
            program=self._program, folder=base, adapters={name: adapter for adapter, name in served.items()},
            rank=served_rank(served), memory=self._gpu_memory / servers, start_seconds=self._start_seconds,
        )  # fmt: skip


def _require_served(model: Resolved) -> None:
    if model.adapter and (reason := reason_against_adapter(model.adapter)):
        raise UserError(f"The adapter {model.adapter.name!r} {reason}.", NO_TORCH, "engine")
