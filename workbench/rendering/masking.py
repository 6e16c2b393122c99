"""The tokens to train on: those that hold a character of an assistant's span, each with its weight."""

from collections.abc import Iterable, Sequence

import tokenizers

from workbench.rendering.templates import Layout
from workbench.rows.canonical import Message

Span = tuple[int, int]
WeightedSpan = tuple[int, int, float]


def token_mask(encoding: tokenizers.Encoding, spans: Iterable[Span]) -> list[bool]:
    """For every token, whether it holds a character of one of the spans."""
    mask = [False] * len(encoding)
    for start, end, _ in token_spans(encoding, [(*span, 1.0) for span in spans]):
        mask[start:end] = [True] * (end - start)
    return mask


def token_spans(encoding: tokenizers.Encoding, spans: Iterable[WeightedSpan]) -> list[WeightedSpan]:
    """Spans of characters (start, end, weight) as runs of tokens, in order; those that weigh 0 are left out.

    A token that holds the end of the prompt and the beginning of an answer counts: else a one-letter answer that a
    tokenizer joins to what stands before it would never be learnt. transformers' assistant mask does the same. Of two
    spans in one token the later one counts, as the token's end is what is learnt.
    """
    runs: list[WeightedSpan] = []
    reached = 0
    for start, end, weight in spans:
        first, last = _tokens_of(encoding, start, end)
        if first == last:
            continue
        if first < reached:
            runs = _without(runs, first, last)
        runs.append((first, last, weight))
        reached = max(reached, last)
    return [run for run in sorted(runs) if run[2] > 0]


def _tokens_of(encoding: tokenizers.Encoding, start: int, end: int) -> Span:
    """The first token that holds one of these characters, and the one after the last; equal when there is none.

    A character that the tokenizer's normalizer drops is in no token; one of several bytes may be in several.
    """
    first = next((token for at in range(start, end) if (token := encoding.char_to_token(at)) is not None), None)
    if first is None:
        return 0, 0
    last = next(token for at in range(end - 1, start - 1, -1) if (token := encoding.char_to_token(at)) is not None)
    after = last + 1
    while after < len(encoding) and (chars := encoding.token_to_chars(after)) and chars[0] < end:
        after += 1
    return first, after


def _without(runs: Sequence[WeightedSpan], first: int, last: int) -> list[WeightedSpan]:
    """The runs, tokens `first` to `last` cut out of them."""
    before = [(start, min(end, first), weight) for start, end, weight in runs if start < first]
    behind = [(max(start, last), end, weight) for start, end, weight in runs if end > last]
    return before + behind


def weighted_spans(layout: Layout, messages: Sequence[Message], first: int, weight: float) -> list[WeightedSpan]:
    """The answers with their turn's weight times the row's; those before message `first` are context and weigh 0."""
    return [
        (start, end, weight * turn_weight(messages[turn]) if turn >= first else 0.0)
        for start, end, turn in layout.answers
    ]


def turn_weight(message: Message) -> float:
    """What a turn says of itself; 1 where it says nothing."""
    return float(message.get("weight", 1.0))
