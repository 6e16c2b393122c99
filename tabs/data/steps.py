"""The steps a recipe can be made of as the browser draws them: their groups, and a form from each one's fields."""

import functools
import typing
from collections.abc import Mapping
from typing import Any

from tabs.forms.fields import drawn, refs_in
from workbench.core.described import DescribedField, describe
from workbench.data.recipes.step import STEPS, Step, StepGroup
from workbench.data.recipes.steps.edit_rows import EditRows


def catalogue() -> dict[str, Any]:
    """{'groups': [{title, steps}], 'steps': {method: …}}; edits by hand are not in a group: they are made elsewhere."""
    steps = {step.method: described_step(step) for step in STEPS if step.method != EditRows.method}
    groups = [
        (title, [step.method for step in STEPS if step.method in steps and step.group == title])
        for title in typing.get_args(StepGroup)
    ]
    steps[EditRows.method] = described_step(EditRows)
    return {"groups": [{"title": title, "steps": names} for title, names in groups if names], "steps": steps}


def described_step(step: type[Step]) -> dict[str, Any]:
    """Title, help, the kinds it works on, why it cannot run here, and its settings."""
    lines = (step.__doc__ or "").strip().split("\n")
    more = " ".join(line.strip() for line in lines[1:]).strip()
    return {
        "title": step.title, "summary": step.summary(), "more": more, "kinds": list(step.kinds),
        "unavailable": step.unavailable(), "fields": controls_of(step), "by_hand": step.method == EditRows.method,
    }  # fmt: skip


def controls_of(step: type[Step]) -> list[dict[str, Any]]:
    """The settings of a step; which rows are restored is not set in a form."""
    return [drawn(field) for field in _settings(step)]


@functools.cache
def step_references() -> dict[str, Mapping[str, Any]]:
    """What the settings of all steps can name, by the key of the list each is chosen from."""
    return refs_in(field for step in STEPS for field in _settings(step))


def _settings(step: type[Step]) -> list[DescribedField]:
    return [field for field in describe(step).fields if field.control != "hidden"]
