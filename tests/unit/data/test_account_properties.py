"""Random files of every format with random further columns and keys: nothing of them is unaccounted for."""

import copy
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.data.reading.format import FORMATS, Format
from workbench.data.recipes.importing import import_dataset, rejected
from workbench.data.sources.source import SOURCES
from workbench.data.store.datasets import all_rows

ROWS = 60
NEUTRAL = ["a", "b", "c", "Page No", "meta.x", "lang-id"]
TELLING = [
    "label",
    "rating",
    "status",
    "context",
    "thought",
    "loss_weight",
    "system_prompt",
    "history",
    "overall_score",
]
SCALARS = st.one_of(st.integers(-5, 5), st.booleans(), st.text('ab é"\\\n', max_size=6), st.none(), st.floats(-2, 2))
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=2), st.dictionaries(st.sampled_from("xy"), SCALARS, max_size=2))
# What these settings read is turned into something else, so that it is not found again word for word.
TURNED = {"tools", "weight", "label", "role", "winner", "conversation", "calls", "tool_calls", "function_call", "train"}


@st.composite
def files(draw: st.DrawFn, form: type[Format]) -> list[dict[str, Any]]:
    """60 rows of a format's examples, with further columns and keys of messages from random rows on."""
    example = draw(st.sampled_from(form.examples))
    rows = [copy.deepcopy(example) for _ in range(ROWS)]
    for name in draw(st.lists(st.sampled_from(NEUTRAL + TELLING), max_size=4, unique=True)):
        first, value = draw(st.integers(0, ROWS - 1)), draw(VALUES)
        for row in rows[first:]:
            row.setdefault(name, value)
    for key in draw(st.lists(st.sampled_from(["mood", "id", "rating"]), max_size=2, unique=True)):
        first, value = draw(st.integers(0, ROWS - 1)), draw(SCALARS)
        for row in rows[first:]:
            for turn in (turn for cell in row.values() if isinstance(cell, list) for turn in cell):
                if isinstance(turn, dict) and {"role", "from"} & turn.keys():
                    turn[key] = value
    return rows


@pytest.mark.parametrize(
    "form", [one for one in FORMATS if one.method != "message_rows"], ids=lambda one: str(one.method)
)
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_column_is_accounted_for_and_every_kept_value_is_there(form: type[Format], data: st.DataObject) -> None:
    rows = data.draw(files(form))
    with tempfile.TemporaryDirectory() as folder:
        home, path = Home.at(Path(folder) / "home"), Path(folder) / "a.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        info = _imported(home, path)
        if info is None:
            return
        account = {line["column"]: line for line in info["columns"]}
        assert {name for row in rows for name in row} <= account.keys()
        assert {path for row in rows for path in _keys(row, account)} <= account.keys()
        assert all(line["use"] != "undecided" and line["why"] for line in account.values())
        aside = {one.line for one in rejected(home, "a", 0, ROWS)}
        left = [row for number, row in enumerate(rows, 1) if number not in aside]
        made = all_rows(home, "a")
        assert len(made) == len(left)
        for row, read in zip(left, made, strict=True):
            for name, cell in row.items():
                _holds(read, account[name], name, cell)


def _imported(home: Home, path: Path) -> dict[str, Any] | None:
    """The manifest's facts, every question answered with 'keep'; None where the import is refused with a reason."""
    columns: dict[str, str] = {}
    while True:
        source = SOURCES.parse({"method": "files", "paths": [str(path)], "columns": columns})
        try:
            return import_dataset(home, source, "a", eval_fraction=0).info
        except UserError as error:
            assert error.message and error.remedy
            if error.field != "columns":
                return None
            asked = {line.partition(":")[0] for line in error.message.splitlines()[1:]}
            assert asked and not asked & columns.keys()
            columns |= dict.fromkeys(asked, "keep")


def _keys(row: dict[str, Any], account: dict[str, Any]) -> set[str]:
    """The keys of messages in the columns that are read as such."""
    return {
        f"{name}.{key}"
        for name, cell in row.items()
        if f"{name}.role" in account or f"{name}.from" in account
        for turn in (cell if isinstance(cell, list) else [cell])
        if isinstance(turn, dict)
        for key in turn
    }


def _holds(read: dict[str, Any], line: dict[str, Any], name: str, cell: Any) -> None:
    """Asserts that what the account says of a cell is true of the row read from it."""
    metadata = read.get("metadata", {})
    if line["use"] == "kept" and cell is not None:
        assert metadata.get(name) == cell, (name, cell, metadata)
    elif line["use"] == "used" and line["setting"] not in TURNED:
        whole = "\0".join(map(str, _leaves(read)))
        for text in _texts(cell):
            assert text.strip() in whole, (name, text, read)
    elif line["use"] == "left out":
        assert name not in metadata


def _texts(cell: Any) -> list[str]:
    """The texts of a cell that must be found again: not the names of roles, nor the ids within calls."""
    if isinstance(cell, str):
        said = cell.replace("\n\nHuman:", "\0").replace("\n\nAssistant:", "\0")
        return [part for part in said.split("\0") if part.strip()] if not cell.startswith(("[", "{")) else []
    if isinstance(cell, list):
        return [text for item in cell for text in _texts(item)]
    if isinstance(cell, dict):
        return [text for key in ("content", "value", "text", "response") for text in _texts(cell.get(key))]
    return []


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    return [leaf for item in value for leaf in _leaves(item)] if isinstance(value, list) else [value]
