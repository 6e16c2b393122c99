"""Tokenizers that do not fit one another: ids, rows, single tokens, templates."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.merge_recipes import add_token, edit, found, linear, notes, rows, sizes, sliced, stops, three_models
from workbench.core.errors import SpecError
from workbench.core.home import Home
from workbench.merging.recipe import MergeRecipe
from workbench.models.vocabulary import vocabulary


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory, own_home: Path) -> Home:
    return three_models(tmp_path_factory, own_home)


def test_tokens_with_other_ids(home: Home) -> None:
    def swap(data: dict[str, Any]) -> None:
        words = data["model"]["vocab"]
        one, other = [word for word, place in words.items() if place in (300, 301)]
        words[one], words[other] = words[other], words[one]

    edit(home.models / "b" / "tokenizer.json", swap)
    stops(
        home, linear(), "2 tokens have other ids in 'b' than in 'a', and rows are merged by position", "source: union"
    )
    assert found(home, linear(tokenizer={"source": "base"})).problems == []
    assert (
        found(home, sliced(("a", 0, 1), ("b", 0, 1), ("a", 1, 2))).problems == []
    )  # b gives neither embedding nor head


def test_tokens_that_one_model_has_not(home: Home) -> None:
    add_token(home, "b", "<|extra|>")
    rows(home, "b", 401)
    stops(home, linear(), "has 401 rows, that of 'a' 400", "tokenizer: {source: base}")
    dropped = linear(tokenizer={"source": "base"})
    notes(home, dropped, "1 of its tokens are dropped", "union")
    union = linear(tokenizer={"source": "union", "pad_to_multiple_of": 16})
    assert found(home, union).problems == []
    assert dict(found(home, union).facts)["Tokenizer"] == "union of all, 380 tokens"
    assert sizes(home, union).parameters == sizes(home, linear("a", "c")).parameters - 16 * 64


def test_tokens_within_the_padding(home: Home) -> None:
    for name in "ab":
        rows(home, name, 416)
    add_token(home, "b", "<|extra|>")
    notes(home, linear(), "'b' has 1 tokens that 'a' has not and lacks 0", "source: union")
    notes(
        home,
        linear(tokenizer={"source": "union"}),
        "goes from 416 to 380 rows, no multiple of 32",
        "pad_to_multiple_of: 32",
    )


def test_tokens_without_a_row(home: Home) -> None:
    for name in "ab":
        rows(home, name, 379)
        add_token(home, name, "<|late|>")
    notes(home, linear(), "1 tokens of 'a', such as '<|late|>', have no row")
    rows(home, "a", 400)
    union = linear(tokenizer={"source": "union"})
    stops(home, union, "1 tokens of 'b', such as '<|late|>', have no row in its embedding", "resize its embedding")


def test_ids_with_gaps(home: Home) -> None:
    def skip(data: dict[str, Any]) -> None:
        last = max(data["model"]["vocab"], key=data["model"]["vocab"].get)
        data["model"]["vocab"][last] += 9

    edit(home.models / "a" / "tokenizer.json", skip)
    stops(home, linear("a", tokenizer={"source": "base"}), "ids have gaps: 1 tokens", "388 rows or more")


def test_added_tokens_get_the_next_id_whatever_the_file_says(home: Home) -> None:
    from tokenizers import Tokenizer

    add_token(home, "b", "<|far|>", 395)
    path = home.models / "b"
    seen = vocabulary(path)
    assert seen and seen.ids == Tokenizer.from_file(str(path / "tokenizer.json")).get_vocab()
    assert seen.ids["<|far|>"] == 379


def test_a_model_without_tokenizer(home: Home) -> None:
    (home.models / "b" / "tokenizer.json").unlink()
    stops(home, linear(), "'b' has no tokenizer.json", "Save its tokenizer")


def test_rows_of_single_tokens(home: Home) -> None:
    def tokens(source: Any) -> dict[str, Any]:
        return linear(tokenizer={"source": "base", "tokens": {"<|new|>": {"source": source}}, "pad_to_multiple_of": 16})

    assert found(home, tokens({"kind": "model_token", "model": "b", "token": "<|im_end|>"})).problems == []
    assert found(home, tokens({"kind": "zero"})).problems == []
    stops(
        home,
        tokens({"kind": "model_token", "model": "b", "token": "<|nix|>"}),
        "'b' has no token '<|nix|>'",
        "Choose another",
    )
    stops(home, tokens("b"), "'b' has no token '<|new|>'", "Choose another")
    stops(home, tokens(None), "its source is missing", "Give a model")
    stops(home, tokens("c"), "'c' is not among the models merged", "Take one")
    for unreadable in ({"kind": "model_token", "model": "b"}, {"kind": "row"}, {"kind": "zero", "weight": 1}):
        with pytest.raises(SpecError, match=r"tokenizer\.tokens\.<\|new\|>\.source"):
            MergeRecipe.parse(tokens(unreadable))


def test_chat_templates_and_special_tokens_that_differ(home: Home) -> None:
    (home.models / "b" / "chat_template.jinja").write_text("{{ messages }}")
    notes(home, linear(), "b have another chat template; the result gets that of 'a'", "chat_template: auto")
    assert found(home, linear(chat_template="auto")).notes == []
    stops(home, linear(chat_template="nice"), "it is no template", "chatml", "chat_template")
    edit(home.models / "c" / "tokenizer_config.json", lambda data: data.update(eos_token={"content": "<|endoftext|>"}))
    notes(home, linear("a", "c"), "eos_token is <|im_end|> in a, <|endoftext|> in c", "do not end")


def test_a_tokenizer_is_read_once_and_again_when_it_changes(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    found(home, linear())
    reads: Counter[str] = Counter()
    whole = Path.read_bytes

    def counting(self: Path) -> bytes:
        reads[self.parent.name] += 1
        return whole(self)

    monkeypatch.setattr(Path, "read_bytes", counting)
    found(home, linear())
    assert not reads
    first, other = vocabulary(home.models / "a"), vocabulary(home.models / "b")
    assert first and other and first.ids is other.ids
    add_token(home, "b", "<|more|>")
    changed = vocabulary(home.models / "b")
    assert changed and "<|more|>" in changed.ids and reads == {"b": 1}
