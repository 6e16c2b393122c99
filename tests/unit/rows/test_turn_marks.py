"""Weights and thoughts of single turns: read under their usual names, kept whole, never dropped in silence."""

from pathlib import Path
from typing import Any

import pytest

from tabs.data.edit import row_from
from workbench.core.errors import UserError
from workbench.data.exports.export import EXPORTS
from workbench.data.reading.format import FORMATS
from workbench.rows.canonical import check_row
from workbench.rows.digests import row_digest, row_digests
from workbench.rows.table import joined_tables, read_table_file, rows_of, table_of, write_table

ASKED = {"role": "user", "content": "Capital of France?"}
GOOD = {"role": "assistant", "content": "Paris."}


def answer(**more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": "A draft.", **more}


def converted(*turns: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = FORMATS.parse("messages").convert({"messages": list(turns)})["messages"]
    return found


@pytest.mark.parametrize(
    "mark", [{"weight": 0}, {"weight": 0.0}, {"loss_weight": 0.0}, {"train": False}, {"weight": 0, "train": False}]
)
def test_every_mark_of_a_turn_not_to_be_learned_is_the_weight_0(mark: dict[str, Any]) -> None:
    assert converted(ASKED, answer(**mark), ASKED, GOOD)[1] == answer(weight=0.0)


@pytest.mark.parametrize("mark", [{"weight": 1}, {"train": True}, {"loss_weight": 1.0}, {"weight": None}])
def test_the_usual_weight_is_absent(mark: dict[str, Any]) -> None:
    assert converted(ASKED, answer(**mark))[1] == answer()


@pytest.mark.parametrize("key", ["reasoning_content", "thinking", "reasoning"])
def test_a_thought_is_kept_under_one_name(key: str) -> None:
    assert converted(ASKED, answer(**{key: "France, so"}))[1] == answer(reasoning_content="France, so")


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([ASKED, answer(weight=0)], "no assistant turn is to be learned"),
        ([ASKED, answer(weight=-1)], "not a number from 0 on"),
        ([ASKED, answer(weight="high")], "not a number from 0 on"),
        ([ASKED, answer(train="no")], "not true or false"),
        ([ASKED, answer(weight=0.5, train=False)], "disagree"),
        ([ASKED, answer(train_detail=[{"begin_offset": 0}])], "train_detail"),
        ([{**ASKED, "images": ["a.jpg"]}, answer()], "has images"),
        ([{**ASKED, "thinking": "hm"}, answer()], "thinks as user"),
        ([ASKED, answer(thinking=5)], "not text"),
    ],
)
def test_what_cannot_be_honoured_is_refused_with_the_reason(turns: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        converted(*turns)


def test_marks_come_back_from_the_disk_with_the_same_digest(tmp_path: Path) -> None:
    plain = {"messages": [ASKED, GOOD]}
    marked = {"messages": [ASKED, answer(weight=0.25, reasoning_content="So"), ASKED, answer(weight=0.0), ASKED, GOOD]}
    table = joined_tables(
        "conversation", [table_of("conversation", [check_row("conversation", row)]) for row in (plain, marked)]
    )
    write_table(table, tmp_path / "rows.parquet")
    read = read_table_file(tmp_path / "rows.parquet")
    assert rows_of(read) == [plain, marked]
    assert row_digests(read) == [row_digest(plain), row_digest(marked)]
    assert row_digest(marked) != row_digest({"messages": [ASKED, *marked["messages"][1:5], answer(weight=0.5)]})


def test_layouts_without_weights_leave_such_rows_out() -> None:
    row = {"messages": [ASKED, answer(weight=0.0), ASKED, GOOD]}
    with pytest.raises(UserError, match="weight of its own"):
        EXPORTS.parse("llama_factory").convert("conversation", row, frozenset({"weight"}))
    (written,) = EXPORTS.parse("sharegpt").convert("conversation", row, frozenset({"weight"}))
    assert written["conversations"][1]["weight"] == 0.0 and "weight" not in written["conversations"][3]
    with pytest.raises(UserError, match="weight of its own"):
        EXPORTS.parse("alpaca").convert("conversation", {"messages": [ASKED, answer(weight=0.5)]}, frozenset())
    assert EXPORTS.parse("jsonl").convert("conversation", row, frozenset({"weight"})) == [row]


def test_the_editor_keeps_weight_and_thought() -> None:
    turns = [ASKED, {**answer(), "weight": "0.5", "reasoning_content": "So"}, ASKED, {**GOOD, "weight": "1"}]
    made = row_from("conversation", {"messages": turns})
    assert made["messages"][1] == answer(weight=0.5, reasoning_content="So") and made["messages"][3] == GOOD
    with pytest.raises(UserError, match="not a number"):
        row_from("conversation", {"messages": [ASKED, {**answer(), "weight": "much"}]})
