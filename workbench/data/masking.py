"""The tokens to train on: those that hold a character of an assistant's span, each with its weight."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.data.canonical import Message
from workbench.data.templates import Layout

Span = tuple[int, int]


def token_mask(offsets: Sequence[Span], spans: Sequence[Span]) -> list[bool]:
    """For every token (its characters, in order), whether it holds a character of one of the spans.

    A token that holds the end of the prompt and the beginning of an answer counts: else a one-letter answer that a
    tokenizer joins to what stands before it would never be learnt. transformers' assistant mask does the same.
    """
    return [weight > 0 for weight in token_weights(offsets, [(*span, 1.0) for span in spans])]


def token_weights(offsets: Sequence[Span], spans: Sequence[tuple[int, int, float]]) -> list[float]:
    """For every token the weight of the span (start, end, weight) it holds a character of; 0 outside all of them.

    Of two spans in one token the later one counts, as the token's end is what is learnt.
    """
    weights: NDArray[np.float64] = np.zeros(len(offsets))
    starts = np.fromiter((start for start, _ in offsets), dtype=np.int64, count=len(offsets))
    ends = np.fromiter((end for _, end in offsets), dtype=np.int64, count=len(offsets))
    reached = np.maximum.accumulate(ends)
    for start, end, weight in spans:
        if start < end:
            first, last = np.searchsorted(reached, start, "right"), np.searchsorted(starts, end, "left")
            weights[first:last][ends[first:last] > starts[first:last]] = weight
    return [float(weight) for weight in weights]


def weighted_spans(
    layout: Layout, messages: Sequence[Message], first: int, weight: float
) -> list[tuple[int, int, float]]:
    """The answers with their turn's weight times the row's; those before message `first` are context and weigh 0."""
    return [
        (start, end, weight * turn_weight(messages[turn]) if turn >= first else 0.0)
        for start, end, turn in layout.answers
    ]


def turn_weight(message: Message) -> float:
    """What a turn says of itself; 1 where it says nothing."""
    return float(message.get("weight", 1.0))
