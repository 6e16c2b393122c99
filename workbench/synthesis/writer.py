"""Where text comes from: a model of the shelf, or the operator's endpoint (in endpoint.py)."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from workbench.core.errors import UserError
from workbench.core.tasks import Task
from workbench.inference.pace import Pace
from workbench.synthesis.judging import expected_score, written_score
from workbench.synthesis.replies import Reply, Request

if TYPE_CHECKING:
    from workbench.inference.engine import Engine
    from workbench.inference.loaded_model import LoadedModel, ShowsNextToken

Heard = Callable[[list[tuple[Request, Reply]]], None]

EMPTY_REPLY = "empty reply"
NO_ROOM = "no room for the prompt"
REFUSED = "the chat template refused the prompt"
NO_SCORE = "no score in the judge's reply"


class Writer(ABC):
    """Base of what writes. whole: a batch must be asked whole to be repeatable, as its rows share random numbers."""

    name: str
    whole: ClassVar[bool] = False

    @abstractmethod
    def write(self, requests: Sequence[Request], heard: Heard, task: Task) -> None:
        """Tells `heard` a reply to every request, in any order; `task` may stop it."""

    def account(self) -> str:
        """What wrote the texts and how fast, as a sentence; '' where that is not known."""
        return ""

    def close(self) -> None:  # noqa: B027 -- most hold nothing
        """Lets go of what it holds."""


class ShelfWriter(Writer):
    """A model, adapter, GGUF or ensemble of the shelf, loaded by the engine."""

    whole: ClassVar[bool] = True

    def __init__(self, engine: "Engine", name: str):
        self.name, self._model, self._engine = name, engine.answering(name), engine
        self._pace = Pace(self._model.library)

    def account(self) -> str:
        return self._pace.sentence() if self._pace.tokens else ""

    def close(self) -> None:
        """The engine and all it runs: writers of one job share it and are closed together."""
        self._engine.close()

    def write(self, requests: Sequence[Request], heard: Heard, task: Task) -> None:
        task.check_stop()
        failures = {index: reason for index, request in enumerate(requests) if (reason := self._refusal(request))}
        good = [index for index in range(len(requests)) if index not in failures]
        replies = {index: Reply(failure=reason) for index, reason in failures.items()}
        if good:
            asked = [requests[index] for index in good]
            answered = self._scores(asked, task) if asked[0].scored else self._texts(asked, task)
            replies |= dict(zip(good, answered, strict=True))
        heard([(request, replies[index]) for index, request in enumerate(requests)])

    def _texts(self, requests: Sequence[Request], task: Task) -> list[Reply]:
        """The whole batch at once, with the seed of its first request."""
        decoding = requests[0].decoding
        began = time.perf_counter()
        answers = self._model.answer_batch(
            [request.messages for request in requests], decoding, lambda _: task.check_stop()
        )
        self._pace.add(sum(answer.tokens for answer in answers), time.perf_counter() - began)
        return [
            Reply(
                answer.text,
                answer.finish,
                answer.tokens,
                "" if answer.text else EMPTY_REPLY,
                sampling=decoding.to_dict(),
            )
            for answer in answers
        ]

    def _scores(self, requests: Sequence[Request], task: Task) -> list[Reply]:
        import torch

        from workbench.inference.loaded_model import ShowsNextToken

        if isinstance(self._model, ShowsNextToken):
            return self._scores_at_once(self._model, requests, task)
        replies = []
        with torch.inference_mode():
            for request in requests:
                task.check_stop()
                replies.append(self._score(request))
        return replies

    def _scores_at_once(self, model: "ShowsNextToken", requests: Sequence[Request], task: Task) -> list[Reply]:
        """As `_score`, of all requests together: those without an expected score write theirs."""
        asked = [request.messages for request in requests]
        listed = model.next_token_chances(asked, lambda _: task.check_stop())
        expected = [expected_score(_chances_by_text(chances)) for chances in listed]
        unsure = [request for request, score in zip(requests, expected, strict=True) if score is None]
        written = iter(self._texts(unsure, task) if unsure else [])
        return [
            Reply(f"{score:.2f}", "eos", 1, score=score, sampling=request.decoding.to_dict())
            if score is not None
            else _with_written_score(next(written))
            for request, score in zip(requests, expected, strict=True)
        ]

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


def _with_written_score(reply: Reply) -> Reply:
    score = written_score(reply.text)
    return replace(reply, score=score, failure="" if score is not None else NO_SCORE)


def _chances_by_text(chances: Mapping[str, float]) -> dict[int, float]:
    """The probability of each number from 1 to 5 by the texts of tokens, written with a space before it or without."""
    return {
        number: sum(chance for text, chance in chances.items() if text.strip() == str(number)) for number in range(1, 6)
    }


def _chances(probabilities: Any, model: "LoadedModel") -> dict[int, float]:
    """The probability of each number from 1 to 5, written with a space before it or without; (vocabulary,) given."""
    return {number: sum(float(probabilities[token]) for token in _tokens(model, str(number))) for number in range(1, 6)}


def _tokens(model: "LoadedModel", number: str) -> set[int]:
    """The tokens that are this number alone."""
    token_ids = {model.token_ids(text)[-1] for text in (number, f" {number}")}
    return {token for token in token_ids if model.decode([token]).strip() == number}
