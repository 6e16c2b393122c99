"""Rows edited by hand: what the page sends made canonical, added rows that change again, and what undoing would do."""

import json
from typing import Any

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.data.recipes import pipeline
from workbench.data.recipes.recipe import Recipe, brief
from workbench.data.recipes.step import PARTS, STEPS
from workbench.data.recipes.steps.edit_rows import EditRows
from workbench.data.recipes.steps.split import Split
from workbench.data.store.datasets import count, dataset_folder
from workbench.data.store.locks import locked
from workbench.rows.canonical import check_row
from workbench.rows.tools import tool_calls_of, tools_of
from workbench.rows.turn_extras import weight_of

Row = dict[str, Any]


# ---- what the page sends -------------------------------------------------------------------------------------


def row_from(kind: str, given: Row) -> Row:
    """The canonical row of what the editor holds: turns with `calls`, and `tools` and `metadata` as JSON text.

    Raises `UserError` with the reason when it cannot be one.
    """
    row: Row = {name: [_turn(turn, name) for turn in given[name]] for name in given if name in PARTS}
    row |= {name: given[name] for name in ("text", "label") if name in given}
    if tools := tools_of(_json(given.get("tools"), "tools")):
        row["tools"] = tools
    if metadata := _json(given.get("metadata"), "metadata"):
        row["metadata"] = metadata
    return check_row(kind, row)


def _turn(given: Row, name: str) -> Row:
    turn = {"role": given.get("role"), "content": given.get("content") or ""}
    if calls := tool_calls_of(_json(given.get("calls"), f"{name}.tool_calls"), f"{name}.tool_calls"):
        turn["tool_calls"] = calls
    if (given.get("reasoning_content") or "").strip():
        turn["reasoning_content"] = given["reasoning_content"]
    if (given.get("weight") or "").strip():
        turn |= _weight(given["weight"], turn["role"], name)
    return turn | {key: given[key].strip() for key in ("name", "tool_call_id") if (given.get(key) or "").strip()}


def _weight(text: str, role: Any, name: str) -> Row:
    """The key `weight` of a turn; none for the usual 1. Raises `UserError`."""
    try:
        weight = weight_of({"weight": float(text)}, str(role), name)
    except ValueError:
        raise UserError(f"{name}.weight is {text!r}, not a number.", "Write 0 to learn nothing of it.", name) from None
    return {} if weight is None else {"weight": weight}


def _json(text: Any, what: str) -> Any:
    """What JSON text says, None where there is none."""
    if not isinstance(text, str) or not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise UserError(f"{what} is not JSON: {error}.", "Write it as JSON, or empty it.", what) from None


# ---- changing ------------------------------------------------------------------------------------------------


def change(home: Home, name: str, split: str, place: int, number: int, row: Row) -> None:
    """Puts `row` where row `number` stands, at that place of the split."""
    added = _addition(home, name, split, place, number)
    if added is None:
        pipeline.edit_rows(home, name, changed={number: row})
    else:
        _set_addition(home, name, added, row)


def remove(home: Home, name: str, split: str, place: int, number: int) -> None:
    """Takes row `number` out, which stands at that place of the split."""
    added = _addition(home, name, split, place, number)
    if added is None:
        pipeline.edit_rows(home, name, deleted=[number])
    else:
        _set_addition(home, name, added, None)


def _addition(home: Home, name: str, split: str, place: int, number: int) -> int | None:
    """Which of the rows added by the last step of edits it is: they are the last ones of train. None if it is not."""
    steps = Recipe.at(dataset_folder(home, name)).steps
    last = steps[-1] if steps else None
    if number >= 0 or split != "train" or not isinstance(last, EditRows):
        return None
    at = place - (count(home, name) - len(last.added))
    return at if at >= 0 else None


def _set_addition(home: Home, name: str, at: int, row: Row | None) -> None:
    """Changes a row the last step adds, or with None adds it no more."""
    with locked(home, name):
        steps = [brief(step) for step in Recipe.at(dataset_folder(home, name)).steps]
        added = list(steps[-1]["added"])
        added[at : at + 1] = [] if row is None else [row]
        steps[-1]["added"] = added
        if not any(steps[-1].get(what) for what in ("changed", "deleted", "added")):
            steps.pop()
        pipeline.prepare(home, pipeline.with_steps(home, name, steps))


# ---- undoing -------------------------------------------------------------------------------------------------


def undoing(home: Home, name: str) -> str:
    """What undoing would take back, in a few words; '' when there is nothing to undo."""
    try:
        past = pipeline.history(home, name)
        now = [brief(step) for step in Recipe.at(dataset_folder(home, name)).steps] if past else []
    except UserError:
        return ""  # what is damaged of the recipe is said beside the dataset; its rows can be read without
    return _difference(past[-1], now) if past else ""


def _difference(before: list[Row], now: list[Row]) -> str:
    """The change from `before` to `now`: edits by hand, steps added or taken out, settings."""
    same = next((at for at, (one, other) in enumerate(zip(before, now, strict=False)) if one != other), None)
    if same is None and len(now) == len(before) + 1:
        return _edits({}, now[-1]) if now[-1]["method"] == EditRows.method else f"adding “{_title(now[-1])}”"
    if same is None and len(now) + 1 == len(before):
        return f"taking out “{_title(before[-1])}”"
    if same is not None and len(now) == len(before) and now[same + 1 :] == before[same + 1 :]:
        return _one(before[same], now[same])
    return f"the change from {len(before)} to {len(now)} steps"


def _one(before: Row, now: Row) -> str:
    if before["method"] != now["method"]:
        return f"“{_title(now)}” in the place of “{_title(before)}”"
    if now["method"] == EditRows.method:
        return _edits(before, now)
    if before.get("restored") != now.get("restored"):
        return f"what “{_title(now)}” was told to keep"
    return "splitting again" if now["method"] == Split.method else f"the settings of “{_title(now)}”"


def _edits(before: Row, now: Row) -> str:
    """What a step of edits does more than it did."""
    old, new = before.get("changed") or {}, now.get("changed") or {}
    changed = sum(old.get(number) != row for number, row in new.items())
    deleted = len(set(now.get("deleted") or []) - set(before.get("deleted") or []))
    rows, were = now.get("added") or [], before.get("added") or []
    found = {"editing": changed, "deleting": deleted, "adding": len(rows) - len(were)}
    if len(rows) == len(were) and rows != were:
        found["editing"] += 1
    elif len(rows) < len(were):
        found["deleting"] += len(were) - len(rows)
    words = [f"{what} {many:,} row{'s' * (many > 1)}" for what, many in found.items() if many > 0]
    return " and ".join(words) or "edits by hand"


def _title(step: Row) -> str:
    return STEPS.get(step["method"]).title
