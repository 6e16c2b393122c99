"""Combining whole answers: a stream that works through others, step by step, and answers at the end."""

import time
from collections.abc import Generator
from dataclasses import dataclass, field

from workbench.inference.stream import TOKENS_PER_TURN, TokenStream


@dataclass(frozen=True)
class StreamStep:
    """One piece of the work: a stream to run to its end, or nothing but a word before some computing.

    The text of a `live` step is the answer's and shown as it comes.
    """

    note: str
    stream: TokenStream | None = None
    live: bool = False


@dataclass(frozen=True)
class Result:
    """The answer: its text, how it ended, its tokens, and a word on how it was found."""

    text: str
    finish: str
    token_ids: list[int] = field(default_factory=list)
    note: str = ""


StepGenerator = Generator[StreamStep, None, Result]


class StepRunner:
    """Runs such work a few tokens at a time. Dropped in the middle, it leaves nothing running."""

    def __init__(self, work: StepGenerator):
        self.name = self.text = self.finish = self.note = ""
        self.generated_ids: list[int] = []
        self.seconds = 0.0
        self._work = work
        self._step = StreamStep("")

    def advance(self, tokens: int = TOKENS_PER_TURN) -> str:
        """Goes on with the step under way or to the next one; returns the new text of the answer, if any."""
        began = time.perf_counter()
        stream = self._step.stream
        new = self._go_on(stream, tokens) if stream and not stream.finish else self._next()
        self.seconds += time.perf_counter() - began
        return new

    def _go_on(self, stream: TokenStream, tokens: int) -> str:
        new = stream.advance(tokens)
        self.note = f"{self._step.note} · {len(stream.generated_ids)} tokens"
        if not self._step.live:
            return ""
        self.text, self.generated_ids = stream.text, stream.generated_ids
        return new

    def _next(self) -> str:
        try:
            self._step = next(self._work)
        except StopIteration as end:
            return self._finish(end.value)
        self.note = self._step.note
        return ""

    def _finish(self, result: Result) -> str:
        new = result.text.removeprefix(self.text)
        self.text += new
        self.finish, self.generated_ids, self.note = result.finish, result.token_ids, result.note
        return new
