"""The steps a recipe can be made of as the browser draws them: their groups, and a form from each one's fields."""

import typing
from typing import Any

from tabs.forms.fields import fields_of
from workbench.data.recipes.step import STEPS, Group, Step
from workbench.data.recipes.steps.edit_rows import EditRows

FROM_SHELF = {
    "dataset": "dataset", "datasets": "datasets", "model": "model", "tokenizer": "model",
    "others": "shares",
}  # fmt: skip
"""Fields that name something on a shelf, and which."""


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
        "unavailable": step.unavailable(), "fields": controls_of(step), "by_hand": step.method == EditRows.method,
    }  # fmt: skip


def controls_of(step: type[Step]) -> list[dict[str, Any]]:
    """The settings of a step; which rows are restored is not set in a form."""
    return [_chosen(field) for field in fields_of(step) if field["name"] != "restored"]


def _chosen(field: dict[str, Any]) -> dict[str, Any]:
    """What names something on a shelf is chosen from it."""
    kind = FROM_SHELF.get(field["name"], "") if field["kind"] in ("text", "lines", "weights") else ""
    return {**field, "kind": kind or field["kind"]}
