"""Settings as the browser draws them: every field of a spec with its kind of control, choices, bounds and default."""

import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from workbench.core.registry import Method, Registry
from workbench.core.spec import Spec, dump_yaml
from workbench.core.yaml_spec import YamlSpec

AS_JSON = ("texts",)
"""Lists whose texts may have several lines, which a line each would part."""


def fields_of(spec: type[Spec], settings: Any = None) -> list[dict[str, Any]]:
    """All settings of a spec; `given` is an instance whose values are what is usual here, not the spec's defaults."""
    return [field(name, info, given=settings) for name, info in spec.model_fields.items()]


def field(name: str, info: FieldInfo, lists: Mapping[str, str] | None = None, given: Any = None) -> dict[str, Any]:
    """One setting: its kind of control, choices, bounds and default; those of methods and nested specs with theirs.

    `lists` names the list a field is chosen from, with '*' for several of it; `given` is as in `fields_of`.
    """
    low, high = bounds(info)
    bare = bare_type(info.annotation)
    kind, choices = kind_of(name, info.annotation)
    found = {
        "name": name, "label": name.replace("_", " ").capitalize(), "help": info.description or "", "kind": kind,
        "choices": choices, "low": low, "high": high, "whole": bare is int,
        "above": any(isinstance(part, Gt) for part in info.metadata),
        "below": any(isinstance(part, Lt) for part in info.metadata),
        "many": typing.get_origin(bare) in (list, tuple), "default": default_of(name, info, given),
        "required": info.is_required(), "optional": bare is not info.annotation,
    }  # fmt: skip
    registry = registry_of(info)
    if lists and name in lists:
        return {**found, "kind": "several" if lists[name].endswith("*") else "one", "list": lists[name].rstrip("*")}
    if registry:
        return {**found, "kind": "method", "methods": methods_of(registry, found["default"])}
    if nested := nested_of(info):
        return {**found, "kind": "group", "fields": fields_of(nested, _value(name, info, given))}
    return found


def methods_of(registry: Registry[Any], usual: Any) -> list[dict[str, Any]]:
    """The methods of a family with their settings; those of the usual one as that sets them."""
    return [
        {
            "method": method.method, "title": method.title, "summary": method.summary(),
            "unavailable": method.unavailable(), "fields": fields_of(method, _usual(method, usual)),
        }
        for method in registry
    ]  # fmt: skip


def _usual(method: type[Method], usual: Any) -> Any:
    if not isinstance(usual, dict) or usual.get("method") != method.method:
        return None
    return method.parse({name: value for name, value in usual.items() if name != "method"})


def default_of(name: str, info: FieldInfo, default: Any = None) -> Any:
    """What a setting is when nobody sets it, as plain data; None where it must be set."""
    value = _value(name, info, default)
    if isinstance(value, Spec):
        return value.to_dict()
    if kind_of(name, info.annotation)[0] == "yaml":
        return dump_yaml(value) if value else ""
    return value


def _value(name: str, info: FieldInfo, given: Any) -> Any:
    if given is not None:
        return getattr(given, name)
    return None if info.is_required() else info.get_default(call_default_factory=True)


def registry_of(info: FieldInfo) -> Registry[Any] | None:
    """The family a field holds one method of."""
    return next((metadata for metadata in info.metadata if isinstance(metadata, Registry)), None)


def nested_of(info: FieldInfo) -> type[Spec] | None:
    """The spec a field holds."""
    kind = info.annotation
    return (
        kind if isinstance(kind, type) and issubclass(kind, Spec) and not issubclass(kind, Method | YamlSpec) else None
    )


def kind_of(name: str, annotation: Any) -> tuple[str, list[Any]]:
    """The control of a type, and its choices: flag, number, choice, text, ticks, lines, numbers, pairs (of texts),
    weights (numbers by name), yaml (a document, or a mapping of anything) or data (JSON)."""
    kind = bare_type(annotation)
    if isinstance(kind, type) and issubclass(kind, YamlSpec):
        return "yaml", []
    simple = {bool: "flag", int: "number", float: "number", str: "text"}
    if typing.get_origin(kind) is Literal:
        return "choice", list(typing.get_args(kind))
    if typing.get_origin(kind) in (list, tuple):
        return _many(name, bare_type(typing.get_args(kind)[0]))
    if typing.get_origin(kind) is dict and typing.get_args(kind)[0] is str:
        of = {str: "pairs", float: "weights", int: "weights", Any: "yaml"}
        return of.get(bare_type(typing.get_args(kind)[1]), "data"), []
    return simple.get(kind, "data"), []


def _many(name: str, inner: Any) -> tuple[str, list[Any]]:
    """The control of a list."""
    if typing.get_origin(inner) is Literal:
        return "ticks", list(typing.get_args(inner))
    of = {str: "data" if name in AS_JSON else "lines", int: "numbers", float: "numbers"}
    return of.get(inner, "data"), []


def bare_type(annotation: Any) -> Any:
    """X for X | None and for Annotated[X, …]."""
    if typing.get_origin(annotation) is typing.Annotated:
        return bare_type(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        kept = [one for one in typing.get_args(annotation) if one is not type(None)]
        return bare_type(kept[0]) if len(kept) == 1 else annotation
    return annotation


def bounds(info: FieldInfo) -> tuple[Any, Any]:
    """The inclusive bounds a number's control can enforce; exclusive ones are left to the spec's own check."""
    low: Any = next((constraint.ge for constraint in info.metadata if isinstance(constraint, Ge)), None)
    high: Any = next((constraint.le for constraint in info.metadata if isinstance(constraint, Le)), None)
    if low is None and any(isinstance(constraint, Gt) for constraint in info.metadata):
        low = 0
    if high is None:
        high = next((constraint.lt for constraint in info.metadata if isinstance(constraint, Lt)), None)
    return low, high
