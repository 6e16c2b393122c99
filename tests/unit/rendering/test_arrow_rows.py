"""Nulls that Arrow filled into tool calls and tools are not learned; nulls that a file holds are."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.toys import toy_tokenizer
from workbench.data.reading.formats.messages import Messages
from workbench.data.reading.readers import read_all
from workbench.rendering.rendered import render_batch
from workbench.rendering.templates import get_template
from workbench.rendering.tokenizer import Tokenizer
from workbench.rows.arrow_rows import python_rows


def calling(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    called = [{"id": "c", "type": "function", "function": function}]
    parameters = {"type": "object", "properties": {key: {"type": "string"} for key in arguments}}
    return {
        "messages": [
            {"role": "user", "content": f"Call {name}.", "tool_calls": None},
            {"role": "assistant", "content": None, "tool_calls": called},
            {"role": "tool", "content": "ok", "tool_calls": None},
            {"role": "assistant", "content": "done", "tool_calls": None},
        ],
        "tools": [{"type": "function", "function": {"name": name, "description": "d", "parameters": parameters}}],
    }


ROWS = [calling("weather", {"city": "Bonn"}), calling("sum", {"term": "2+3"}), calling("now", {})]


def test_filled_nulls_are_taken_out_of_arguments_and_properties(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    read, rejected = read_all(tmp_path / "rows.parquet")
    made = [Messages(tools="tools").convert(row.data) for row in read]
    assert not rejected and [row["messages"][1]["tool_calls"][0]["function"]["arguments"] for row in made] == [
        *({"city": "Bonn"}, {"term": "2+3"}, {})
    ]
    properties = [row["tools"][0]["function"]["parameters"].get("properties", {}) for row in made]
    assert [list(each) for each in properties] == [["city"], ["term"], []]
    (tmp_path / "toy").mkdir()
    toy_tokenizer(tmp_path / "toy")
    tokenizer = Tokenizer.load(tmp_path / "toy")
    pairs = [
        {"prompt": row["messages"][:1], "chosen": row["messages"][1:], "rejected": row["messages"][3:]} for row in made
    ]
    for kind, rows in (("conversation", made), ("preference", pairs)):
        for sides in render_batch(rows, kind, tokenizer, get_template("qwen")):
            assert all("null" not in side.text for side in sides.values())  # type: ignore[union-attr]


def test_nulls_of_a_file_stay(tmp_path: Path) -> None:
    meant = calling("weather", {"city": None, "days": [None, {"a": None}]})
    (tmp_path / "rows.jsonl").write_text(json.dumps(meant) + "\n")
    texts = {**meant, "messages": json.dumps(meant["messages"]), "tools": json.dumps(meant["tools"])}
    pq.write_table(pa.Table.from_pylist([texts]), tmp_path / "rows.parquet")
    for name in ("rows.jsonl", "rows.parquet"):
        ((row,), _) = read_all(tmp_path / name)
        (call,) = Messages(tools="tools").convert(row.data)["messages"][1]["tool_calls"]
        assert call["function"]["arguments"] == {"city": None, "days": [None, {"a": None}]}


def test_columns_and_keys_of_messages_stay() -> None:
    table = pa.Table.from_pylist([{"a": None, "b": {"c": None, "d": {"e": None, "f": [{"g": None, "h": 1}]}}}])
    assert python_rows(table) == [{"a": None, "b": {"c": None, "d": {"f": [{"h": 1}]}}}]
