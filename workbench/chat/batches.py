"""Answers to many conversations. Imports torch: only job and chat processes import this."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from workbench.chat.decoding import Decoding
from workbench.chat.ensemble import AnyStream
from workbench.chat.gguf import GgufStream, answer_together
from workbench.chat.stream import Messages, TooLong

if TYPE_CHECKING:
    from workbench.chat.engine import Engine

Watch = Callable[[int], None]  # called with the place of the prompt being answered; may raise to stop


@dataclass
class Answer:
    """A finished answer: its text, how it ended ('eos', 'length', or 'error': empty) and its length in tokens."""

    text: str
    finish: str
    tokens: int


def one_by_one(
    engine: "Engine", name: str, conversations: Sequence[Messages], decoding: Decoding, watch: Watch
) -> list[Answer]:
    """Each by a stream of its own."""
    return [
        _ended(_through(stream, partial(watch, place)))
        for place, stream in enumerate(_streams(engine, name, conversations, decoding))
    ]


def _through(stream: AnyStream | None, watch: Callable[[], None]) -> AnyStream | None:
    """Brings a stream to its end; None where there is no room, which an ensemble may only find on its way."""
    try:
        while stream and not stream.done:
            watch()
            stream.advance()
    except TooLong:
        return None
    return stream


def side_by_side(
    engine: "Engine", name: str, conversations: Sequence[Messages], decoding: Decoding, watch: Watch
) -> list[Answer]:
    """A GGUF model's: several at a time."""
    streams = list(_streams(engine, name, conversations, decoding))
    answer_together({n: stream for n, stream in enumerate(streams) if isinstance(stream, GgufStream)}, watch)
    return [_ended(stream) for stream in streams]


def _streams(
    engine: "Engine", name: str, conversations: Sequence[Messages], decoding: Decoding
) -> Iterator[AnyStream | None]:
    """A stream for each, with a seed of its own; None where there is no room."""
    for n, messages in enumerate(conversations):
        try:
            yield engine.open(name, messages, decoding.model_copy(update={"seed": decoding.seed + n}))
        except TooLong:
            yield None


def _ended(stream: AnyStream | None) -> Answer:
    if stream is None:
        return Answer("", "error", 0)
    text = stream.text.strip()
    return Answer(text, stream.done if text else "error", len(stream.made))


def at_once(
    engine: "Engine", name: str, conversations: Sequence[Messages], decoding: Decoding, watch: Watch
) -> list[Answer]:
    """A model of transformers': all in one batch, but for those it has less room for."""
    prompts = [engine.prompt_ids(name, messages) for messages in conversations]
    torch.manual_seed(decoding.seed)
    answers: dict[int, Answer] = {}
    for limit, places in _by_room(engine, name, prompts, decoding.max_new_tokens).items():
        watch(places[0])
        settings = decoding.model_copy(update={"max_new_tokens": limit})
        made = _generate(engine, name, [prompts[n] for n in places], settings) if limit else []
        answers |= dict(zip(places, made or [Answer("", "error", 0)] * len(places), strict=True))
    return [answers[n] for n in range(len(prompts))]


def _by_room(engine: "Engine", name: str, prompts: Sequence[Sequence[int]], most: int) -> dict[int, list[int]]:
    """The places of the prompts by how many tokens each may get: `most`, what room there is, or 0."""
    places = defaultdict(list)
    for n, prompt in enumerate(prompts):
        try:
            places[min(most, engine.room(name, prompt))].append(n)
        except TooLong:
            places[0].append(n)
    return places


@torch.inference_mode()
def _generate(engine: "Engine", name: str, prompts: Sequence[list[int]], decoding: Decoding) -> list[Answer]:
    model, tokenizer = engine.activate(name), engine.tokenizer(name)
    batch = tokenizer.pad([{"input_ids": prompt} for prompt in prompts], return_tensors="pt").to(model.device)
    stops = engine.stop_ids(name)
    made = model.generate(
        **batch,
        **decoding.generate_arguments(),
        eos_token_id=sorted(stops),
        pad_token_id=tokenizer.pad_token_id,
    )[:, batch["input_ids"].shape[1] :]
    return [_finished(tokenizer, row.tolist(), stops) for row in made]


def _finished(tokenizer: Any, ids: list[int], stops: set[int]) -> Answer:
    end = next((place for place, token in enumerate(ids) if token in stops), None)
    kept = ids if end is None else ids[:end]
    text = tokenizer.decode(kept, skip_special_tokens=True).strip()
    finish = "error" if not text else "length" if end is None else "eos"
    return Answer(text, finish, len(kept))
