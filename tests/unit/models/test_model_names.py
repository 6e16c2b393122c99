"""How a model is written: every text that can name one has one spelling, and every other is refused with the reason."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.core.assets import ROOT
from workbench.core.errors import UserError
from workbench.core.home import NAME_PATTERN
from workbench.models.model_names import ENDPOINT, ModelName, stem_of

FIRST, REST = st.sampled_from("aZ9"), st.text("aZ9._-", max_size=6)
NAMES = st.builds("{}{}".format, FIRST, REST)
HUB_IDS = st.builds("{}/{}{}".format, NAMES, NAMES, st.sampled_from(["", "@main", "@0af3"]))
FOLDERS = st.sampled_from(["./here", "../there", "~/models/mine", "/data/My Models/one", "."])
PIECES = st.one_of(NAMES, HUB_IDS, FOLDERS)
REFERENCES = st.one_of(PIECES.map(ModelName), st.builds(ModelName, PIECES, PIECES), st.just(ModelName(ENDPOINT)))


@given(REFERENCES)
def test_what_is_written_is_read_again_as_it_was(name: ModelName) -> None:
    assert ModelName.parse(str(name)) == name


@given(REFERENCES, st.text(" ", max_size=2), st.text(" ", max_size=2))
def test_spaces_around_the_names_change_nothing(name: ModelName, before: str, after: str) -> None:
    written = before + str(name).replace("+", f"{after}+{before}") + after
    assert ModelName.parse(written) == name


@given(st.text(max_size=80))
def test_any_text_has_one_spelling_or_is_refused_with_a_remedy(text: str) -> None:
    try:
        name = ModelName.parse(text, "objective.teacher")
    except UserError as error:
        assert error.field == "objective.teacher" and error.remedy
    else:
        assert ModelName.parse(str(name)) == name and str(name).count("+") == bool(name.adapter)


@given(REFERENCES)
def test_names_made_of_a_reference_can_be_names_of_the_shelf(name: ModelName) -> None:
    assert NAME_PATTERN.fullmatch(name.stem)
    if not name.adapter and NAME_PATTERN.fullmatch(name.base):
        assert name.stem == name.base


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a+b+c", "'a+b+c' names more than one adapter. Combine the adapters into one first"),
        ("toy+", "'toy+' names nothing after the plus. Write a name of the shelf, BASE+ADAPTER, GGUF+ADAPTER"),
        ("+ad", "'+ad' names nothing before the plus."),
        ("+", "'+' names no model."),
        ("  ", "'  ' names no model."),
        ("@endpoint+ad", "'@endpoint+ad' cannot name a model."),
        ("a\0b", "cannot name a model."),
        ("x" * 600, "cannot name a model."),
    ],
)
def test_a_text_that_names_none_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(UserError, match=re.escape(reason)):
        ModelName.parse(text)


@pytest.mark.parametrize(
    ("text", "stem"),
    [
        ("Toy", "Toy"), ("toy+ad", "toy-ad"), ("Owner/Name-1.5B@main", "name-1.5b"), ("~/models/My One", "my-one"),
        ("", ""), ("a+b+c", ""),
    ],
)  # fmt: skip
def test_results_begin_with_the_name_or_what_comes_nearest(text: str, stem: str) -> None:
    assert stem_of(text) == stem


PLUS = re.compile(r"""(partition|split|count|index|find|includes|indexOf|startswith|join)\(\s*["']\+["']"""
                  r"""|["']\+["']\s+(not\s+)?in\b|["']\+["']\.join\(\[?\w*(name|model|adapter|base)""")  # fmt: skip


def test_nothing_else_takes_a_plus_apart() -> None:
    """One grammar: neither the engine nor the page reads BASE+ADAPTER by itself."""
    folders = [ROOT / "workbench", ROOT / "tabs", ROOT / "assets"]
    sources = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".js")]
    readers = {
        path.relative_to(ROOT).as_posix() for path in sources
        if "vendor" not in path.parts and PLUS.search(path.read_text("utf-8"))
    }  # fmt: skip
    assert len(sources) > 300 and readers == set()


LOOKS = re.compile(r"\.models\s*/\s*(self|job|request)\.(model|base|adapter|source|teacher|original|judge|name)\b")


def test_nothing_looks_on_the_shelf_for_what_was_written_by_rules_of_its_own() -> None:
    sources = [path for room in ("workbench", "tabs") for path in (ROOT / room).rglob("*.py")]
    assert [path.name for path in sources if LOOKS.search(path.read_text("utf-8"))] == []
