"""Parameters one by one: known, in their place, readable, given to every tensor, within bounds."""

import math
from collections import Counter
from typing import Any

from pydantic import ValidationError

from workbench.core.errors import suggestion
from workbench.merging.checking.context import View
from workbench.merging.checking.together import check_together
from workbench.merging.checking.values import filter_texts, reader, settings_in, uses
from workbench.merging.parameters import MethodInfo, Parameter
from workbench.merging.recipe import MethodSetting, numbers
from workbench.merging.stack import lookup

SHARES = ("density", "gamma", "select_topk")


def check_settings(view: View, info: MethodInfo) -> None:
    """Notes settings the method ignores, misses, or takes in another place or range."""
    entries = settings_in(view)
    for name in sorted({name for name, *_ in entries} - {parameter.name for parameter in info.parameters}):
        near = suggestion(name, [parameter.name for parameter in info.parameters])
        view.note(("parameters", name), f"{info.name} ignores it.", near if near.startswith("Did") else "Leave it out.")
    for parameter in info.parameters:
        mine = [(model, setting) for name, model, setting in entries if name == parameter.name]
        _misplaced(view, info, parameter, [model for model, _ in mine if model])
        if _readable(view, parameter, [setting for _, setting in mine]):
            _resolved(view, info, parameter)
    _filters(view, [(name, setting) for name, _, setting in entries])
    check_together(view, info)


def _misplaced(view: View, info: MethodInfo, parameter: Parameter, models: list[str]) -> None:
    if models and parameter.scope == "shared":
        view.note(
            ("parameters", parameter.name), f"it is one value for all models: the one under {models[0]!r} is not read.",
            "Put it under the recipe's parameters.",
        )  # fmt: skip
    bases = [segment.base for segment in view.segments]
    if parameter.scope == "non_base" and any(view.same(model, base) for model in models for base in bases):
        view.note(("parameters", parameter.name), f"{info.name} reads none for the base.", "Leave it out there.")


def _readable(view: View, parameter: Parameter, settings: list[MethodSetting]) -> bool:
    """Whether every value is of the parameter's type and a finite number."""
    read = reader(parameter)
    for value in (value for setting in settings for value in numbers(setting)):
        try:
            if not math.isfinite(read(value)):
                raise ValueError
        except ValueError:
            kind = {"int": "a whole number", "bool": "true or false"}.get(parameter.kind, "a finite number")
            view.problems.add(("parameters", parameter.name), f"{value!r} is not {kind}.", f"Give {kind}.")
            return False
    return True


def _resolved(view: View, info: MethodInfo, parameter: Parameter) -> None:
    """Every tensor must find a value where one is required, and the values must be within bounds."""
    values: set[Any] = set()
    missing: dict[str, list[str]] = {}
    total: Counter[str] = Counter()
    for segment, source, tensor, position in uses(view, parameter):
        model = source.model if source else ""
        total[model] += 1
        try:
            value = lookup(parameter.name, segment.settings(model or None), tensor, position, reader(parameter))
        except ValidationError:
            view.problems.add(
                ("parameters", parameter.name), "its gradient gives no whole number in between.", "Give one value."
            )
            return
        if value is None and parameter.required:
            missing.setdefault(model, []).append(tensor)
        values.add(parameter.default if value is None else value)
    for model, names in missing.items():
        _missing(view, info, parameter, model, names, total[model])
    _bounds(view, parameter, [value for value in values if value is not None and not isinstance(value, bool)])


def _missing(view: View, info: MethodInfo, parameter: Parameter, model: str, names: list[str], total: int) -> None:
    whose = f" for {model!r}" if model else ""
    where = f"under that model's parameters as {parameter.name}:" if model else "under the recipe's parameters:"
    if not any(names) or len(names) == total:
        message = f"{info.name} needs it{whose}."
        remedy = f"Give it {where} 0.5 or so, or one for all under the recipe's parameters."
    else:
        message = f"the filters leave {len(names)} of {total} tensors{whose} without a value ({names[0]})."
        remedy = "Add a last entry without a filter: - value: 0.5."
    view.problems.add(("parameters", parameter.name), message, remedy)


def _bounds(view: View, parameter: Parameter, values: list[float]) -> None:
    """Shares below 0 mean nothing; what is merely outside the usual is said."""
    where = ("parameters", parameter.name)
    if parameter.name in SHARES:
        for value in sorted(value for value in values if not 0 <= value <= 1)[:1]:
            if value < 0:
                view.problems.add(where, f"{value:g} is no share.", "Choose 0 to 1.")
            else:
                view.note(where, f"{value:g} is taken for 1.", "Choose 0 to 1.")
        return
    low, high = parameter.low, parameter.high
    outside = sorted(v for v in values if (low is not None and v < low) or (high is not None and v > high))
    if outside:
        view.note(where, f"{outside[0]:g} is unusual.", f"Most use {_span(low, high)}.")


def _span(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    return f"{low:g} or more" if low is not None else f"{high:g} or less"


def _filters(view: View, settings: list[tuple[str, MethodSetting]]) -> None:
    """A filter that no tensor's name holds does nothing; mergekit says nothing."""
    tensor_names = [name for facts in view.models.values() for name in facts.shapes]
    words = sorted({word for name in tensor_names for word in name.split(".") if not word.isdigit()})
    for name, setting in settings:
        for text in filter_texts(setting):
            if tensor_names and not any(text in tensor for tensor in tensor_names):
                near = suggestion(text, words)
                remedy = near if near.startswith("Did") else "Use part of a tensor's name, such as self_attn or mlp."
                view.note(("parameters", name), f"no tensor has {text!r} in its name.", remedy)
