"""The search over everything: every word counts, names before tags before notes, and blind sessions stay blind."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.bench.home_of_many import add_job, many
from tests.damaged import home_with_everything
from tests.voting import close, make_session
from workbench.core.home import Home
from workbench.core.notes import UserNotes
from workbench.inventory.item_notes import change_notes
from workbench.inventory.search import SNIPPET_CHARACTERS, has_words, search_items, search_words, snippet_of
from workbench.inventory.shelf_items import ShelfItem, list_items, model_ancestors
from workbench.models.shelf import ModelInfo, list_models


def item(title: str, *tags: str, note: str = "", created: str = "2026-01-01", **more: object) -> ShelfItem:
    return ShelfItem("model", title, title, "causal", created, UserNotes(tags, note), **more)  # type: ignore[arg-type]


def titles(items: list[ShelfItem], text: str) -> list[str]:
    return [match.item.title for match in search_items(items, text)["model"]]


def test_every_word_has_to_be_in_it_somewhere() -> None:
    items = [item("bird-sft", "keep", note="Trained on the field guide."), item("bird-dpo", "keep")]
    assert titles(items, "BIRD guide") == ["bird-sft"]
    assert titles(items, "keep bird sft causal") == ["bird-sft"]
    assert titles(items, "bird nowhere") == [] and titles(items, "  ") == []


def test_names_come_before_tags_before_origins_before_notes() -> None:
    items = [
        item("a", note="of wren"), item("b", made_from=("wren",)), item("c", "wren"), item("my-wren"), item("wren"),
        item("xwrenx"),
    ]  # fmt: skip
    assert titles(items, "wren") == ["wren", "my-wren", "c", "xwrenx", "b", "a"]


def test_of_equal_matches_the_newest_comes_first() -> None:
    items = [item("wren-1", created="2026-01-01"), item("wren-2", created="2026-02-01")]
    assert titles(items, "wren") == ["wren-2", "wren-1"]


def test_a_word_with_a_hash_is_exactly_a_tag() -> None:
    items = [item("one", "keep"), item("keep"), item("two", "keeper")]
    assert titles(items, "#keep") == ["one"] and set(titles(items, "keep")) == {"one", "keep", "two"}
    assert has_words(search_words("#keep one"), "one", UserNotes(("keep",)))
    assert not has_words(search_words("#kee"), "one", UserNotes(("keep",)))


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=60), st.text(max_size=300))
def test_any_text_is_searched_without_an_error_and_whole_names_are_found(
    name: str, tag: str, note: str, text: str
) -> None:
    items = [item(name, *([tag] if tag.strip() else []), note=note)]
    assert len(titles(items, text)) <= 1
    words = search_words(name)
    if words and not any(word.startswith("#") for word in words):
        assert titles(items, name) == [name]
    assert len(snippet_of(note, search_words(text))) <= SNIPPET_CHARACTERS + 2


def test_a_snippet_shows_the_piece_of_the_note_that_was_found() -> None:
    note = "word " * 60 + "needle " + "word " * 60
    snippet = snippet_of(note, ["needle"])
    assert "needle" in snippet and snippet.startswith("…") and snippet.endswith("…")


def test_what_a_model_was_made_from_goes_up_to_its_base() -> None:
    def info(name: str, base: str = "", *parents: str) -> ModelInfo:
        return ModelInfo(name, "model", Path(name), base=base, parents=list(parents))

    ancestors = model_ancestors(
        [info("base"), info("lora", "base"), info("folded", "", "lora"), info("q4", "", "folded")]
    )
    assert ancestors["q4"] == ("folded", "lora", "base") and ancestors["base"] == ()
    assert model_ancestors([info("a", "", "b"), info("b", "", "a")])["a"] == ("b",)  # a circle, which is forged


def test_all_four_kinds_of_a_home_are_found(own_home: Path) -> None:
    home = many(Home.at(own_home), 2, 1, 1)
    make_session(home, "round", 1, ["model-00000", "model-00001"])
    job = add_job(home, 5).name
    for kind, name in (("model", "model-00001"), ("dataset", "set-00000"), ("job", job), ("session", "round")):
        change_notes(home, kind, name, lambda now: UserNotes((*now.tags, "paper"), "For the paper."))
    matches = search_items(list_items(home), "#paper")
    assert [(kind, [match.item.key for match in found]) for kind, found in matches.items()] == [
        ("model", ["model-00001"]), ("dataset", ["set-00000"]), ("job", [job]), ("session", ["round"]),
    ]  # fmt: skip


def test_which_models_meet_in_an_open_session_is_not_found(own_home: Path) -> None:
    home = Home.at(own_home)
    make_session(home, "round", 1, ["secret-one", "secret-two"])
    assert not search_items(list_items(home), "secret")["session"]
    close(home, "round")
    assert search_items(list_items(home), "secret")["session"]


def test_an_adapter_is_found_by_the_name_of_its_base(own_home: Path) -> None:
    home = home_with_everything(own_home)
    adapter = next(info for info in list_models(home) if info.is_adapter)
    found = [match.item.key for match in search_items(list_items(home), adapter.base)["model"]]
    assert adapter.base in found and adapter.name in found
