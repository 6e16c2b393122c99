"""Tools, tool calls and metadata: canonical rows, and their way through Arrow and Parquet."""

from pathlib import Path
from typing import Any

import pytest

from workbench.core.errors import UserError
from workbench.data.reading.format import FORMATS
from workbench.rows.canonical import check_row
from workbench.rows.digests import row_digest, row_digests
from workbench.rows.table import (
    Gathering,
    count_rows,
    joined_tables,
    page_of_rows,
    read_table_file,
    rows_of,
    table_of,
    write_table,
)

CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": {"x": 10**30, "y": None}}}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def answer(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


PLAIN = {"messages": [user("q"), answer("a")]}
RESULT = {"role": "tool", "content": "3", "name": "add", "tool_call_id": "c1"}
CALLING = {"messages": [user("2 + 1?"), answer("", tool_calls=[CALL]), RESULT, answer("3")], "tools": [TOOL]}
NOTED = {"messages": [user("q"), answer("${a} <b>\0</b>")], "metadata": {"weight": 0.5, "tags": ["x", None], "n": {}}}
UNPAIRED = {"prompt": [user("q")], "completion": [answer("a")], "label": False}


def test_rows_come_back_exactly(tmp_path: Path) -> None:
    rows = [*[PLAIN] * 1500, CALLING, NOTED, *[PLAIN] * 1200, {**PLAIN, "metadata": {}}]
    gathering = Gathering("conversation")
    for row in rows:
        gathering.add(check_row("conversation", row))
    write_table(gathering.table(), tmp_path / "rows.parquet")
    table = read_table_file(tmp_path / "rows.parquet")
    assert rows_of(table) == rows and count_rows(tmp_path / "rows.parquet") == len(rows)
    assert list(page_of_rows(tmp_path / "rows.parquet", 1499, 4)) == rows[1499:1503]
    assert rows_of(table.slice(1499, 4)) == rows[1499:1503] and rows_of(table.slice(0, 0)) == []
    assert table.column_names == ["messages", "tools", "metadata"]


def test_columns_exist_only_where_they_are_used() -> None:
    plain = table_of("conversation", [PLAIN])
    assert plain.column_names == ["messages"] and plain.schema.field("messages").type.value_type.num_fields == 2
    whole = joined_tables("conversation", [plain, table_of("conversation", [CALLING]), table_of("conversation", [])])
    assert rows_of(whole) == [PLAIN, CALLING]
    assert rows_of(table_of("unpaired", [UNPAIRED])) == [UNPAIRED]


@pytest.mark.parametrize("kind", ["conversation", "unpaired", "text"])
def test_digests_of_tables_are_those_of_rows(kind: str) -> None:
    texts = ["a\x00\x1f\x7f", '"\\\n\t\r\b\f/', "é日本\u2028𝄞", "plain"]
    made = {
        "conversation": [{"messages": [user(text), answer(text)]} for text in texts] + [PLAIN],
        "unpaired": [UNPAIRED, {**UNPAIRED, "label": True}],
        "text": [{"text": text} for text in texts],
    }[kind]
    expected = [row_digest(row) for row in made]
    assert row_digests(table_of(kind, made)) == expected and row_digests(table_of(kind, made).slice(1)) == expected[1:]
    if kind == "conversation":
        assert row_digests(table_of(kind, [*made, CALLING])) == [*expected, row_digest(CALLING)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"messages": [user("q"), answer("")]}, "is empty"),
        ({"messages": [user("q"), answer(" ", tool_calls=[CALL])]}, "not a canonical list"),
        ({"messages": [{**user("q"), "tool_calls": [CALL]}, answer("a")]}, "calls tools as user"),
        ({"messages": [{**user("q"), "tool_call_id": "1"}, answer("a")]}, "tool_call_id as user"),
        ({"messages": [user("q"), answer("a", tool_calls=None)]}, "not a canonical list"),
        ({"messages": [user("q"), answer("a", tool_calls=[])]}, "not a canonical list"),
        ({"messages": [user("q"), answer("a", weight=1)]}, "not a canonical list"),
        ({**PLAIN, "tools": []}, "tools is not a canonical list"),
        ({**PLAIN, "tools": None}, "tools is not a canonical list"),
        ({**PLAIN, "tools": [{"name": "add"}]}, "tools is not a canonical list"),
        ({**PLAIN, "metadata": None}, "metadata is empty"),
        ({**PLAIN, "metadata": {1: 2}}, "cannot be written as JSON"),
        ({**PLAIN, "metadata": {"a": float("inf")}}, "cannot be written as JSON"),
        ({**PLAIN, "metadata": {"a": "\ud83d"}}, "surrogate"),
        ({**PLAIN, "id": 1}, "belong"),
    ],
)
def test_what_is_not_canonical(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        check_row("conversation", row)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**UNPAIRED, "label": 1}, "not true or false"),
        ({**UNPAIRED, "prompt": [user("q"), answer("a")]}, "ends with an assistant turn"),
        ({**UNPAIRED, "completion": [user("q")]}, "begin and end with an assistant"),
    ],
)
def test_unpaired_rows(row: dict[str, Any], reason: str) -> None:
    check_row("unpaired", UNPAIRED)
    with pytest.raises(UserError, match=reason):
        check_row("unpaired", row)


