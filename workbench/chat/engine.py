"""The chat engine: bases loaded once, adapters switched on and off over them, answers streamed or in batches.

Imports torch: only job and chat processes import this.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from peft import PeftModel

from workbench.chat.decoding import Decoding
from workbench.data.templates import get_template
from workbench.errors import UserError
from workbench.hardware import probe
from workbench.home import Home
from workbench.lineage import read_manifest
from workbench.models.loading import load_base, load_tokenizer
from workbench.models.shelf import Resolved, resolve

Messages = Sequence[dict[str, str]]
SHARE = 4  # tokens a pane makes before the next one's turn; switching adapters costs about a third of a token


@dataclass
class Base:
    """A base model in memory and the adapters loaded over it, by digest: a name may come to mean other weights."""

    model: Any
    adapters: dict[str, str] = field(default_factory=dict)
    active: str | None = ""

    def activate(self, adapter: str | None) -> Any:
        """Switches to one adapter, or truly off with None; returns the model to call."""
        if adapter != self.active:
            if adapter:
                self.model.base_model.enable_adapter_layers()
                self.model.set_adapter(self.adapters[adapter], inference_mode=True)
            elif self.adapters:
                self.model.base_model.disable_adapter_layers()
            self.active = adapter
        return self.model


@dataclass(frozen=True)
class Loaded:
    """What stands in memory for a name of the shelf: digests of base and adapter, and the adapter's folder."""

    found: Resolved
    base: str
    adapter: str | None

    @classmethod
    def of(cls, found: Resolved) -> "Loaded":
        adapter = read_manifest(found.adapter).digest if found.adapter else None
        return cls(found, read_manifest(found.base).digest, adapter)


@dataclass
class Answer:
    """A finished answer: its text, how it ended ('eos', 'length', 'stopped', 'error') and its length in tokens."""

    text: str
    finish: str
    tokens: int


class Engine:
    """Models of one home, loaded as they are asked for."""

    def __init__(self, home: Home):
        self.home = home
        self.hardware = probe()
        self._bases: dict[str, Base] = {}
        self._loaded: dict[str, Loaded] = {}
        self._tokenizers: dict[str, Any] = {}

    def load(self, names: Sequence[str]) -> Iterator[str]:
        """Loads what is not loaded yet and drops bases none of these need; yields what it is doing."""
        wanted = [Loaded.of(resolve(self.home, name)) for name in names]
        for digest in set(self._bases) - {one.base for one in wanted}:
            del self._bases[digest]
        for one in wanted:
            found = one.found
            if one.base not in self._bases:
                yield f"Loading {found.base.name} on {self.hardware.device}"
                self._bases[one.base] = Base(load_base(found.base, self.hardware).eval(), active=None)
            if one.adapter and one.adapter not in self._bases[one.base].adapters:
                yield f"Loading adapter {found.name}"
                self._add_adapter(one)
            if self._loaded.get(found.name) != one:
                self._tokenizers[found.name] = self._tokenizer(found)
                self._loaded[found.name] = one

    def _add_adapter(self, one: Loaded) -> None:
        base, folder = self._bases[one.base], str(one.found.adapter)
        slot = f"a{len(base.adapters)}"
        if base.adapters:
            base.model.load_adapter(folder, adapter_name=slot)
        else:
            base.model = PeftModel.from_pretrained(base.model, folder, adapter_name=slot).eval()
        base.adapters[str(one.adapter)] = slot
        base.active = "?"

    @staticmethod
    def _tokenizer(found: Resolved) -> Any:
        tokenizer = load_tokenizer(found.home_of_template)
        tokenizer.chat_template = tokenizer.chat_template or get_template("model", found.home_of_template).text
        tokenizer.padding_side = "left"
        return tokenizer

    def weights(self, name: str) -> str:
        """Which weights answer under this name, with the start of their digest."""
        one = self._loaded[name]
        if one.adapter:
            return f"{one.found.base.name} + adapter {name} on · {one.adapter[:8]}"
        others = "adapters off" if self._bases[one.base].adapters else "no adapter"
        return f"{name} · {others} · {one.base[:8]}"

    def activate(self, name: str) -> Any:
        """The model with exactly this name's weights on."""
        one = self._loaded[name]
        return self._bases[one.base].activate(one.adapter)

    def prompt_ids(self, name: str, messages: Messages) -> list[int]:
        """The prompt's tokens, ready for the assistant to go on; raises `UserError` from the template."""
        tokenizer = self._tokenizers[name]
        try:
            ids = tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, return_dict=False)
        except Exception as error:
            raise UserError(
                f"The chat template of {name} refused the conversation: {error}", "Try it without a system prompt."
            ) from None
        return list(ids)

    def stop_ids(self, name: str) -> set[int]:
        """Every token that ends an answer: the model's, the tokenizer's, and the template's end-of-turn token."""
        tokenizer, config = self._tokenizers[name], self.activate(name).generation_config
        ends = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
        found = {*ends, tokenizer.eos_token_id, self._end_of_turn(tokenizer)}
        return {token for token in found if token is not None}

    @staticmethod
    def _end_of_turn(tokenizer: Any) -> int | None:
        """The special token the chat template writes after an assistant's turn, if it writes one."""
        turn = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "§§"}]
        try:
            tail = tokenizer.apply_chat_template(turn, tokenize=False).split("§§")[-1]
        except Exception:
            return None  # a template that wants other roles; its model's own end token still counts
        ids = tokenizer(tail, add_special_tokens=False)["input_ids"]
        return ids[0] if ids and ids[0] in tokenizer.all_special_ids else None

    def open(self, name: str, messages: Messages, decoding: Decoding) -> "Stream":
        """An answer to be made token by token."""
        return Stream(self, name, messages, decoding)

    @torch.inference_mode()
    def answer_batch(self, name: str, conversations: Sequence[Messages], decoding: Decoding) -> list[Answer]:
        """Answers several conversations at once; the seed makes the batch repeatable."""
        model, tokenizer = self.activate(name), self._tokenizers[name]
        prompts = [{"input_ids": self.prompt_ids(name, messages)} for messages in conversations]
        batch = tokenizer.pad(prompts, return_tensors="pt").to(model.device)
        stops = self.stop_ids(name)
        torch.manual_seed(decoding.seed)
        made = model.generate(
            **batch,
            **decoding.generate_arguments(),
            eos_token_id=sorted(stops),
            pad_token_id=tokenizer.pad_token_id,
        )[:, batch["input_ids"].shape[1] :]
        return [self._finished(tokenizer, row.tolist(), stops) for row in made]

    @staticmethod
    def _finished(tokenizer: Any, ids: list[int], stops: set[int]) -> Answer:
        end = next((place for place, token in enumerate(ids) if token in stops), None)
        kept = ids if end is None else ids[:end]
        text = tokenizer.decode(kept, skip_special_tokens=True).strip()
        finish = "error" if not text else "length" if end is None else "eos"
        return Answer(text, finish, len(kept))


