"""The settings of a spec one by one, as options name them: nested ones by their path, and those of every method."""

import types
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from workbench.core.registry import Registry
from workbench.core.spec import Spec

Kind = Literal["text", "number", "flag", "texts", "choice", "method", "methods", "yaml"]
SIGNS = {Gt: "over {}", Ge: "from {}", Lt: "under {}", Le: "to {}"}
TEXTS = {"text", "number", "choice"}
SCALARS: dict[Any, Kind] = {str: "text", int: "number", float: "number", bool: "flag"}


@dataclass(frozen=True)
class Setting:
    """Where a value goes, what it is, and what is said of it.

    family: the path of the method it is a setting of, () for those of no method; methods: those that have it.
    """

    path: tuple[str, ...]
    kind: Kind
    help: str
    choices: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Its path as a Python name."""
        return "__".join(self.path)


def settings_of(spec: type[Spec]) -> list[Setting]:
    """Every setting of the spec once; what several methods call alike stands for the setting of each of them."""
    alike: dict[tuple[str, ...], list[Setting]] = {}
    for setting in _walk(spec, Setting((), "yaml", ""), frozenset()):
        alike.setdefault(setting.path, []).append(setting)
    families = {path: len(settings[0].choices) for path, settings in alike.items()}
    return [_merged(settings, families) for settings in alike.values()]


def _merged(alike: list[Setting], families: dict[tuple[str, ...], int]) -> Setting:
    """One setting for those of several methods; where they take different things it takes text, or YAML.

    Its help says whose it is, unless it is the same for all methods of the family.
    """
    first, methods = alike[0], tuple(method for setting in alike for method in setting.methods)
    kinds = {setting.kind for setting in alike}
    kind: Kind = first.kind if len(kinds) == 1 else "text" if kinds <= TEXTS else "yaml"
    choices = tuple(dict.fromkeys(choice for setting in alike for choice in setting.choices)) if len(kinds) == 1 else ()
    owners: dict[str, list[str]] = {}
    for setting in alike:
        owners.setdefault(setting.help, []).extend(setting.methods)
    everywhere = not first.family or (len(owners) == 1 and len(methods) == families[first.family])
    help_ = first.help if everywhere else " ".join(f"{', '.join(names)}: {text}" for text, names in owners.items())
    return replace(first, kind=kind, help=help_, choices=choices, methods=methods)


def _walk(spec: type[Spec], above: Setting, families: frozenset[str]) -> Iterator[Setting]:
    """The settings of a spec below `above`, whose family and methods they have; a family within itself is YAML."""
    for name, info in spec.model_fields.items():
        setting = replace(above, path=(*above.path, info.alias or name), help=_help(info), choices=())
        registry, type_ = _registry(info), _bare(info.annotation)
        if registry and get_origin(type_) is list:
            yield replace(setting, kind="methods", help=f"{setting.help} Names, or {{method: …, its settings}}.")
        elif registry and registry.key not in families:
            yield replace(setting, kind="method", choices=tuple(registry.all()))
            for method in registry:
                below = replace(setting, family=setting.path, methods=(method.method,))
                yield from _walk(method, below, families | {registry.key})
        elif not registry and isinstance(type_, type) and issubclass(type_, Spec) and type_.model_fields:
            yield replace(setting, kind="yaml", help=f"{setting.help} All of its settings at once.")
            yield from _walk(type_, setting, families)
        else:
            kind, choices = _kind(type_)
            yield replace(setting, kind=kind, choices=choices)


def _registry(info: FieldInfo) -> Registry[Any] | None:
    """The family whose method, or methods, a field holds."""
    return next(_registries([*info.metadata, info.annotation]), None)


def _registries(marks: Any) -> Iterator[Registry[Any]]:
    for mark in marks:
        if isinstance(mark, Registry):
            yield mark
        elif get_origin(mark) is Annotated:
            yield from _registries([*mark.__metadata__, mark.__origin__])
        else:
            yield from _registries(get_args(mark))


def _bare(annotation: Any) -> Any:
    """A type without what is noted on it, and without None."""
    if get_origin(annotation) is Annotated:
        return _bare(annotation.__origin__)
    if get_origin(annotation) in (Union, types.UnionType):
        others = [part for part in get_args(annotation) if part is not type(None)]
        return _bare(others[0]) if len(others) == 1 else annotation
    return annotation


def _kind(type_: Any) -> tuple[Kind, tuple[str, ...]]:
    if get_origin(type_) is Literal:
        return "choice", tuple(str(value) for value in get_args(type_))
    if get_origin(type_) is list and _bare(get_args(type_)[0]) in (str, int, float):
        return "texts", ()
    return SCALARS.get(type_, "yaml"), ()


def _help(info: FieldInfo) -> str:
    """The field's own sentence, its bounds, and what it is without being given."""
    bounds = " ".join(sign.format(_bound(mark)) for mark in info.metadata if (sign := SIGNS.get(type(mark), "")))
    default = info.default.get("method") if isinstance(info.default, dict) else info.default
    usual = "required" if info.is_required() else f"default {default}" if isinstance(default, str | int | float) else ""
    notes = ", ".join(filter(None, (bounds, "" if usual == "default " else usual)))
    return f"{info.description or ''} [{notes}]".strip() if notes else info.description or ""


def _bound(mark: Any) -> Any:
    return next(getattr(mark, name) for name in ("gt", "ge", "lt", "le") if hasattr(mark, name))
