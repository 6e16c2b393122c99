"""The values a recipe's settings give, tensor by tensor, found as mergekit finds them."""

from collections.abc import Callable, Iterable
from typing import Any

from pydantic import TypeAdapter

from workbench.core.errors import SettingPath
from workbench.merging.checking.context import MOST_LAYERS, View
from workbench.merging.parameters import MethodInfo, Parameter
from workbench.merging.recipe import Filtered, MethodSetting
from workbench.merging.stack import Input, Segment, layer_of, lookup

_readers = {kind.__name__: TypeAdapter(kind).validate_python for kind in (float, int, bool)}


def reader(parameter: Parameter) -> Callable[[Any], Any]:
    """Reads a value as mergekit does ('1e-5' is a number); raises `ValueError`."""
    return _readers[parameter.kind]


def settings_in(view: View) -> list[tuple[str, str, MethodSetting]]:
    """(name, model or '', setting) of everything set anywhere."""
    scopes = [(source.model, source.parameters) for segment in view.segments for source in segment.inputs]
    scopes += [("", scope) for segment in view.segments for scope in segment.scopes]
    return [(name, model, setting) for model, scope in scopes for name, setting in (scope or {}).items()]


def filter_texts(setting: MethodSetting) -> list[str]:
    """The filters of a setting, but for '*', which means every tensor."""
    entries = setting if isinstance(setting, list) else [setting]
    return [entry.filter for entry in entries if isinstance(entry, Filtered) and entry.filter not in (None, "*")]


def uses(view: View, parameter: Parameter) -> Iterable[tuple[Segment, Input | None, str, float]]:
    """(segment, model, tensor, position in the layers) of every use; one a layer where filters tell none apart."""
    scoped = [setting for name, _, setting in settings_in(view) if name == parameter.name]
    filtered = not view.recipe.modules and any(filter_texts(setting) for setting in scoped)
    for segment in view.segments:
        for source in segment.inputs if parameter.scope != "shared" else [None]:
            if source and parameter.scope == "non_base" and view.same(source.model, segment.base):
                continue
            layout = source or segment.inputs[0]
            for tensor, position in _positions(view, segment, layout) if filtered else _plain_positions(segment):
                yield segment, source, tensor, position


def _plain_positions(segment: Segment) -> list[tuple[str, float]]:
    return [("", 0.0), *(("", segment.position(offset)) for offset in range(min(segment.length, MOST_LAYERS)))]


def _positions(view: View, segment: Segment, source: Input) -> list[tuple[str, float]]:
    facts = view.models.get(source.model)
    positions = []
    for name in facts.shapes if facts else ():
        layer = layer_of(name)
        if layer is None or source.first <= layer < source.last:
            positions.append((name, 0.0 if layer is None else segment.position(layer - source.first)))
    return positions


def values_by_position(view: View, info: MethodInfo, name: str) -> dict[tuple[SettingPath, str, str, float], Any]:
    """Values by (segment, model, tensor, position); the default where none is given."""
    parameter = info.parameter(name)
    values = {}
    for segment, source, tensor, position in uses(view, parameter) if parameter else ():
        scopes = segment.settings(source.model if source else None)
        try:
            value = lookup(name, scopes, tensor, position, reader(parameter))  # type: ignore[arg-type]
        except ValueError:
            continue
        key = segment.path, source.model if source else "", tensor, position
        values[key] = parameter.default if value is None else value  # type: ignore[union-attr]
    return values
