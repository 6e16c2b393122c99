"""An answer in the making as everybody sees it, whatever makes it. Imports nothing heavy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from workbench.core.errors import UserError

ChatMessages = Sequence[dict[str, str]]
Watch = Callable[[int], None]  # called with the index of the conversation being answered; may raise to stop
TOKENS_PER_TURN = 4  # before the next pane's turn; switching adapters costs about a third of a token


def unwatched(index: int) -> None:
    """The watch of who does not look."""


class PromptTooLong(UserError):
    """A conversation that a model has no room for."""


@dataclass
class Completion:
    """A finished answer: its text, how it ended ('eos', 'length', or 'error': empty) and its length in tokens."""

    text: str
    finish: str
    tokens: int


class TokenStream(Protocol):
    """What the chat process and the jobs need of an answer in the making, one model's or an ensemble's.

    `finish` is '' until it ends ('eos' or 'length'); `generated_ids` are the tokens of the answer shown, `seconds` all
    the time it took; `note` says what is under way or, at the end, how the answer was chosen.
    """

    name: str
    text: str
    finish: str
    note: str
    generated_ids: list[int]
    seconds: float

    def advance(self, tokens: int = TOKENS_PER_TURN) -> str: ...
