"""Answers to many conversations."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from workbench.inference.decoding import Decoding
from workbench.inference.loaded_model import Answering
from workbench.inference.stream import ChatMessages, Completion, PromptTooLong, TokenStream, Watch


def generate_sequential(
    model: Answering, conversations: Sequence[ChatMessages], decoding: Decoding, watch: Watch
) -> list[Completion]:
    """Each by a stream of its own."""
    return [
        answer_of(_through(stream, partial(watch, index)))
        for index, stream in enumerate(streams_of(model, conversations, decoding))
    ]


def _through(stream: TokenStream | None, watch: Callable[[], None]) -> TokenStream | None:
    """Brings a stream to its end; None where there is no room, which an ensemble may only find on its way."""
    try:
        while stream and not stream.finish:
            watch()
            stream.advance()
    except PromptTooLong:
        return None
    return stream


def streams_of(
    model: Answering, conversations: Sequence[ChatMessages], decoding: Decoding
) -> Iterator[TokenStream | None]:
    """A stream for each, with a seed of its own; None where there is no room."""
    for index, messages in enumerate(conversations):
        try:
            yield model.open(messages, decoding.model_copy(update={"seed": decoding.seed + index}))
        except PromptTooLong:
            yield None


def answer_of(stream: TokenStream | None) -> Completion:
    """The answer of a stream that has ended; None is one for which there was no room."""
    if stream is None:
        return Completion("", "error", 0)
    text = stream.text.strip()
    return Completion(text, stream.finish if text else "error", len(stream.generated_ids))
