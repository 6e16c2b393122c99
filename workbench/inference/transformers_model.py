"""Models that transformers and PEFT run: bases loaded once, adapters switched on and off over them.

Imports torch: only job and chat processes import this.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import torch

from workbench.core.hardware import Hardware
from workbench.core.home import Home
from workbench.core.units import human_size
from workbench.inference.bases import Base, Loaded
from workbench.inference.decoding import Decoding
from workbench.inference.device_room import require_room
from workbench.inference.loaded_model import LoadedModel, room_left
from workbench.inference.prompt_rendering import PromptRenderer
from workbench.inference.sampling_stream import Stream
from workbench.inference.stream import ChatMessages, Completion, PromptTooLong, Watch, unwatched
from workbench.models import tensors
from workbench.models.loading import load_base, load_tokenizer, usual_dtype
from workbench.models.model_references import WEIGHT_KINDS, Resolved
from workbench.models.rope_scaling import loaded_context_tokens
from workbench.rendering.rendered import Rendered


class TransformersModel:
    """A name of the shelf over a base in memory: the base alone, or with one adapter on."""

    def __init__(self, loaded: Loaded, base: Base):
        self.name, self.loaded, self.base = loaded.resolved.name, loaded, base
        self._renderer = PromptRenderer(loaded.resolved)
        self.stops = self._renderer.stops
        self.tokenizer = load_tokenizer(loaded.resolved.home_of_template)
        self.tokenizer.chat_template = self.tokenizer.chat_template or self._renderer.template.text
        self.tokenizer.padding_side = "left"

    @property
    def library(self) -> str:
        model = self.base.model
        return f"transformers, {str(model.dtype).removeprefix('torch.')} on {model.device.type}"

    def weights(self) -> str:
        loaded = self.loaded
        base, adapter = loaded.resolved.base, loaded.resolved.adapter
        if adapter and loaded.adapter:
            scaling = f", {loaded.kind.scaling}" if loaded.kind and loaded.kind.scaling else ""
            return f"{base.name} + adapter {adapter.name} on{scaling} · {loaded.adapter[:8]}"
        others = "adapters off" if self.base.adapters else "no adapter"
        return f"{base.name} · {others} · {loaded.base[:8]}"

    def torch_model(self) -> Any:
        return self.base.activate(self.loaded.adapter)

    def check_prompt(self, messages: ChatMessages) -> None:
        self.room(self.prompt_ids(messages))

    def room(self, prompt: Sequence[int]) -> int:
        longest = loaded_context_tokens(self.torch_model()) or 2**31
        return room_left(self.name, prompt, longest - self.loaded.virtual_tokens)

    def prompt(self, messages: ChatMessages) -> Rendered:
        """The prompt as training and the token view render it; raises `UserError` from the template."""
        return self._renderer.prompt(messages)

    def prompt_text(self, messages: ChatMessages) -> str:
        return self.prompt(messages).text

    def prompt_ids(self, messages: ChatMessages) -> list[int]:
        return self.prompt(messages).ids

    def token_ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def decode(self, tokens: Sequence[int], skip_special_tokens: bool = True) -> str:
        return str(self.tokenizer.decode(tokens, skip_special_tokens=skip_special_tokens))

    def open(self, messages: ChatMessages, decoding: Decoding) -> Stream:
        return Stream(self, messages, decoding)

    def answer_batch(
        self, conversations: Sequence[ChatMessages], decoding: Decoding, watch: Watch = unwatched
    ) -> list[Completion]:
        return _generate_batched(self, conversations, decoding, watch)


class TransformersRuntime:
    """The bases in memory by what may stand on them, and the names that answer from them."""

    kinds: ClassVar[tuple[str, ...]] = WEIGHT_KINDS

    def __init__(self, home: Home, hardware: Hardware):
        self.home, self.hardware = home, hardware
        self._bases: dict[str, Base] = {}
        self._models: dict[str, TransformersModel] = {}

    def get(self, name: str) -> TransformersModel | None:
        return self._models.get(name)

    def close(self) -> None:
        """Nothing runs beside this process."""

    def load(self, models: Sequence[Resolved]) -> Iterator[str]:
        wanted = [Loaded.of(resolved) for resolved in models]
        keys = {loaded.key for loaded in wanted}
        yield from self._drop_all_but(keys)
        for loaded in wanted:
            resolved = loaded.resolved
            if loaded.key not in self._bases:
                size = tensors.summary(resolved.base).parameters * usual_dtype(self.hardware).itemsize
                room = require_room(self.home, self.hardware, resolved.base.name, size)
                yield f"Loading {resolved.base.name} on {self.hardware.device}: {room}"
                torch_model: Any = load_base(resolved.base, self.hardware, answers_only=True, settings=loaded.settings)
                self._bases[loaded.key] = Base(torch_model.eval(), active=None)
            base = self._bases[loaded.key]
            if loaded.adapter and loaded.adapter not in base.adapters:
                yield f"Loading adapter {resolved.name}"
                base.add(loaded)
            model = self._models.get(resolved.name)
            if model is None or model.loaded != loaded:
                self._models[resolved.name] = TransformersModel(loaded, base)

    def _drop_all_but(self, keys: set[str]) -> Iterator[str]:
        """Gives back the memory of bases that nobody asks for; says how much."""
        for key in [key for key in self._bases if key not in keys]:
            names = [name for name, model in self._models.items() if model.loaded.key == key]
            freed = human_size(self._bases.pop(key).model.get_memory_footprint())
            for name in names:
                del self._models[name]
            yield f"Dropping {', '.join(names)}: {freed} given back"
        if self.hardware.device == "cuda":
            torch.cuda.empty_cache()


def _generate_batched(
    model: TransformersModel, conversations: Sequence[ChatMessages], decoding: Decoding, watch: Watch
) -> list[Completion]:
    """All in one batch, but for those the model has less room for."""
    prompts = [model.prompt_ids(messages) for messages in conversations]
    torch.manual_seed(decoding.seed)
    answers: dict[int, Completion] = {}
    for limit, indices in _by_room(model, prompts, decoding.max_new_tokens).items():
        watch(indices[0])
        settings = decoding.model_copy(update={"max_new_tokens": limit})
        batch = _generate(model, [prompts[index] for index in indices], settings) if limit else []
        answers |= dict(zip(indices, batch or [Completion("", "error", 0)] * len(indices), strict=True))
    return [answers[index] for index in range(len(prompts))]


def _by_room(model: LoadedModel, prompts: Sequence[Sequence[int]], most: int) -> dict[int, list[int]]:
    """The indices of the prompts by how many tokens each may get: `most`, what room there is, or 0."""
    indices = defaultdict(list)
    for index, prompt in enumerate(prompts):
        try:
            indices[min(most, model.room(prompt))].append(index)
        except PromptTooLong:
            indices[0].append(index)
    return indices


@torch.inference_mode()
def _generate(model: TransformersModel, prompts: Sequence[list[int]], decoding: Decoding) -> list[Completion]:
    torch_model, tokenizer = model.torch_model(), model.tokenizer
    batch = tokenizer.pad([{"input_ids": prompt} for prompt in prompts], return_tensors="pt").to(torch_model.device)
    generated = torch_model.generate(
        **batch,
        **decoding.generate_arguments(),
        eos_token_id=sorted(model.stops),
        pad_token_id=tokenizer.pad_token_id,
    )[:, batch["input_ids"].shape[1] :]
    return [_finished(model, row.tolist()) for row in generated]


def _finished(model: LoadedModel, ids: list[int]) -> Completion:
    end = next((index for index, token in enumerate(ids) if token in model.stops), None)
    answer_ids = ids if end is None else ids[:end]
    text = model.decode(answer_ids).strip()
    finish = "error" if not text else "length" if end is None else "eos"
    return Completion(text, finish, len(answer_ids))
