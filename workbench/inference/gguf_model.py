"""GGUF models as the chat engine's: run by llama.cpp, prompted by the same templates and sampled by the same code.

The prompt is rendered by the chat template in the file, in the process that renders strangers' templates; the next
token is chosen by the same processors and the same random numbers as with transformers. What differs from it: the
arithmetic, and that every token llama.cpp knows as an end ends an answer.

Imports torch: only job and chat processes import this.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.core.errors import UserError
from workbench.core.hardware import Hardware
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.gguf.reading import Header, read_header
from workbench.inference.cpu_budget import Spare
from workbench.inference.decoding import Decoding
from workbench.inference.device_room import require_room
from workbench.inference.generation import answer_of, streams_of
from workbench.inference.gguf_lora import lora_file
from workbench.inference.llama_cpp import LlamaContext, LlamaModel
from workbench.inference.loaded_model import room_left
from workbench.inference.sampling_stream import Stream
from workbench.inference.stream import TOKENS_PER_TURN, ChatMessages, Completion, Watch, unwatched
from workbench.models.model_references import Resolved
from workbench.models.shelf import gguf_in
from workbench.rendering.templates import Template, get_template, model_template

PROMPT_CHUNK_TOKENS = 256  # tokens of a prompt read in one turn
MAX_PARALLEL_ANSWERS = 8  # answers made side by side
MAX_CONTEXT_TOKENS = 16384  # that their contexts hold together
SPECIAL = {
    "bos_token": "bos",
    "eos_token": "eos",
    "unk_token": "unknown",
    "pad_token": "padding",
    "sep_token": "seperator",
}


class GgufModel:
    """A GGUF model under one name, with an adapter of the shelf on it or none."""

    def __init__(
        self, resolved: Resolved, model: LlamaModel, header: Header, digest: str, adapter: "LoadedLora | None",
        spare: Spare,
    ):  # fmt: skip
        self.name, self._file_name = resolved.name, resolved.base.name
        self.model, self.digest, self.spare = model, digest, spare
        self.type, self.adapter = header.type, adapter
        own = (
            Template("model", header.chat_template, f"the one in {self.name}")
            if header.chat_template
            else get_template("model")
        )
        self.template = adapter.template or own if adapter else own
        ids = {token: header.number(f"tokenizer.ggml.{key}_token_id", -1) for token, key in SPECIAL.items()}
        self._special = {
            token: model.written(token_id) for token, token_id in ids.items() if 0 <= token_id < model.width
        }
        self.stops = model.ends | self._end_of_turn()

    @property
    def library(self) -> str:
        return f"llama.cpp, {self.type}"

    def weights(self) -> str:
        """Which file answers, its type and digest, and the adapter on it."""
        file = f"{self._file_name} · GGUF {self.type}"
        if self.adapter:
            return f"{file} + adapter {self.adapter.name} on · {self.adapter.digest[:8]}"
        return f"{file} · {self.digest[:8]}"

    def torch_model(self) -> Any:
        raise UserError(f"{self.name!r} is a GGUF model.", "Choose the model it was made from.", "model")

    def check_prompt(self, messages: ChatMessages) -> None:
        self.room(self.prompt_ids(messages))

    def room(self, prompt: Sequence[int]) -> int:
        return room_left(self.name, prompt, self.model.longest)

    def prompt_text(self, messages: ChatMessages) -> str:
        try:
            return self.template.render(list(messages), self._special, add_generation_prompt=True)
        except UserError as error:
            raise UserError(error.message, "Try it without a system prompt.") from None

    def prompt_ids(self, messages: ChatMessages) -> list[int]:
        """The template alone decides whether they begin with BOS."""
        return self.model.tokenize(self.prompt_text(messages))

    def token_ids(self, text: str) -> list[int]:
        return self.model.tokenize(text)

    def decode(self, tokens: Sequence[int], skip_special_tokens: bool = True) -> str:
        """Control tokens are always left out."""
        return self.model.text_of(tokens)

    def open(self, messages: ChatMessages, decoding: Decoding) -> "GgufStream":
        return GgufStream(self, messages, decoding)

    def answer_batch(
        self, conversations: Sequence[ChatMessages], decoding: Decoding, watch: Watch = unwatched
    ) -> list[Completion]:
        """Several side by side."""
        streams = list(streams_of(self, conversations, decoding))
        generate_parallel({n: stream for n, stream in enumerate(streams) if isinstance(stream, GgufStream)}, watch)
        return [answer_of(stream) for stream in streams]

    def _end_of_turn(self) -> set[int]:
        """The control token the chat template writes after an assistant's turn, if it writes one."""
        turn = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "§§"}]
        try:
            tail = self.template.render(turn, self._special).split("§§")[-1]
        except UserError:
            return set()  # a template that wants other roles; the file's own end tokens still count
        first = self.model.tokenize(tail)[:1]
        return {token for token in first if self.model.is_control(token)}


@dataclass(frozen=True)
class LoadedLora:
    """A LoRA of the shelf in llama.cpp's memory; `template` is the chat template it was trained with."""

    name: str
    digest: str
    pointer: int
    template: Template | None


ON_CPU = Hardware(device="cpu")


