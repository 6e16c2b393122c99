"""The rows of a dataset page by page: searched, edited, deleted, added, and those that could not be read."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import gradio as gr

from tabs.data.edit import change, remove, row_from, undoing
from tabs.shell.context import Context
from tabs.shell.kit import component
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.data.recipes import pipeline
from workbench.data.recipes.importing import rejected, rejected_file
from workbench.data.recipes.step import PARTS
from workbench.data.store.datasets import SPLITS, count, dataset_folder, dataset_kind, dataset_manifest, numbered_rows
from workbench.data.store.locks import locked
from workbench.data.store.search import search

Query = dict[str, Any]
Answer = Callable[[Query], dict[str, Any]]
Pieces = Callable[[str, str], list[str]]
MOST_ROWS = 50
LONGEST_CHARACTERS, TURNS = 3_000, 40
BEFORE_CHARACTERS = 300
CHUNK_BYTES = 4 * 1024 * 1024
ON, OFF = "\ue000", "\ue001"


def rows_view(ctx: Context) -> gr.HTML:
    """The component; its value is {"dataset", "mark"}, and `mark` changes with the dataset's rows."""
    functions: dict[str, Answer] = {
        "cards": lambda query: page(ctx.home, query), "whole": lambda query: whole(ctx.home, query),
        "save": lambda query: save_row(ctx.home, query), "remove_row": lambda query: remove_row(ctx.home, query),
        "add_row": lambda query: add(ctx.home, query), "undo_last": lambda query: undo_row(ctx.home, query),
        "bad": lambda query: bad(ctx.home, query), "download_bad": lambda query: download(ctx.home, query),
    }  # fmt: skip
    lines = ("No dataset yet", "Rows are shown here as the trainer reads them.",
             "Press 'Load the sample data' on the left, or import a file.")  # fmt: skip
    return component("data_rows", None, functions, lines, elem_id="rows")


def mark_of(home: Home, name: str | None) -> str:
    """Changes whenever a dataset is made anew; '' when there is none of that name."""
    try:
        status = dataset_folder(home, name or "").stat()
    except (UserError, OSError):
        return ""
    return f"{name}:{status.st_ino}:{status.st_mtime_ns}"


# ---- reading -------------------------------------------------------------------------------------------------


def page(home: Home, query: Query) -> dict[str, Any]:
    """A page of cards: {"dataset", "split", "start", "count", "words", "regex", "case", "part"}.

    {"kind", "splits", "bad", "undo", "total", "complete", "rows"}; with words, `total` counts the hits so far.
    """
    name, split = str(query.get("dataset") or ""), str(query.get("split") or "train")
    start, wanted = max(0, int(query.get("start") or 0)), min(MOST_ROWS, max(1, int(query.get("count") or 10)))
    about = _about(home, name)
    if not query.get("words"):
        found = numbered_rows(home, name, split, start, wanted)
        cards = [card(start + at, one["id"], one["row"], _plain) for at, one in enumerate(found)]
        return {**about, "total": about["splits"].get(split, 0), "complete": True, "rows": cards}
    settings: dict[str, Any] = {one: bool(query.get(one)) for one in ("regex", "case")}
    settings["scope"] = query.get("part") or "all"
    hits = search(home, name, split, str(query["words"]), start=start, count=wanted, seconds=1.0, **settings)
    pieces = marker(str(query["words"]), **settings)
    cards = [card(at, _number(home, name, split, at), row, pieces) for at, row in hits["rows"]]
    return {**about, "total": hits["total"], "complete": hits["complete"], "rows": cards}


def _about(home: Home, name: str) -> dict[str, Any]:
    """What is said beside every page: {"kind", "splits", "bad", "undo"}."""
    return {
        "kind": dataset_kind(home, name), "splits": {one: count(home, name, one) for one in SPLITS},
        "bad": dataset_manifest(home, name).info.get("rejected") or 0, "undo": undoing(home, name),
    }  # fmt: skip


def whole(home: Home, query: Query) -> dict[str, Any]:
    """One row whole, as it is and as a card: {"dataset", "split", "place", "id"}."""
    name, split, place, number = _asked(home, query)
    row = numbered_rows(home, name, split, place, 1)[0]["row"]
    return {"row": row, "card": card(place, number, row, _plain, longest=0)}


def _number(home: Home, name: str, split: str, place: int) -> int:
    return int(numbered_rows(home, name, split, place, 1)[0]["id"])


def _asked(home: Home, query: Query) -> tuple[str, str, int, int]:
    """Dataset, split, place and number of a row; raises `UserError` when another row stands there by now."""
    name, split, place = str(query.get("dataset") or ""), str(query.get("split")), int(query.get("place") or 0)
    found = numbered_rows(home, name, split, place, 1)
    if not found or str(found[0]["id"]) != str(query.get("id")):
        raise UserError("The dataset has changed meanwhile.", "Look at its rows again.", "row")
    return name, split, place, int(found[0]["id"])


# ---- cards ---------------------------------------------------------------------------------------------------


def card(
    place: int, number: int, row: dict[str, Any], pieces: Pieces, longest: int = LONGEST_CHARACTERS
) -> dict[str, Any]:
    """A row for showing; every text as pieces, each second one found. Numbers are text: JavaScript rounds long ones."""
    turns = [
        _turn(turn, name, row.get("label"), pieces, longest)
        for name, value in row.items() if name in PARTS for turn in value
    ]  # fmt: skip
    if "text" in row:
        turns = [{"role": "text", "look": "text", **_cut(pieces(row["text"], "text"), longest)}]
    most = TURNS if longest else len(turns)
    tools = [{"name": tool["function"]["name"], "text": _indented(tool)} for tool in row.get("tools", [])]
    metadata = _indented(row["metadata"]) if row.get("metadata") else ""
    return {
        "place": place, "id": str(number), "turns": turns[:most], "more": max(0, len(turns) - most), "tools": tools,
        "metadata": metadata, "cut": any(turn["before"] or turn["after"] for turn in turns) or len(turns) > most,
    }  # fmt: skip


