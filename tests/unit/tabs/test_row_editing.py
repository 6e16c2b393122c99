"""Rows as the Data tab shows and edits them."""

import json
from pathlib import Path

import pytest

from tabs.data import rows as view
from tabs.data.edit import row_from, undoing
from tests.toys import conversations
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.data.recipes import pipeline
from workbench.data.recipes.importing import import_dataset
from workbench.data.store.datasets import all_rows, count

CALL = {"type": "function", "function": {"name": "weather", "arguments": {"city": "Bonn"}}}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home.at(tmp_path / "home")
    file = tmp_path / "talks.jsonl"
    file.write_text("\n".join([*map(json.dumps, conversations(30)), "broken"]))
    import_dataset(made, file, "talks", eval_fraction=0.0)
    return made


def asked(home: Home, place: int) -> dict[str, object]:
    card = view.page(home, {"dataset": "talks", "start": place, "count": 1})["rows"][0]
    return {"dataset": "talks", "split": "train", "place": place, "id": card["id"]}


def edited(answer: str) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": answer}]}


def test_tools_calls_and_metadata_come_back_from_json_text() -> None:
    turns = [
        {"role": "user", "content": "How warm is it?", "calls": "", "name": "", "tool_call_id": ""},
        {"role": "assistant", "content": "", "calls": json.dumps([CALL]), "name": "", "tool_call_id": ""},
        {"role": "tool", "content": "21", "calls": "", "name": "weather", "tool_call_id": ""},
        {"role": "assistant", "content": "21.", "calls": " ", "name": "", "tool_call_id": ""},
    ]
    row = row_from("conversation", {"messages": turns, "tools": "", "metadata": '{"source": "book"}'})
    assert row["metadata"] == {"source": "book"} and "tools" not in row
    assert row["messages"][1]["tool_calls"][0]["function"] == CALL["function"]
    assert row["messages"][2] == {"role": "tool", "content": "21", "name": "weather"}
    with pytest.raises(UserError, match="metadata is not JSON"):
        row_from("conversation", {"messages": turns, "metadata": "{"})


def test_edit_delete_add_and_undo_say_what_they_do(home: Home) -> None:
    assert undoing(home, "talks") == ""
    view.save_row(home, {**asked(home, 3), "row": edited("Edited.")})
    assert undoing(home, "talks") == "editing 1 row"
    view.remove_row(home, asked(home, 5))
    assert undoing(home, "talks") == "deleting 1 row" and count(home, "talks") == 29
    assert view.undo_row(home, {"dataset": "talks"})["said"] == "Undone: deleting 1 row."
    rows = all_rows(home, "talks")
    assert len(rows) == 30 and rows[3]["messages"][1]["content"] == "Edited."
    pipeline.resplit(home, "talks", 0.5)
    assert undoing(home, "talks") == "adding “Split into train and eval”"


def test_an_added_row_can_be_edited_and_deleted_again(home: Home) -> None:
    for answer in ("One.", "Two."):
        last = view.add(home, {"dataset": "talks", "row": edited(answer)})["last"]
    view.save_row(home, {**asked(home, last - 1), "row": edited("Changed.")})
    view.remove_row(home, asked(home, last))
    assert [row["messages"][1]["content"] for row in all_rows(home, "talks")[29:]][1:] == ["Changed."]


def test_a_row_that_moved_is_not_changed(home: Home) -> None:
    query = asked(home, 7)
    view.remove_row(home, asked(home, 2))
    with pytest.raises(UserError, match="changed meanwhile"):
        view.remove_row(home, query)


def test_found_pieces_are_each_second_one_and_long_texts_begin_before_them() -> None:
    pieces = view.marker("a.c", regex=False, case=False, scope="all")
    assert pieces("xA.Cx abc", "user") == ["x", "A.C", "x abc"]
    found = view.marker("a(b|c)*", regex=True, case=True, scope="user")
    assert found("abcb x A", "user") == ["", "abcb", " x A"] and found("abc", "assistant") == ["abc"]
    cut = view._cut(["x" * 9000, "hit", "y" * 9000], 3000)
    assert cut["pieces"][1] == "hit" and cut["before"] == 9000 - view.BEFORE_CHARACTERS
    assert cut["before"] + sum(map(len, cut["pieces"])) + cut["after"] == 18003


def test_bad_rows_are_paged_and_downloaded(home: Home) -> None:
    found = view.bad(home, {"dataset": "talks", "start": 0, "count": 10})
    assert found["total"] == found["bad"] == 1 and found["rows"][0]["line"] == 31
    assert set(found["splits"]) == {"train", "eval"}
    text = view.download(home, {"dataset": "talks", "offset": 0})
    assert text["done"] and json.loads(text["text"])["raw"] == "broken"