@pytest.mark.parametrize("arguments", ['{"x": 1}', {"x": 1}])
def test_openai_calls_become_canonical(arguments: Any) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": arguments}, "index": 0}
    turns = [user("q"), {"role": "assistant", "content": None, "tool_calls": [call], "name": None}, RESULT, answer("3")]
    form = FORMATS.parse({"method": "messages", "tools": "tools"})
    made = form.convert({"messages": turns, "tools": '[{"name": "add", "description": null}]'})
    assert made["messages"][1] == answer(
        "", tool_calls=[{"id": "c1", "type": "function", "function": {"name": "add", "arguments": {"x": 1}}}]
    )
    assert made["messages"][2] == RESULT and made["tools"] == [{"type": "function", "function": {"name": "add"}}]
    old = {"role": "assistant", "content": None, "function_call": {"name": "add", "arguments": "{}"}}
    again = form.convert({"messages": [user("q"), old, {"role": "function", "name": "add", "content": "3"}]})
    assert again["messages"][1]["tool_calls"] == [{"type": "function", "function": {"name": "add", "arguments": {}}}]
    assert again["messages"][2] == {"role": "tool", "content": "3", "name": "add"}


@pytest.mark.parametrize(
    ("calls", "reason"),
    [
        ("call it", "not a list of tool calls"),
        ([{"function": {"arguments": {}}}], "has no name"),
        ([{"function": {"name": "f", "arguments": "{x"}}], "arguments that are not JSON"),
        ([{"function": {"name": "f", "arguments": "[1]"}}], r"\[1\] as arguments"),
        ([{"type": "retrieval"}], "of type 'retrieval'"),
        ([{"id": 5, "function": {"name": "f"}}], "the id 5"),
    ],
)
def test_bad_calls_are_refused_with_the_reason(calls: Any, reason: str) -> None:
    row = {"messages": [user("q"), {"role": "assistant", "content": None, "tool_calls": calls}]}
    with pytest.raises(UserError, match=reason):
        FORMATS.parse("messages").convert(row)


def test_sharegpt_calls() -> None:
    said = [("human", "q"), ("function_call", '{"name": "add", "arguments": {}}'), ("observation", "3"), ("gpt", "3")]
    row = {"conversations": [{"from": who, "value": text} for who, text in said]}
    made = FORMATS.parse("sharegpt").convert(row)["messages"]
    assert [turn["role"] for turn in made] == ["user", "assistant", "tool", "assistant"]
    assert made[1]["tool_calls"][0]["function"]["name"] == "add" and made[1]["content"] == ""
    row["conversations"][1]["value"] = "add(1)"
    with pytest.raises(UserError, match="not a list of tool calls"):
        FORMATS.parse("sharegpt").convert(row)
