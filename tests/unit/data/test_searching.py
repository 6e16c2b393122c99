"""Searching: what is found, in which order, page by page, and which queries are refused."""

import os
from pathlib import Path
from typing import Any

import pytest

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.data.store import search as searching
from workbench.data.store.datasets import write_rows
from workbench.data.store.search import search


def talk(number: int) -> dict[str, Any]:
    mark = " Zebra" if number % 700 == 3 else ""
    return {
        "messages": [
            {"role": "user", "content": f"Question {number}{mark}?"},
            {"role": "assistant", "content": f"Answer ({number * 2}), größer." + (" lion" if number == 9 else "")},
        ]
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home.at(tmp_path_factory.mktemp("home"))
    write_rows(home, "talks", "conversation", (talk(number) for number in range(3500)), [talk(9)])
    write_rows(home, "words", "text", [{"text": "The wren."}, {"text": "An owl\nsang."}])
    pair = {"prompt": [{"role": "user", "content": "q"}], "chosen": [{"role": "assistant", "content": "good lion"}]}
    write_rows(home, "pairs", "preference", [{**pair, "rejected": [{"role": "assistant", "content": "bad cat"}]}])
    return home


def positions(found: dict[str, Any]) -> list[int]:
    return [position for position, _ in found["rows"]]


def test_words_and_their_rows(home: Home) -> None:
    found = search(home, "talks", "train", "zebra")
    assert positions(found) == [3, 703, 1403, 2103, 2803] and found["total"] == 5 and found["complete"]
    assert [row for _, row in found["rows"]] == [talk(at) for at in positions(found)]
    assert search(home, "talks", "eval", "lion")["rows"] == [(0, talk(9))]
    assert search(home, "talks", "train", "GRÖSSER")["total"] == 0
    assert search(home, "talks", "train", "GRÖßER")["total"] > 0


def test_case_and_part(home: Home) -> None:
    assert search(home, "talks", "train", "zebra", case=True)["total"] == 0
    assert positions(search(home, "talks", "train", "lion", scope="assistant")) == [9]
    assert search(home, "talks", "train", "lion", scope="user")["total"] == 0
    assert positions(search(home, "pairs", "train", "cat")) == [0]
    assert positions(search(home, "words", "train", "owl")) == [1]
    assert search(home, "words", "train", "owl", scope="user")["total"] == 0


def test_patterns(home: Home) -> None:
    assert search(home, "talks", "train", "(18)")["total"] == 1
    assert positions(search(home, "talks", "train", r"Question 1\d\?", regex=True)) == list(range(10, 20))
    assert positions(search(home, "words", "train", r"owl\s+sang\.$", regex=True)) == [1]
    for wrong in ("(", "a(?=b)", r"\p{Nothing}"):
        with pytest.raises(UserError, match="not a regular expression"):
            search(home, "talks", "train", wrong, regex=True)


def test_the_first_page_does_not_wait_for_the_whole(home: Home) -> None:
    found = search(home, "talks", "train", "Question", count=5)
    assert positions(found) == [0, 1, 2, 3, 4] and found["total"] == 1000 and not found["complete"]
    later = search(home, "talks", "train", "Question", start=3490, count=20)
    assert positions(later) == list(range(3490, 3500)) and later["complete"] and later["total"] == 3500
    assert search(home, "talks", "train", "Question", count=500)["rows"][-1][0] == 199
    assert search(home, "talks", "train", "Question", start=9999)["rows"] == []


def test_a_search_out_of_time_goes_on_when_asked_again(home: Home) -> None:
    found = search(home, "talks", "train", "zebra?", seconds=0)
    assert found == {"total": 0, "rows": [], "complete": False}
    assert search(home, "talks", "train", "zebra?")["total"] == 5


def test_hits_are_remembered_until_the_file_changes(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    search(home, "words", "train", "wren")
    with monkeypatch.context() as patched:
        patched.setattr(searching.Scan, "_scan", None)
        assert search(home, "words", "train", "wren")["total"] == 1
    write_rows(home, "words", "text", [{"text": "A wren."}, {"text": "Two wrens."}], replace=True)
    assert search(home, "words", "train", "wren")["total"] == 2


def test_refusals(home: Home) -> None:
    assert search(home, "talks", "train", "") == {"total": 0, "rows": [], "complete": True}
    for settings in ({"split": "test"}, {"scope": "nobody"}, {"query": "x" * 1001}, {"name": "none"}):
        with pytest.raises(UserError):
            search(home, **{"name": "talks", "split": "train", "query": "a", **settings})
    path = home.datasets / "words" / "train.parquet"
    os.truncate(path, 20)
    with pytest.raises(UserError, match="is damaged"):
        search(home, "words", "train", "wren")


def test_rows_with_tool_calls(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    call = {"type": "function", "function": {"name": "weather", "arguments": {"place": "Köln"}}}
    rows = [
        {
            "messages": [
                {"role": "user", "content": "Rain?"},
                {"role": "assistant", "content": "", "tool_calls": [call]},
                {"role": "tool", "content": "grey"},
            ]
        }
    ]
    write_rows(home, "tools", "conversation", rows)
    assert search(home, "tools", "train", "köln", scope="assistant")["rows"] == [(0, rows[0])]
    assert search(home, "tools", "train", "grey", scope="tool")["total"] == 1
