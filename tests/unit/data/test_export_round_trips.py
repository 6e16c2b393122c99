"""16 datasets of real shapes through every fitting export and back: equal, or with losses the documentation lists."""

from pathlib import Path
from typing import Any

import pytest

from workbench.core.assets import ROOT
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.data.exports.export import EXPORTS, Export, write_export
from workbench.data.recipes.importing import import_dataset, preview_source
from workbench.data.store.datasets import all_rows, write_rows

DOCUMENT = ROOT / "docs" / "neighbours.md"
Row = dict[str, Any]


def talk(*texts: str, system: str = "", **last: Any) -> list[Row]:
    turns: list[Row] = [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(texts)]
    turns[-1] |= last
    return [{"role": "system", "content": system}, *turns] if system else turns


def chats(*messages: list[Row], **more: Any) -> list[Row]:
    return [{"messages": one, **more} for one in messages]


TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
CALL = {"type": "function", "function": {"name": "weather", "arguments": {"city": "Bonn", "days": 2}}}
USED = [
    {"role": "user", "content": "Warm?"},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "content": "21"},
    {"role": "assistant", "content": "21 degrees."},
]
NAMED = [
    USED[0] | {"name": "ann"},
    {"role": "assistant", "content": "I look.", "tool_calls": [{"id": "c1", **CALL}]},
    {"role": "tool", "content": "21", "tool_call_id": "c1", "name": "weather"},
    USED[3],
]
MARKUP = ("- one\n- two", "=1+1", "+1", "@SUM(A1)", "'quoted'", "\ttab", "  spaced  ", 'a "quoted", cell', "1", "007")
JSON_ANSWERS = (
    '{"role": "user", "content": "yo"}',
    '[{"role": "assistant", "content": "x"}]',
    "[1, 2]",
    "null",
    "true",
)
PAIR = {"prompt": talk("Tree?"), "chosen": [{"role": "assistant", "content": "Larch"}]}
PAIR |= {"rejected": [{"role": "assistant", "content": "Rock"}]}
LONG = {**PAIR, "prompt": talk("Hi", "Hello", "Tree?", system="Be brief.")}
KTO = {"prompt": talk("Tree?"), "completion": [{"role": "assistant", "content": "Larch"}], "label": True}
DATASETS: dict[str, tuple[str, list[Row]]] = {
    "single": ("conversation", chats(talk("Why?", "So."), talk("Who?", "You."))),
    "multi": ("conversation", chats(talk("a", "b", "c", "d"), talk("e", "f"))),
    "system": ("conversation", chats(talk("Why?", "So.", system="Be kind."), talk("Who?", "You."))),
    "tools": ("conversation", [{"messages": USED, "tools": [TOOL]}, *chats(talk("Why?", "So."))]),
    "calls": ("conversation", [{"messages": NAMED, "tools": [TOOL]}]),
    "thoughts": ("conversation", chats(talk("2 + 2?", "4", reasoning_content="Add."), talk("Why?", "So."))),
    "weights": ("conversation", chats(talk("a", "b", "c", "d", weight=0.5), talk("e", "f", "g", "h"))),
    "metadata": ("conversation", chats(talk("Why?", "So."), metadata={"weight": 0.5, "source": {"page": 3}})),
    "unicode": (
        "conversation",
        chats(talk("你好吗？", "很好。\n谢谢 🌲"), talk("Zażółć\u00a0gęślą?", "naïve — \u200d ok")),
    ),
    "json": ("conversation", chats(*(talk("As JSON?", text) for text in JSON_ANSWERS))),
    "markup": ("conversation", chats(*(talk(f"Q {text}", text) for text in MARKUP))),
    "pairs": ("preference", [PAIR, {**PAIR, "prompt": talk("=1+1")}]),
    "long pairs": ("preference", [LONG, {**LONG, "tools": [TOOL], "metadata": {"margin": 2}}]),
    "verdicts": ("unpaired", [KTO, {**KTO, "label": False, "prompt": talk("Hi", "Hello", "Tree?")}]),
    "texts": ("text", [{"text": text} for text in (*MARKUP, *JSON_ANSWERS, "two\n\nparagraphs", "森")]),
    "prompts": ("prompts", [{"prompt": talk("Tree?")}, {"prompt": talk("a", "b", "c", system="s")}]),
}
LOSSLESS = ("jsonl", "parquet", "sharegpt")
FORMS: list[Export] = [
    *(EXPORTS.parse({"method": one.method}) for one in EXPORTS),
    EXPORTS.parse({"method": "jsonl", "layout": "messages"}),
    EXPORTS.parse({"method": "csv", "cells": "json"}),
]
CASES = [(name, form) for name, (kind, _) in DATASETS.items() for form in FORMS if not form.refuses(kind)]


@pytest.fixture
def home(own_home: Path) -> Home:
    return Home.at(own_home)


@pytest.mark.parametrize(("name", "form"), CASES, ids=[f"{n}-{f.method}-{i}" for i, (n, f) in enumerate(CASES)])
def test_what_comes_back_is_what_was_or_its_loss_is_counted(
    home: Home, tmp_path: Path, name: str, form: Export
) -> None:
    kind, rows = DATASETS[name]
    write_rows(home, "given", kind, rows)
    try:
        made = write_export(home, "given", form, tmp_path / "out")
    except UserError as error:
        assert form.method not in LOSSLESS and "No row can be written" in error.message
        return
    count = made.counts["train"]
    path = made.data["train"]
    reads = form.format(kind, frozenset(made.uses))
    import_dataset(home, path, "back", format=reads, eval_fraction=0)
    back = all_rows(home, "back")
    whole = not count.left_out and not count.lost and form.method != "kto"
    if form.method in LOSSLESS and not (form.method == "jsonl" and form.to_dict()["layout"] != "canonical"):
        assert whole
    documented = DOCUMENT.read_text("utf-8")
    assert all(loss in documented for loss in count.lost), count.lost
    assert count.given == len(rows) == count.taken + sum(count.left_out.values())
    if whole:
        assert back == rows
    elif not count.left_out and form.method != "kto":
        assert sum(a != b for a, b in zip(back, rows, strict=True)) == max(count.lost.values())


@pytest.mark.parametrize(("name", "form"), CASES, ids=[f"{n}-{f.method}-{i}" for i, (n, f) in enumerate(CASES)])
def test_files_that_nobody_tells_the_format_of_are_detected_and_read_the_same(
    home: Home, tmp_path: Path, name: str, form: Export
) -> None:
    kind, rows = DATASETS[name]
    write_rows(home, "given", kind, rows)
    try:
        made = write_export(home, "given", form, tmp_path / "out")
    except UserError as error:
        assert "No row can be written" in error.message
        return
    path = made.data["train"]
    import_dataset(home, path, "told", format=form.format(kind, frozenset(made.uses)), eval_fraction=0)
    detected = import_dataset(home, path, "detected", eval_fraction=0)
    assert all_rows(home, "detected") == all_rows(home, "told")
    seen = preview_source(path)
    assert seen.format is not None and seen.format.title and seen.reason
    assert (detected.info["kind"], detected.info["format"]["method"]) == (seen.format.kind, seen.format.method)


def test_rows_written_without_something_are_counted(home: Home, tmp_path: Path) -> None:
    rows = [*DATASETS["metadata"][1], *DATASETS["single"][1]]
    write_rows(home, "given", "conversation", rows)
    made = write_export(home, "given", EXPORTS.parse({"method": "alpaca"}), tmp_path / "out")
    assert made.counts["train"].to_dict()["lost"] == {"metadata": len(DATASETS["metadata"][1])}