class Stream:
    """One answer in the making. `advance` makes the next few tokens; `done` says how it ended."""

    def __init__(self, engine: Engine, name: str, messages: Messages, decoding: Decoding):
        self.engine, self.name, self.decoding = engine, name, decoding
        self.prompt = engine.prompt_ids(name, messages)
        self.stops = engine.stop_ids(name)
        self.tokenizer = engine._tokenizers[name]
        self.made: list[int] = []
        self.text = ""
        self.done = ""
        self.seconds = 0.0
        self._cache: Any = None
        self._processors = decoding.processors()
        self._check_length()

    def _check_length(self) -> None:
        longest = getattr(self.engine.activate(self.name).config, "max_position_embeddings", None)
        if longest and len(self.prompt) + 1 > longest:
            raise UserError(
                f"The conversation has {len(self.prompt)} tokens, {self.name} takes {longest}.", "Start a new one."
            )
        self._room = longest - len(self.prompt) if longest else self.decoding.max_new_tokens

    @torch.inference_mode()
    def advance(self, tokens: int = SHARE) -> str:
        """Makes up to `tokens` tokens; returns the new text (may be '' in the middle of a character)."""
        began = time.perf_counter()
        model = self.engine.activate(self.name)
        for _ in range(tokens):
            self._next(model)
            if self.done:
                break
        self.seconds += time.perf_counter() - began
        return self._new_text()

    def _next(self, model: Any) -> None:
        if self._cache is None:
            self._generator = torch.Generator(device=model.device).manual_seed(self.decoding.seed)
        feed = self.prompt if self._cache is None else self.made[-1:]
        out = model(
            input_ids=torch.tensor([feed], device=model.device), past_key_values=self._cache, use_cache=True,
            logits_to_keep=1,
        )  # fmt: skip
        self._cache = out.past_key_values
        token = self._choose(out.logits[:, -1].float())
        if token in self.stops:
            self.done = "eos"
            return
        self.made.append(token)
        if len(self.made) >= min(self.decoding.max_new_tokens, self._room):
            self.done = "length"

    def _choose(self, logits: torch.Tensor) -> int:
        """The next token from logits of shape (1, vocabulary)."""
        seen = torch.tensor([self.prompt + self.made], device=logits.device)
        scores = self._processors(seen, logits)
        if self.decoding.greedy:
            return int(scores.argmax())
        return int(torch.multinomial(scores.softmax(-1), 1, generator=self._generator))

    def _new_text(self) -> str:
        text = self.tokenizer.decode(self.made, skip_special_tokens=True)
        if text.endswith("\ufffd") and not self.done:
            return ""  # the rest of this character is still to come
        new = text[len(self.text) :]
        self.text = text
        return new
