"""What every model in memory can do, whichever library runs it."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

from workbench.inference.decoding import Decoding
from workbench.inference.stream import ChatMessages, Completion, PromptTooLong, TokenStream, Watch, unwatched
from workbench.models.model_references import Resolved


class Answering(Protocol):
    """Whatever answers under a name: a model, an adapter on its base, a GGUF file, an ensemble."""

    name: str

    @property
    def library(self) -> str:
        """What computes it, with the type of the weights: 'transformers, bfloat16 on cpu', 'llama.cpp, Q4_K_M'."""

    def weights(self) -> str:
        """Which weights answer, with the start of their digest."""

    def check_prompt(self, messages: ChatMessages) -> None:
        """Raises `TooLong` when there is no room for an answer, and `UserError` from the chat template."""

    def open(self, messages: ChatMessages, decoding: Decoding) -> TokenStream:
        """An answer to be made token by token; raises `TooLong`."""

    def answer_batch(
        self, conversations: Sequence[ChatMessages], decoding: Decoding, watch: Watch = unwatched
    ) -> list[Completion]:
        """Answers to several conversations; the seed makes the batch repeatable.

        One that is too long gets an empty answer that ended in 'error'.
        """


class LoadedModel(Answering, Protocol):
    """One model in memory, alone or with one adapter on it. `stops` are the ids of the tokens that end an answer."""

    stops: set[int]

    def torch_model(self) -> Any:
        """The model with exactly this name's weights on; raises `UserError` for one that torch does not run."""

    def prompt_text(self, messages: ChatMessages) -> str:
        """The conversation as the model reads it, ready for the assistant to go on; raises `UserError`."""

    def prompt_ids(self, messages: ChatMessages) -> list[int]:
        """Its tokens, from the same rendering that training uses."""

    def room(self, prompt: Sequence[int]) -> int:
        """How many tokens the model can add to a prompt; raises `TooLong` when none."""

    def token_ids(self, text: str) -> list[int]:
        """The tokens of plain text, no special ones added."""

    def decode(self, tokens: Sequence[int], skip_special_tokens: bool = True) -> str:
        """The text of tokens."""


class Runtime(Protocol):
    """A library that runs models: of which kinds, and what it holds in memory."""

    kinds: ClassVar[tuple[str, ...]]

    def load(self, models: Sequence[Resolved]) -> Iterator[str]:
        """Loads what is missing and drops what none of these need; yields what it is doing."""

    def get(self, name: str) -> LoadedModel | None:
        """The model loaded under this name."""

    def close(self) -> None:
        """Ends what it runs beside this process."""


@runtime_checkable
class ShowsNextToken(Protocol):
    """A model that tells the likeliest next tokens of many conversations at once."""

    def next_token_chances(
        self, conversations: Sequence[ChatMessages], watch: Watch = unwatched
    ) -> list[dict[str, float]]:
        """The probabilities of the likeliest first tokens of an answer by their texts, of each conversation."""


def room_left(name: str, prompt: Sequence[int], longest: int) -> int:
    """How many of `longest` tokens a prompt leaves; raises `TooLong` when none."""
    if len(prompt) + 1 > longest:
        raise PromptTooLong(f"The conversation has {len(prompt)} tokens, {name} takes {longest}.", "Start a new one.")
    return int(longest - len(prompt))
