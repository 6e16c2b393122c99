"""A padding token that also ends answers: told before the start, and harmless to what is trained here."""

import json
from pathlib import Path

import pytest

from tests.toys import conversations, toy_tokenizer
from workbench.data.encoding.batches import Rules, encode_batch
from workbench.rendering.rendered import IGNORED
from workbench.rendering.templates import get_template
from workbench.rendering.tokenizer import Tokenizer
from workbench.training.collating import AnswerCollator
from workbench.training.token_findings import NO_STOP, token_findings


def findings(folder: Path, kind: str = "conversation", **tokens: str | None) -> str:
    """Of the toy's tokenizer with other special tokens; None takes one away."""
    toy_tokenizer(folder)
    path = folder / "tokenizer_config.json"
    config = {**json.loads(path.read_text()), **tokens}
    path.write_text(json.dumps({name: value for name, value in config.items() if value is not None}))
    template = get_template("chatml")
    return "\n".join(token_findings(kind, folder, Tokenizer.load(folder), template))


@pytest.mark.parametrize("kind", ["conversation", "text"])
def test_padding_that_ends_answers_is_told_with_what_it_does(kind: str, tmp_path: Path) -> None:
    found = findings(tmp_path, kind)
    assert "<|im_end|> (pad = eos)" in found and "Training here is not affected" in found
    assert "names no padding token" in findings(tmp_path, kind, pad_token=None)


def test_padding_that_ends_no_answer_is_no_finding(tmp_path: Path) -> None:
    assert findings(tmp_path, pad_token="<|endoftext|>") == ""
    assert findings(tmp_path, pad_token="<|endoftext|>", eos_token="<|endoftext|>") == ""  # turns end otherwise
    assert "pad = eos" in findings(tmp_path, "text", pad_token="<|endoftext|>", eos_token="<|endoftext|>")


def test_a_model_that_nothing_stops_is_told(tmp_path: Path) -> None:
    toy_tokenizer(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("{}")
    template = get_template("alpaca")
    assert token_findings("conversation", tmp_path, Tokenizer.load(tmp_path), template) == [NO_STOP]


def test_the_end_of_each_answer_is_learned_although_it_is_also_the_padding(tmp_path: Path) -> None:
    toy_tokenizer(tmp_path)
    tokenizer = Tokenizer.load(tmp_path)
    end = tokenizer.backend.token_to_id("<|im_end|>")
    rules = Rules("conversation", get_template("chatml"), 512)
    rows = [conversations(1)[0], conversations(1, "It is good, and it is very old and grey.")[0]]
    encoded = encode_batch(rows, 0, tokenizer, rules)[0].to_pylist()
    batch = AnswerCollator(end)(encoded)
    for row, labels, mask in zip(encoded, batch["labels"], batch["attention_mask"], strict=True):
        real = len(row["input_ids"])
        assert (labels == end).sum() == 1 and int((labels == end).nonzero()) < real == int(mask.sum())
        assert set(labels[real:].tolist()) <= {IGNORED}
