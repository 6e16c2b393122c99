"""The steps a recipe can be made of as the browser draws them: their groups, and a form from each one's fields."""

import types
import typing
from typing import Any, Literal

from pydantic.fields import FieldInfo

from tabs._form import bounds
from workbench.data.step import STEPS, Group, Step
from workbench.data.steps.edit_rows import EditRows
from workbench.registry import Method

FROM_SHELF = {
    "dataset": "dataset", "datasets": "datasets", "model": "model", "tokenizer": "model",
    "others": "shares",
}  # fmt: skip
"""Fields that name something on a shelf, and which."""
AS_JSON = ("texts",)
"""Lists whose texts may have several lines, which a line each would part."""


def catalogue() -> dict[str, Any]:
    """{'groups': [{title, steps}], 'steps': {method: …}}; edits by hand are not in a group: they are made elsewhere."""
    steps = {step.method: described(step) for step in STEPS if step.method != EditRows.method}
    groups = [
        (title, [step.method for step in STEPS if step.method in steps and step.group == title])
        for title in typing.get_args(Group)
    ]
    steps[EditRows.method] = described(EditRows)
    return {"groups": [{"title": title, "steps": names} for title, names in groups if names], "steps": steps}


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
        "many": typing.get_origin(_bare(info.annotation)) in (list, tuple),
        "default": None if info.is_required() else info.get_default(call_default_factory=True),
        "required": info.is_required(), "optional": _bare(info.annotation) is not info.annotation,
    }  # fmt: skip


def kind_of(name: str, annotation: Any) -> tuple[str, list[Any]]:
    """The control of a type, and its choices: flag, number, choice, text, ticks, lines, numbers, pairs (of texts),
    weights (numbers by name), data (JSON), or something of a shelf: dataset, datasets, shares (of datasets), model."""
    kind = _bare(annotation)
    simple = {bool: "flag", int: "number", float: "number", str: FROM_SHELF.get(name, "text")}
    if typing.get_origin(kind) is Literal:
        return "choice", list(typing.get_args(kind))
    if typing.get_origin(kind) in (list, tuple):
        return _many(name, _bare(typing.get_args(kind)[0]))
    if typing.get_origin(kind) is dict and typing.get_args(kind)[0] is str:
        number = FROM_SHELF.get(name, "weights")
        of = {str: "pairs", float: number, int: number}
        return of.get(_bare(typing.get_args(kind)[1]), "data"), []
    return simple.get(kind, "data"), []


def _many(name: str, inner: Any) -> tuple[str, list[Any]]:
    """The control of a list."""
    if typing.get_origin(inner) is Literal:
        return "ticks", list(typing.get_args(inner))
    of = {str: FROM_SHELF.get(name, "data" if name in AS_JSON else "lines"), int: "numbers", float: "numbers"}
    return of.get(inner, "data"), []


def _bare(annotation: Any) -> Any:
    """X for X | None and for Annotated[X, …]."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _bare(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        kept = [one for one in typing.get_args(annotation) if one is not type(None)]
        return _bare(kept[0]) if len(kept) == 1 else annotation
    return annotation