class GgufRuntime:
    """The GGUF models of one home that are in memory, by name; each file is loaded once."""

    kinds: ClassVar[tuple[str, ...]] = ("gguf", "gguf-adapter")

    def __init__(self, home: Home, cores: int):
        self.home, self._spare = home, Spare(cores)
        self._models: dict[str, LlamaModel] = {}
        self._adapters: dict[tuple[str, str], LoadedLora] = {}
        self._names: dict[str, GgufModel] = {}

    def get(self, name: str) -> GgufModel | None:
        return self._names.get(name)

    def close(self) -> None:
        """Nothing runs beside this process."""

    def load(self, models: Sequence[Resolved]) -> Iterator[str]:
        wanted = {resolved.name: read_manifest(resolved.base) for resolved in models}
        digests = {manifest.digest for manifest in wanted.values()}
        self._models = {digest: model for digest, model in self._models.items() if digest in digests}
        self._adapters = {key: adapter for key, adapter in self._adapters.items() if key[0] in digests}
        self._names = {name: model for name, model in self._names.items() if name in wanted}
        for resolved in models:
            digest, path = wanted[resolved.name].digest, gguf_in(resolved.base)
            header = read_header(path)  # what is damaged is refused before llama.cpp sees it
            if digest not in self._models:
                room = require_room(self.home, ON_CPU, resolved.base.name, path.stat().st_size)
                yield f"Loading {resolved.base.name} with llama.cpp: {room}"
                self._models[digest] = LlamaModel(path)
            adapter = None
            if resolved.adapter:
                yield f"Loading adapter {resolved.adapter.name}"
                adapter = self._adapter(resolved, resolved.adapter, digest)
            self._names[resolved.name] = self._named(resolved, header, digest, adapter)

    def _named(self, resolved: Resolved, header: Header, digest: str, adapter: LoadedLora | None) -> GgufModel:
        loaded = self._names.get(resolved.name)
        if loaded and loaded.digest == digest and loaded.adapter == adapter:
            return loaded
        return GgufModel(resolved, self._models[digest], header, digest, adapter, self._spare)

    def _adapter(self, pair: Resolved, adapter: Path, digest: str) -> LoadedLora:
        key = (digest, read_manifest(adapter).digest)
        if key not in self._adapters:
            pointer = self._models[digest].adapter(lora_file(self.home, pair))
            self._adapters[key] = LoadedLora(adapter.name, key[1], pointer, model_template(adapter))
        return self._adapters[key]


class GgufStream(Stream):
    """An answer by llama.cpp, with memory of its own for the conversation until it is done."""

    def __init__(self, gguf: GgufModel, messages: ChatMessages, decoding: Decoding):
        super().__init__(gguf, messages, decoding)
        self.gguf = gguf
        self._context: LlamaContext | None = None
        self._read = 0  # tokens of the prompt

    @property
    def length(self) -> int:
        """The most tokens of prompt and answer."""
        return len(self.prompt) + min(self.decoding.max_new_tokens, self.remaining_context)

    def context(self, length: int, rows: int) -> LlamaContext:
        """Memory for answers of this model."""
        adapter = self.gguf.adapter.pointer if self.gguf.adapter else None
        return LlamaContext(self.gguf.model, length, self.gguf.spare, rows, adapter)

    def advance(self, tokens: int = TOKENS_PER_TURN) -> str:
        """As any stream; a long prompt is read in parts first, so that others get their turn and it can be stopped."""
        if len(self.prompt) - self._read <= PROMPT_CHUNK_TOKENS:
            self.note = ""
            return super().advance(tokens)
        began = time.perf_counter()
        self._feed(self.prompt[self._read : self._read + PROMPT_CHUNK_TOKENS])
        self._read += PROMPT_CHUNK_TOKENS
        self.seconds += time.perf_counter() - began
        self.note = f"Reading the conversation: {self._read} of {len(self.prompt)} tokens"
        return ""

    def logits(self) -> torch.Tensor:
        unread, self._read = self.prompt[self._read :], len(self.prompt)
        return self._feed(unread or self.generated_ids[-1:])

    def _feed(self, tokens: Sequence[int]) -> torch.Tensor:
        self._context = self._context or self.context(self.length, 1)
        return torch.from_numpy(self._context.feed({0: tokens})[0])[None]

    def take(self, token: int) -> None:
        super().take(token)
        if self.finish:
            self._context = None

    def take_from(self, logits: NDArray[np.float32]) -> None:
        """Adds the token chosen by logits that were made elsewhere, (vocabulary,)."""
        self.take(self._choose(self.shaped(torch.from_numpy(logits)[None])))
        if self.finish:
            self._new_text()


def generate_parallel(streams: Mapping[int, GgufStream], watch: Callable[[int], None]) -> None:
    """Brings fresh answers of one model to their end, several side by side; `watch` hears the keys of those it begins
    and, before each step, of the latest."""
    if not streams:
        return
    some, length = next(iter(streams.values())), max(stream.length for stream in streams.values())
    rows = max(1, min(MAX_PARALLEL_ANSWERS, MAX_CONTEXT_TOKENS // length, len(streams)))
    context = some.context(length, rows)
    waiting, free, live = deque(streams.items()), list(range(rows)), dict[int, GgufStream]()
    latest = 0
    while waiting or live:
        fed: dict[int, Sequence[int]] = {row: stream.generated_ids[-1:] for row, stream in live.items()}
        while free and waiting:
            latest, stream = waiting.popleft()
            watch(latest)
            row = free.pop()
            live[row], fed[row] = stream, stream.prompt
        watch(latest)
        for row, logits in context.feed(fed).items():
            live[row].take_from(logits)
            if live[row].finish:
                del live[row]
                context.forget(row)
                free.append(row)
