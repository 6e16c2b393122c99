"""Combining token by token. Imports torch with the chat engine's streams: only job and chat processes import this."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from workbench.inference.decoding import Decoding
from workbench.inference.sampling_stream import Stream
from workbench.inference.stream import ChatMessages

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.inference.engine import Engine

Combine = Callable[["Tensor"], "Tensor"]


class Pool(Stream):
    """One answer by several models: at each token their distributions are combined, and all take the token chosen.

    Each member reads the conversation in its own chat template and keeps its own KV cache. The repetition penalty
    works on each member, temperature, top-k and top-p on what they say together. `combine` makes scores of shape
    (vocabulary,) from log-probabilities of shape (members, vocabulary).
    """

    def __init__(
        self, engine: "Engine", members: Sequence[str], messages: ChatMessages, decoding: Decoding, combine: Combine
    ):
        super().__init__(engine.model(members[0]), messages, decoding.model_copy(update={"repetition_penalty": 1.0}))
        penalty = Decoding(greedy=True, repetition_penalty=decoding.repetition_penalty)
        self.parts = [Stream(engine.model(member), messages, penalty) for member in members]
        self.stops = set().union(*(stream.stops for stream in self.parts))
        self.remaining_context = min(stream.remaining_context for stream in self.parts)
        self._combine = combine

    def logits(self) -> "Tensor":
        """The combined scores, (1, vocabulary), in float64 so that combining equals keeps their order."""
        import torch

        # in float64 on the CPU, as not every device has it
        heard = [stream.scores().cpu().double() for stream in self.parts]
        width = min(scores.shape[-1] for scores in heard)  # beyond the vocabulary some models are padded
        return self._combine(torch.cat([scores[:, :width].log_softmax(-1) for scores in heard]))[None]

    def take(self, token: int) -> None:
        super().take(token)
        for stream in self.parts:
            stream.generated_ids.append(token)


def linear(weights: Sequence[float]) -> Combine:
    """log Σ w·p: the mixture, Stone's linear opinion pool (https://doi.org/10.1214/aoms/1177704873)."""

    def combine(logprobs: "Tensor") -> "Tensor":
        return (logprobs + logprobs.new_tensor(weights).log()[:, None]).logsumexp(0)

    return combine


def geometric(weights: Sequence[float]) -> Combine:
    """Σ w·log p: the product of experts, the logarithmic opinion pool (https://doi.org/10.1162/089976602760128018)."""

    def combine(logprobs: "Tensor") -> "Tensor":
        return (logprobs * logprobs.new_tensor(weights)[:, None]).sum(0)

    return combine
