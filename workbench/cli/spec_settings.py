"""The settings of a spec one by one, as options name them: nested ones by their path, and those of every method."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from workbench.core.described import DescribedField, describe
from workbench.core.spec import Spec

Kind = Literal["text", "document", "number", "flag", "texts", "choice", "method", "methods", "yaml"]
TEXTS = {"text", "number", "choice"}
SCALARS: dict[str, Kind] = {"string": "text", "integer": "number", "number": "number", "boolean": "flag"}


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
    for setting in _walk(describe(spec).fields, Setting((), "yaml", "")):
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


def _walk(fields: Iterable[DescribedField], above: Setting) -> Iterator[Setting]:
    """The settings below `above`, whose family and methods they have."""
    for field in fields:
        setting = replace(above, path=(*above.path, field.name), help=help_of(field), choices=())
        if field.item and field.item.family:
            yield replace(setting, kind="methods", help=f"{setting.help} Names, or {{method: …, its settings}}.")
        elif field.methods:
            yield replace(setting, kind="method", choices=tuple(method.method for method in field.methods))
            for method in field.methods:
                yield from _walk(method.fields, replace(setting, family=setting.path, methods=(method.method,)))
        elif field.fields:
            yield replace(setting, kind="yaml", help=f"{setting.help} All of its settings at once.")
            yield from _walk(field.fields, setting)
        else:
            yield replace(setting, kind=_kind(field), choices=tuple(map(str, field.choices)))


def _kind(field: DescribedField) -> Kind:
    if field.choices:
        return "choice"
    if field.control in ("text", "markdown"):
        return "document"
    if field.type == "array" and field.item and field.item.type in ("string", "integer", "number"):
        return "texts"
    return SCALARS.get(field.type, "yaml")


def help_of(field: DescribedField) -> str:
    """The field's label and its own sentence, what it can name, its bounds, and what it is without being given."""
    default = "required" if field.required else f"default {field.default_words}" if field.default_words else ""
    notes = ", ".join(filter(None, (field.ref.get("accepted"), field.bounds_words, default, field.condition_words)))
    text = f"{field.full_label}: {field.help}" if field.help else field.full_label
    return f"{text} [{notes}]" if notes else text
