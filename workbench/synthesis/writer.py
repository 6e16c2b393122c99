"""Where text comes from: a model of the shelf, or the operator's endpoint (in endpoint.py)."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from workbench.core.errors import UserError
from workbench.synthesis.judging import expected_score, written_score
from workbench.synthesis.replies import Reply, Request

if TYPE_CHECKING:
    from workbench.inference.engine import Engine
    from workbench.inference.loaded_model import LoadedModel

Heard = Callable[[list[tuple[Request, Reply]]], None]
Stop = Callable[[], None]

EMPTY = "empty reply"
NO_ROOM = "no room for the prompt"
REFUSED = "the chat template refused the prompt"
NO_SCORE = "no score in the judge's reply"


class Writer:
    """Base of what writes. whole: a batch must be asked whole to be repeatable, as its rows share random numbers."""

    name: str
    whole: ClassVar[bool] = False

    def write(self, requests: Sequence[Request], heard: Heard, stop: Stop) -> None:
        """Tells `heard` a reply to every request, in any order; `stop` raises when somebody asked to stop."""
        raise NotImplementedError

    def close(self) -> None:
        """Lets go of what it holds."""


class ShelfWriter(Writer):
    """A model, adapter, GGUF or ensemble of the shelf, loaded by the engine."""

    whole: ClassVar[bool] = True

    def __init__(self, engine: "Engine", name: str):
        self.name, self._model = name, engine.answering(name)

    def write(self, requests: Sequence[Request], heard: Heard, stop: Stop) -> None:
        stop()
        failures = {place: reason for place, one in enumerate(requests) if (reason := self._refusal(one))}
        good = [place for place in range(len(requests)) if place not in failures]
        replies = {place: Reply(failure=reason) for place, reason in failures.items()}
        if good:
            asked = [requests[place] for place in good]
            made = self._scores(asked, stop) if asked[0].scored else self._texts(asked, stop)
            replies |= dict(zip(good, made, strict=True))
        heard([(request, replies[place]) for place, request in enumerate(requests)])

    def _texts(self, requests: Sequence[Request], stop: Stop) -> list[Reply]:
        """The whole batch at once, with the seed of its first request."""
        decoding = requests[0].decoding
        answers = self._model.answer_batch([one.messages for one in requests], decoding, lambda _: stop())
        return [
            Reply(one.text, one.finish, one.tokens, "" if one.text else EMPTY, sampling=decoding.to_dict())
            for one in answers
        ]

    def _scores(self, requests: Sequence[Request], stop: Stop) -> list[Reply]:
        import torch

        found = []
        with torch.inference_mode():
            for one in requests:
                stop()
                found.append(self._score(one))
        return found

    def _score(self, request: Request) -> Reply:
        """The expected score from the first token's probabilities, else the one the judge goes on to write."""
        from workbench.inference.sampling_stream import Stream

        stream = self._model.open(request.messages, request.decoding)
        if isinstance(stream, Stream):
            logits = stream.logits()
            score = expected_score(_chances(logits[0].softmax(-1), stream.model))
            if score is not None:
                return Reply(f"{score:.2f}", "eos", 1, score=score, sampling=request.decoding.to_dict())
            stream.take(int(logits[0].argmax()))
        while not stream.finish:
            stream.advance()
        score = written_score(stream.text)
        failure = "" if score is not None else NO_SCORE
        return Reply(
            stream.text,
            stream.finish,
            len(stream.generated_ids),
            failure,
            score=score,
            sampling=request.decoding.to_dict(),
        )

    def _refusal(self, request: Request) -> str:
        """Why this prompt cannot be put to the model; '' if it can. An ensemble only finds out on its way."""
        from workbench.inference.stream import PromptTooLong

        try:
            self._model.check_prompt(request.messages)
        except PromptTooLong:
            return NO_ROOM
        except UserError:
            return REFUSED
        return ""


def _chances(probabilities: Any, model: "LoadedModel") -> dict[int, float]:
    """The probability of each number from 1 to 5, written with a space before it or without; (vocabulary,) given."""
    return {number: sum(float(probabilities[token]) for token in _tokens(model, str(number))) for number in range(1, 6)}


def _tokens(model: "LoadedModel", number: str) -> set[int]:
    """The tokens that are this number alone."""
    found = {model.token_ids(text)[-1] for text in (number, f" {number}")}
    return {token for token in found if model.decode([token]).strip() == number}
