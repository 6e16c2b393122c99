"""The steps a recipe can be made of as the browser draws them: their groups, and a form from each one's fields."""

import types
import typing
from typing import Any, Literal

from pydantic.fields import FieldInfo

from tabs._form import bounds
from workbench.data.step import STEPS, Edit, Filter, Step
from workbench.data.steps.edit_rows import EditRows
from workbench.registry import Method

GROUPS = {
    "Duplicates": ("exact_duplicates", "near_duplicates", "semantic_duplicates", "leakage", "decontaminate"),
    "Order and share": ("split", "shuffle", "sample", "balance", "mix", "weight", "weights", "sort", "curriculum"),
    "Turns": ("turns", "role_order", "empty_turns", "system_prompt", "merge_turns", "tools"),
}
"""Steps that belong together whatever they do to a row; the others are grouped by that."""
FILTERS, EDITS, REST = "Take rows out", "Change text", "More"
ORDER = ("Duplicates", FILTERS, EDITS, "Turns", "Order and share", REST)
FROM_SHELF = {
    "dataset": "dataset", "datasets": "datasets", "model": "model", "models": "models", "tokenizer": "model",
}  # fmt: skip
"""Fields that name something on a shelf, and which."""


def catalogue() -> dict[str, Any]:
    """{'groups': [{title, steps}], 'steps': {method: …}}; edits by hand are not in a group: they are made elsewhere."""
    steps = {step.method: described(step) for step in STEPS}
    groups = {title: [name for name in steps if group_of(STEPS.get(name)) == title] for title in ORDER}
    return {"groups": [{"title": title, "steps": names} for title, names in groups.items() if names], "steps": steps}


def group_of(step: type[Step]) -> str:
    """The group a step is offered in; '' for edits by hand."""
    if step.method == EditRows.method:
        return ""
    named = next((title for title, names in GROUPS.items() if step.method in names), "")
    return named or (FILTERS if issubclass(step, Filter) else EDITS if issubclass(step, Edit) else REST)


def described(step: type[Step]) -> dict[str, Any]:
    """Title, help, the kinds it works on, why it cannot run here, and its settings."""
    lines = (step.__doc__ or "").strip().split("\n")
    more = " ".join(line.strip() for line in lines[1:]).strip()
    return {
        "title": step.title, "summary": step.summary(), "more": more, "kinds": list(step.kinds),
        "unavailable": step.unavailable(), "fields": fields_of(step), "by_hand": step.method == EditRows.method,
    }  # fmt: skip


def fields_of(method: type[Method]) -> list[dict[str, Any]]:
    """The settings of a step; which rows are restored is not set in a form."""
    return [field(name, info) for name, info in method.model_fields.items() if name != "restored"]


def field(name: str, info: FieldInfo) -> dict[str, Any]:
    """One setting: its kind of control, choices, bounds and default."""
    low, high = bounds(info)
    kind, choices = kind_of(name, info.annotation)
    return {
        "name": name, "label": name.replace("_", " ").capitalize(), "help": info.description or "", "kind": kind,
        "choices": choices, "low": low, "high": high, "whole": _bare(info.annotation) is int,
        "default": None if info.is_required() else info.get_default(call_default_factory=True),
        "required": info.is_required(), "optional": _bare(info.annotation) is not info.annotation,
    }  # fmt: skip


def kind_of(name: str, annotation: Any) -> tuple[str, list[Any]]:
    """The control of a type: flag, number, choice, ticks, lines, text, data (JSON), or something of a shelf."""
    kind = _bare(annotation)
    inner = typing.get_args(kind)
    if kind is bool:
        return "flag", []
    if kind in (int, float):
        return "number", []
    if typing.get_origin(kind) is Literal:
        return "choice", list(inner)
    if kind is str:
        return FROM_SHELF.get(name, "text"), []
    if typing.get_origin(kind) in (list, tuple) and inner:
        if typing.get_origin(_bare(inner[0])) is Literal:
            return "ticks", list(typing.get_args(inner[0]))
        if inner[0] is str:
            return FROM_SHELF.get(name, "lines"), []
        if inner[0] in (int, float):
            return "numbers", []
    return "data", []


def _bare(annotation: Any) -> Any:
    """X for X | None and for Annotated[X, …]."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _bare(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        kept = [one for one in typing.get_args(annotation) if one is not type(None)]
        return _bare(kept[0]) if len(kept) == 1 else annotation
    return annotation
