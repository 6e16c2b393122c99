"""Talking to an engine in the test's own process."""

from typing import Any

from workbench.inference.decoding import Decoding
from workbench.inference.engine import Engine

ASKED = [{"role": "user", "content": "Tell me of the red apple."}]
LONGER = [{"role": "user", "content": "Tell me of the blue sky and of the quiet lake, at some length, né 🙂."}]
GREEDY = Decoding(greedy=True, max_new_tokens=24)


def load(engine: Engine, *names: str) -> Engine:
    list(engine.load(names))
    return engine


def say(engine: Engine, name: str, decoding: Decoding = GREEDY, messages: Any = ASKED) -> str:
    """The whole answer, which is the sum of its parts."""
    stream = engine.answering(name).open(messages, decoding)
    text = ""
    while not stream.finish:
        text += stream.advance()
    assert text == stream.text
    return text
