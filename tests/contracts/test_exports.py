"""Every export format keeps its family's promise."""

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.toys import conversations, preferences
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.tasks import Task
from workbench.data.exports.export import EXPORTS, Export, preview_export, write_export
from workbench.data.recipes.importing import import_dataset
from workbench.data.store.datasets import all_rows, write_rows
from workbench.jobs.job import JobStopped
from workbench.rows.canonical import KINDS

SETTINGS: list[dict[str, Any]] = [
    {"method": "jsonl", "layout": "messages"},
    {"method": "jsonl", "layout": "prompt_completion"},
    {"method": "csv", "cells": "json"},
    {"method": "csv", "byte_order_mark": True},
]
EVERY = [*EXPORTS, *(EXPORTS.parse(one) for one in SETTINGS)]
FORMS = [one if isinstance(one, Export) else one() for one in EVERY]
CASES = [pytest.param(form, kind, id=f"{form.to_dict()}-{kind}") for form in FORMS for kind in KINDS]
FITTING = [case for case in CASES if not case.values[0].refuses(case.values[1])]
SINGLE = {"alpaca", "csv"}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]
ODD = 'Ünïcode, "quotes", commas;\na new line, \\ a backslash and 日本語 🦆'


def called(text: str) -> list[dict[str, Any]]:
    """A conversation in which a tool is called."""
    call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": {"city": text}}}
    return [
        {"role": "user", "content": f"How warm is it in {text}?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "21", "name": "weather", "tool_call_id": "1"},
        {"role": "assistant", "content": "21 degrees."},
    ]


def rows_of_kind(kind: str, plain: bool = False) -> list[dict[str, Any]]:
    """Thirty rows; unless `plain`, some with system prompts, several turns and tools."""
    talks, pairs = conversations(30), preferences(30)
    talks[3]["messages"][1]["content"] = ODD
    system = {"role": "system", "content": "Be brief."}
    talks[4]["messages"].insert(0, system)
    pairs[4]["prompt"].insert(0, system)
    if not plain:
        talks[5]["messages"] += talks[6]["messages"]
        talks[7:9] = [{"messages": called("Bonn"), "tools": TOOLS}, {"messages": called("Köln"), "tools": TOOLS}]
        pairs[5] |= {"tools": TOOLS}
    if kind == "preference":
        return pairs
    if kind == "unpaired":
        sides = [(row["prompt"], row["chosen" if n % 3 else "rejected"], bool(n % 3)) for n, row in enumerate(pairs)]
        return [{"prompt": prompt, "completion": completion, "label": label} for prompt, completion, label in sides]
    if kind == "text":
        return [{"text": row["messages"][-1]["content"]} for row in talks]
    return [{"prompt": row["messages"][:1]} for row in conversations(30)] if kind == "prompts" else talks


def carried(export: Export, row: dict[str, Any]) -> dict[str, Any]:
    """The row without what the format says it does not carry."""
    made, dropped = copy.deepcopy(row), export.dropped()
    made = {key: value for key, value in made.items() if key not in dropped}
    for turn in [turn for value in made.values() if isinstance(value, list) for turn in value]:
        for key in {"name", "tool_call_id"} & {*dropped}:
            turn.pop(key, None)
        if "tool_calls" in dropped:
            for call in turn.get("tool_calls", []):
                call.pop("id", None)
    return made


def objects(row: dict[str, Any]) -> dict[str, Any]:
    """The row with parameters of tools that are JSON text read."""
    for tool in row.get("tools", []):
        parameters = tool["function"].get("parameters")
        if isinstance(parameters, str):
            tool["function"]["parameters"] = json.loads(parameters)
    return row


@pytest.fixture
def home(own_home: Path) -> Home:
    return Home.at(own_home)


def keep(home: Home, kind: str, plain: bool = False) -> list[dict[str, Any]]:
    rows = rows_of_kind(kind, plain)
    write_rows(home, "rows", kind, rows[6:], rows[:6])
    return rows


def test_the_formats_asked_for_are_there() -> None:
    known = {"jsonl", "parquet", "csv", "alpaca", "sharegpt", "trl_preference", "kto", "llama_factory", "axolotl"}
    assert known <= set(EXPORTS.all())


@pytest.mark.parametrize(("export", "kind"), CASES)
def test_counts_add_up_or_the_kind_is_refused(home: Home, export: Export, kind: str, tmp_path: Path) -> None:
    rows = keep(home, kind)
    target = tmp_path / "out" / "here"
    if export.refuses(kind):
        with pytest.raises(UserError, match="does not fit"):
            write_export(home, "rows", export, target)
        assert not target.exists() and not target.parent.exists()
        return
    made = write_export(home, "rows", export, target)
    assert sum(count.given for count in made.counts.values()) == len(rows)
    for split, count in made.counts.items():
        assert count.taken + sum(count.left_out.values()) == count.given
        assert count.written == count.taken * (2 if (export.method, kind) == ("kto", "preference") else 1)
        if export.suffix == ".jsonl":
            assert len(made.data[split].read_text().splitlines()) == count.written
    assert {*made.files} == {*target.iterdir()}
    assert preview_export(home, "rows", export)["count"] == made.counts["train"].to_dict()


@pytest.mark.parametrize(("export", "kind"), FITTING)
def test_the_same_rows_give_the_same_bytes(home: Home, export: Export, kind: str, tmp_path: Path) -> None:
    keep(home, kind)
    first, second = (write_export(home, "rows", export, tmp_path / place) for place in "ab")
    digests = [[hashlib.sha256(file.read_bytes()).hexdigest() for file in made.files] for made in (first, second)]
    assert digests[0] == digests[1]


@pytest.mark.parametrize(("export", "kind"), FITTING)
def test_what_it_wrote_is_read_back_the_same(home: Home, export: Export, kind: str, tmp_path: Path) -> None:
    keep(home, kind, plain=export.method in SINGLE and getattr(export, "cells", "text") == "text")
    made = write_export(home, "rows", export, tmp_path / "out")
    for split, file in made.data.items():
        import_dataset(home, file, split, format=export.format(kind, frozenset(made.uses)), eval_fraction=0)
        left = [carried(export, row) for row in all_rows(home, "rows", split)]
        back = [objects(row) for row in all_rows(home, split)]
        if (export.method, kind) != ("kto", "preference"):
            assert sum(made.counts[split].left_out.values()) == 0
            assert back == left
        else:
            sides = [(row["prompt"], row[side], side == "chosen") for row in left for side in ("chosen", "rejected")]
            found = [(row["prompt"], row["completion"], row["label"]) for row in back]
            assert sorted(map(str, found)) == sorted(map(str, sides)) and found != sides


@pytest.mark.parametrize("export", FORMS, ids=lambda export: str(export.to_dict()))
def test_a_stopped_export_leaves_nothing(home: Home, export: Export, tmp_path: Path) -> None:
    kind = next(kind for kind in KINDS if not export.refuses(kind))
    keep(home, kind)

    def stop() -> None:
        raise JobStopped

    with pytest.raises(JobStopped):
        write_export(home, "rows", export, tmp_path / "out", task=Task(check_stop=stop))
    assert [path for path in tmp_path.iterdir() if path != home.root] == []
