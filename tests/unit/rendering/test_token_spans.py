"""Spans of characters as runs of tokens, against what every single token's characters say."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from workbench.rendering.masking import Span, token_mask, token_spans

TEXTS = ["the wren sings", "a wren, an owl", "größer 🦉🦉 größer", "  two  blanks  ", "日本語 wren"]


def trained(pre: pre_tokenizers.PreTokenizer, normalizer: normalizers.Normalizer | None, size: int) -> Tokenizer:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre
    if normalizer:
        made.normalizer = normalizer
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        TEXTS * 3, trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    )
    made.add_special_tokens(["<|end|>"])
    return made


KINDS = {
    "bytes": trained(pre_tokenizers.ByteLevel(add_prefix_space=False), None, 280),
    "blanks dropped": trained(pre_tokenizers.BertPreTokenizer(), normalizers.NFKC(), 300),
    "metaspace": trained(pre_tokenizers.Metaspace(), None, 300),
}


def painted(offsets: Sequence[Span], spans: Sequence[tuple[int, int, float]]) -> list[float]:
    """The weight of every token by its own characters: that of the last span it holds one of."""
    weights = [0.0] * len(offsets)
    for start, end, weight in spans:
        for place, (first, last) in enumerate(offsets):
            if max(first, start) < min(last, end):
                weights[place] = weight
    return weights


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_every_token_weighs_what_the_last_span_it_touches_does(kind: str, data: st.DataObject) -> None:
    pieces = st.sampled_from([*TEXTS, "<|end|>", " ", "x", "🦉", "ﬁ", "\n", "ü"])
    text = "".join(data.draw(st.lists(pieces, max_size=8)))
    bounds = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    weights = data.draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=4, max_size=4))
    spans = [(bounds[2 * n], bounds[2 * n + 1], weights[n]) for n in range(len(bounds) // 2)]
    if data.draw(st.booleans()):
        spans.insert(0, (0, len(text), 2.0))  # all of it is learned, the turns by other weights
    encoding = KINDS[kind].encode(text, add_special_tokens=False)
    runs = token_spans(encoding, spans)
    found = [0.0] * len(encoding)
    for start, end, weight in runs:
        found[start:end] = [weight] * (end - start)
    assert found == painted(encoding.offsets, spans)
    assert all(weight > 0 and start < end for start, end, weight in runs)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(runs))


def test_a_mask_of_no_spans_is_empty() -> None:
    encoding = KINDS["bytes"].encode("the wren", add_special_tokens=False)
    assert token_mask(encoding, []) == [False] * len(encoding)
    assert all(token_mask(encoding, [(0, 8)]))
