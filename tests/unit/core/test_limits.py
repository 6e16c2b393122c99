"""What somebody else wrote is read within bounds, and quoted shortly."""

import json
import time
from pathlib import Path

import pytest

from workbench.core.errors import MOST_CHARACTERS, Problem, SpecError, UserError
from workbench.core.limits import bounded_integer, bounded_object, bounded_text, number, text_up_to, too_deep
from workbench.core.spec import load_yaml


def test_a_file_over_its_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x" * 11)
    assert bounded_text(tmp_path / "a", 11) == "x" * 11
    with pytest.raises(UserError, match="a is larger than"):
        bounded_text(tmp_path / "a", 10)


@pytest.mark.parametrize(("content", "says"), [(b"\xff\xfea", "not UTF-8"), (None, "missing")])
def test_a_file_that_is_no_text_is_refused(content: bytes | None, says: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "a").write_bytes(content)
    with pytest.raises(UserError, match=says):
        bounded_text(tmp_path / "a")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="not a regular file"):
        bounded_text(tmp_path / "folder")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"a":' * 50_000 + "1" + "}" * 50_000, "nested too deeply"),
        ('{"a":' * 150 + "1" + "}" * 150, "more than 100 deep"),
        ("[1]", "no JSON object"),
        ('{"a": ' + "9" * 5000 + "}", "not valid JSON"),
        ('{"a"', "not valid JSON"),
    ],
)
def test_json_that_is_no_plain_object_is_refused(content: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(UserError, match=says):
        bounded_object(tmp_path / "a.json")


def test_depth_is_counted_over_lists_and_objects() -> None:
    assert not too_deep([{"a": [1]}], 3) and too_deep([{"a": [1]}], 2) and not too_deep("x", 0)


def test_values_of_another_type_are_none() -> None:
    assert [bounded_integer(value) for value in (1, True, 1.0, "1", 2**64, None)] == [1, None, None, None, None, None]
    assert [number(value) for value in (1.5, float("nan"), float("inf"), 10**400, [1])] == [1.5, None, None, None, None]
    assert (text_up_to("abc", 2), text_up_to(5, 9)) == ("a…", "")


@pytest.mark.parametrize(
    "content",
    [
        "a: " + "[" * 50_000,
        "a: " + "[" * 150 + "]" * 150,
        "!!bool x",
        "!!timestamp x",
        "!!int ''",
        "!!float x",
        "? [a]\n: b",
        "a: &a [*a]",
        "\x00",
        "a: 2020-99-99",
        "!!python/object:os.system x",
        "a: " + "x" * (2 * 1024**2),
    ],
)
def test_yaml_that_is_none_of_ours_is_refused_in_a_short_sentence(content: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_yaml(content)
    assert len(str(caught.value)) < 400


def test_a_yaml_bomb_is_refused_at_once() -> None:
    levels = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]
    start = time.monotonic()
    for aliases in (False, True):
        with pytest.raises(SpecError):
            load_yaml("\n".join(levels), aliases=aliases)
    assert time.monotonic() - start < 2


def test_errors_are_short_whatever_they_quote() -> None:
    long = "x" * 3_000_000
    assert len(str(UserError(long, long, long))) < 4 * MOST_CHARACTERS
    many = SpecError([Problem(long, long, long)] * 5000)
    assert len(many.problems) == 101 and "4,900 more" in many.problems[-1].message
    assert len(str(many)) < 4 * MOST_CHARACTERS and json.dumps(str(many))
