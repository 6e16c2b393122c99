"""The values a recipe's settings give, tensor by tensor, found as mergekit finds them."""

from collections.abc import Callable, Iterable
from typing import Any

from pydantic import TypeAdapter

from workbench.merging.checking.context import MOST_LAYERS, View
from workbench.merging.parameters import MethodInfo, Parameter
from workbench.merging.recipe import Filtered, Setting
from workbench.merging.stack import Input, Part, layer_of, lookup

_readers = {kind.__name__: TypeAdapter(kind).validate_python for kind in (float, int, bool)}


def reader(parameter: Parameter) -> Callable[[Any], Any]:
    """Reads a value as mergekit does ('1e-5' is a number); raises `ValueError`."""
    return _readers[parameter.kind]


def given_in(view: View) -> list[tuple[str, str, Setting]]:
    """(name, model or '', setting) of everything set anywhere."""
    scopes = [(one.model, one.parameters) for part in view.parts for one in part.inputs]
    scopes += [("", scope) for part in view.parts for scope in part.scopes]
    return [(name, model, setting) for model, scope in scopes for name, setting in (scope or {}).items()]


def filter_texts(setting: Setting) -> list[str]:
    entries = setting if isinstance(setting, list) else [setting]
    return [one.filter for one in entries if isinstance(one, Filtered) and one.filter not in (None, "*")]


def uses(view: View, parameter: Parameter) -> Iterable[tuple[Part, Input | None, str, float]]:
    """(part, model, tensor, place along the layers) of every use; one a layer where no filter tells tensors apart."""
    scoped = [setting for name, _, setting in given_in(view) if name == parameter.name]
    filtered = not view.recipe.config.modules and any(filter_texts(setting) for setting in scoped)
    for part in view.parts:
        for one in part.inputs if parameter.scope != "shared" else [None]:
            if one and parameter.scope == "non_base" and view.same(one.model, part.base):
                continue
            source = one or part.inputs[0]
            for tensor, place in _places(view, part, source) if filtered else _plain_places(part):
                yield part, one, tensor, place


def _plain_places(part: Part) -> list[tuple[str, float]]:
    return [("", 0.0), *(("", part.place(offset)) for offset in range(min(part.length, MOST_LAYERS)))]


def _places(view: View, part: Part, one: Input) -> list[tuple[str, float]]:
    seen = view.models.get(one.model)
    found = []
    for name in seen.shapes if seen else ():
        layer = layer_of(name)
        if layer is None or one.first <= layer < one.last:
            found.append((name, 0.0 if layer is None else part.place(layer - one.first)))
    return found


def values_of(view: View, info: MethodInfo, name: str) -> dict[tuple[str, str, str, float], Any]:
    """Values by (part, model, tensor, place); the default where none is given."""
    parameter = info.parameter(name)
    found = {}
    for part, one, tensor, place in uses(view, parameter) if parameter else ():
        scopes = part.settings(one.model if one else None)
        try:
            value = lookup(name, scopes, tensor, place, reader(parameter))  # type: ignore[arg-type]
        except ValueError:
            continue
        found[part.label, one.model if one else "", tensor, place] = parameter.default if value is None else value  # type: ignore[union-attr]
    return found