def _turn(turn: dict[str, Any], part: str, label: Any, pieces: Pieces, longest: int) -> dict[str, Any]:
    side = {"chosen": "chosen", "rejected": "rejected"}.get(part, "")
    if part == "completion":
        side = "good" if label else "bad"
    role = turn["role"]
    calls = [
        {
            "name": pieces(call["function"]["name"], role),
            "pieces": pieces(_indented(call["function"].get("arguments", {})), role),
        }
        for call in turn.get("tool_calls", [])
    ]
    shown = side if side and role == "assistant" else f"{side} · {role}" if side else role
    text = _cut(pieces(turn["content"], role), longest)
    beside = " ".join(turn[key] for key in ("name", "tool_call_id") if key in turn)
    if "weight" in turn:
        beside = f"{beside} weight {turn['weight']:g}" if turn["weight"] else f"{beside} not learned"
    thought = turn.get("reasoning_content", "")[:longest]
    return {"role": shown, "look": side or role, "beside": beside, "thought": thought, "calls": calls, **text}


def _indented(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)


def _plain(text: str, role: str) -> list[str]:
    return [text]


def marker(words: str, regex: bool, case: bool, scope: str) -> Pieces:
    """Cuts a text where it was found, by the same expressions the search uses, so that it ends in time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    pattern = f"{'' if case else '(?i)'}({words if regex else re.escape(words)})"

    def pieces(text: str, role: str) -> list[str]:
        if scope not in ("all", role) or ON in text or OFF in text:
            return [text]
        marked = pc.replace_substring_regex(pa.array([text]), pattern, f"{ON}\\1{OFF}")[0].as_py()
        return re.split(f"[{ON}{OFF}]", marked.replace(ON + OFF, ""))

    return pieces


def _cut(pieces: list[str], longest: int) -> dict[str, Any]:
    """At most `longest` characters, beginning shortly before the first one found; how many are left out."""
    size = sum(map(len, pieces))
    if not longest or size <= longest:
        return {"pieces": pieces, "before": 0, "after": 0}
    start = (
        max(0, len(pieces[0]) - BEFORE_CHARACTERS)
        if len(pieces) > 1 and len(pieces[0]) > longest - BEFORE_CHARACTERS
        else 0
    )
    kept, passed = [], 0
    for piece in pieces:
        kept.append(piece[max(0, start - passed) : max(0, start + longest - passed)])
        passed += len(piece)
        if passed >= start + longest:
            break
    return {"pieces": kept, "before": start, "after": max(0, size - start - longest)}


# ---- changing ------------------------------------------------------------------------------------------------


def save_row(home: Home, query: Query) -> dict[str, Any]:
    """Puts the edited {"row"} in the place of the one at {"dataset", "split", "place", "id"}."""
    with locked(home, str(query.get("dataset") or "")):
        name, split, place, number = _asked(home, query)
        made = row_from(dataset_kind(home, name), query["row"])
        if made == numbered_rows(home, name, split, place, 1)[0]["row"]:
            return {"said": f"Row {place + 1:,} is as it was."}
        change(home, name, split, place, number, made)
    return {"said": f"Row {place + 1:,} is saved.", "changed": True}


def remove_row(home: Home, query: Query) -> dict[str, Any]:
    """Takes the row at {"dataset", "split", "place", "id"} out."""
    with locked(home, str(query.get("dataset") or "")):
        name, split, place, number = _asked(home, query)
        remove(home, name, split, place, number)
    return {"said": f"Row {place + 1:,} is deleted.", "changed": True}


def add(home: Home, query: Query) -> dict[str, Any]:
    """Adds {"row"} at the end of the rows to train on of {"dataset"}."""
    name = str(query.get("dataset") or "")
    pipeline.edit_rows(home, name, added=[row_from(dataset_kind(home, name), query["row"])])
    return {"said": "The row is added, the last one to train on.", "changed": True, "last": count(home, name) - 1}


def undo_row(home: Home, query: Query) -> dict[str, Any]:
    """Takes the last change of {"dataset"} back."""
    name = str(query.get("dataset") or "")
    what = undoing(home, name)
    pipeline.undo_change(home, name)
    return {"said": f"Undone: {what}.", "changed": True}


# ---- rows that could not be read -----------------------------------------------------------------------------


def bad(home: Home, query: Query) -> dict[str, Any]:
    """A page of rejected rows, each {"line", "reason", "raw", "file"}: {"dataset", "start", "count"}.

    {"kind", "splits", "bad", "undo", "total", "rows"}.
    """
    name, wanted = str(query.get("dataset") or ""), min(MOST_ROWS, int(query.get("count") or 10))
    rows = rejected(home, name, max(0, int(query.get("start") or 0)), wanted)
    about = _about(home, name)
    return {**about, "total": about["bad"], "rows": [asdict(row) for row in rows]}


def download(home: Home, query: Query) -> dict[str, Any]:
    """The next lines of rejected.jsonl from byte {"offset"} on, about 4 MB: {"text", "next", "done"}."""
    path = rejected_file(home, str(query.get("dataset") or ""))
    if path is None:
        return {"text": "", "next": 0, "done": True}
    with path.open("rb") as file:
        file.seek(max(0, int(query.get("offset") or 0)))
        data = file.read(CHUNK_BYTES) + file.readline()
        return {"text": data.decode("utf-8", "replace"), "next": file.tell(), "done": len(data) < CHUNK_BYTES}
