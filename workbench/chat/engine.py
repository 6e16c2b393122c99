"""The chat engine: bases loaded once, adapters switched on and off over them, answers streamed or in batches.

An ensemble's members are loaded like any other models; the ensemble itself is only a way of asking them. GGUF models
are run by llama.cpp, all others by transformers.

Imports torch: only job and chat processes import this.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from workbench.chat.bases import Base, Loaded
from workbench.chat.batches import Answer, Watch, at_once, one_by_one, side_by_side
from workbench.chat.decoding import Decoding
from workbench.chat.ensemble import AnyStream
from workbench.chat.gguf import Ggufs, GgufStream
from workbench.chat.stream import Messages, TooLong
from workbench.chat.streams import Stream
from workbench.data.rendering import Rendered, Tokenizer, render_prompt
from workbench.data.templates import Template, get_template
from workbench.errors import UserError
from workbench.hardware import probe
from workbench.home import Home
from workbench.models.chat_tokens import stops_of
from workbench.models.ensembles import ShelvedEnsemble, is_ensemble, read_ensemble
from workbench.models.loading import load_base, load_tokenizer
from workbench.models.shelf import Resolved, resolve


class Engine:
    """Models and ensembles of one home, loaded as they are asked for."""

    def __init__(self, home: Home):
        self.home = home
        self.hardware = probe()
        self._bases: dict[str, Base] = {}
        self._loaded: dict[str, Loaded] = {}
        self._tokenizers: dict[str, Any] = {}
        self._renderings: dict[str, tuple[Tokenizer, Template]] = {}
        self._stops: dict[str, set[int]] = {}
        self._ensembles: dict[str, ShelvedEnsemble] = {}
        self._ggufs = Ggufs(home, self.hardware.cores)

    def load(self, names: Sequence[str]) -> Iterator[str]:
        """Loads what is not loaded yet and drops bases none of these need; yields what it is doing."""
        models = list(dict.fromkeys(self._with_members(names)))
        ggufs = [name for name in models if self._ggufs.takes(name)]
        wanted = [Loaded.of(resolve(self.home, name)) for name in models if name not in ggufs]
        for key in set(self._bases) - {one.key for one in wanted}:
            del self._bases[key]
        yield from self._ggufs.load(ggufs)
        for one in wanted:
            found = one.found
            if one.key not in self._bases:
                yield f"Loading {found.base.name} on {self.hardware.device}"
                self._bases[one.key] = Base(load_base(found.base, self.hardware, answers_only=True).eval(), active=None)
            if one.adapter and one.adapter not in self._bases[one.key].adapters:
                yield f"Loading adapter {found.name}"
                self._bases[one.key].add(one)
            if self._loaded.get(found.name) != one:
                folder = found.home_of_template
                self._tokenizers[found.name] = self._tokenizer(found)
                self._renderings[found.name] = (Tokenizer.load(folder), get_template("model", folder))
                self._stops[found.name] = stops_of(found)
                self._loaded[found.name] = one

    def _with_members(self, names: Sequence[str]) -> Iterator[str]:
        """The names of models to load: an ensemble's members in its place."""
        for name in names:
            self._ensembles.pop(name, None)  # the name may have come to mean a model
            if "+" not in name and is_ensemble(self.home, name):
                self._ensembles[name] = read_ensemble(self.home, name)
                yield from self._ensembles[name].members
            else:
                yield name

    @staticmethod
    def _tokenizer(found: Resolved) -> Any:
        tokenizer = load_tokenizer(found.home_of_template)
        tokenizer.chat_template = tokenizer.chat_template or get_template("model", found.home_of_template).text
        tokenizer.padding_side = "left"
        return tokenizer

    def weights(self, name: str) -> str:
        """Which weights answer under this name, with the start of their digest; how an ensemble combines whose."""
        if found := self._ensembles.get(name):
            return f"{found.method.how(found.members)}: {' | '.join(map(self.weights, found.members))}"
        if gguf := self._ggufs.get(name):
            return gguf.weights()
        one = self._loaded[name]
        if one.adapter:
            return f"{one.found.base.name} + adapter {name} on · {one.adapter[:8]}"
        others = "adapters off" if self._bases[one.key].adapters else "no adapter"
        return f"{name} · {others} · {one.base[:8]}"

    def activate(self, name: str) -> Any:
        """The model with exactly this name's weights on; raises `UserError` for a GGUF, which is none of torch's."""
        if self._ggufs.get(name):
            raise UserError(f"{name!r} is a GGUF model.", "Choose the model it was made from.", "model")
        one = self._loaded[name]
        return self._bases[one.key].activate(one.adapter)

    def tokenizer(self, name: str) -> Any:
        """The tokenizer of a loaded model, with its chat template; of a GGUF, what decodes its tokens."""
        return self._ggufs.get(name) or self._tokenizers[name]

    def room(self, name: str, prompt: Sequence[int]) -> int:
        """How many tokens the model can add to a prompt; raises `TooLong` when none."""
        if gguf := self._ggufs.get(name):
            longest = gguf.model.longest
        else:
            longest = getattr(self.activate(name).config, "max_position_embeddings", None) or 2**31
            longest -= self._loaded[name].virtual_tokens
        if len(prompt) + 1 > longest:
            raise TooLong(f"The conversation has {len(prompt)} tokens, {name} takes {longest}.", "Start a new one.")
        return int(longest - len(prompt))

    def prompt_ids(self, name: str, messages: Messages) -> list[int]:
        """The prompt's tokens, ready for the assistant to go on; raises `UserError` from the template."""
        if gguf := self._ggufs.get(name):
            return gguf.prompt_ids(messages)
        return self.prompt(name, messages).ids

    def prompt(self, name: str, messages: Messages) -> Rendered:
        """The prompt of a model of transformers as training and the token view render it; raises `UserError`."""
        tokenizer, template = self._renderings[name]
        try:
            return render_prompt(messages, tokenizer, template)
        except UserError as error:
            raise UserError(
                f"The chat template of {name} refused the conversation: {error.message}",
                "Try it without a system prompt.",
            ) from None

    def stop_ids(self, name: str) -> set[int]:
        """Every token that ends an answer: the model's, the tokenizer's, and the template's end-of-turn token."""
        if gguf := self._ggufs.get(name):
            return set(gguf.stops)
        return set(self._stops[name])

    def open(self, name: str, messages: Messages, decoding: Decoding) -> AnyStream:
        """An answer to be made token by token; raises `TooLong`."""
        found = self._ensembles.get(name)
        if found is None:
            return self._stream(name, messages, decoding)
        stream = found.method.stream(self, found.members, messages, decoding)
        stream.name = name
        return stream

    def _stream(self, name: str, messages: Messages, decoding: Decoding) -> Stream:
        if gguf := self._ggufs.get(name):
            return GgufStream(gguf, self._ggufs.spare, self, name, messages, decoding)
        return Stream(self, name, messages, decoding)

    def answer_batch(
        self, name: str, conversations: Sequence[Messages], decoding: Decoding, watch: Watch = lambda place: None
    ) -> list[Answer]:
        """Answers several conversations; the seed makes the batch repeatable.

        A model answers them at once, a GGUF several side by side, an ensemble one by one. One that is too long gets
        an empty answer that ended in 'error'.
        """
        answer = at_once
        if name in self._ensembles:
            answer = one_by_one
        elif self._ggufs.get(name):
            answer = side_by_side
        return answer(self, name, conversations, decoding, watch)
