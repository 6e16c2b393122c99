"""Settings as the browser draws them: what the schema of a spec says of each, with the control that is drawn for it."""

from collections.abc import Iterable, Mapping
from typing import Any

from workbench.core.described import DescribedField, DescribedSpec, describe
from workbench.core.registry import Registry
from workbench.core.spec import Spec, dump_yaml

SIMPLE = {"boolean": "flag", "integer": "number", "number": "number", "string": "text"}
OF_ITEMS = {"string": "lines", "integer": "numbers", "number": "numbers"}
REFERRING = {"array": "several", "object": "shares"}
OF_VALUES = {"string": "pairs", "integer": "weights", "number": "weights"}


def fields_of(spec: type[Spec]) -> list[dict[str, Any]]:
    """All settings of a spec that a form sets."""
    return _all_drawn(describe(spec).fields)


def _all_drawn(fields: Iterable[DescribedField]) -> list[dict[str, Any]]:
    return [drawn(field) for field in fields if field.control != "hidden"]


def drawn(field: DescribedField) -> dict[str, Any]:
    """One setting: its kind of control, choices, bounds and default; those of methods and nested specs with theirs.

    What names something tells the key of the list that it is chosen from.
    """
    kind, bounds = control_of(field), field.bounds
    default = dump_yaml(field.default) if kind == "yaml" and isinstance(field.default, dict) else field.default
    control = {
        "name": field.name, "label": field.full_label, "help": field.help, "kind": kind,
        "choices": list(field.item.choices if kind == "ticks" and field.item else field.choices),
        "low": bounds.get("minimum", bounds.get("exclusiveMinimum")),
        "high": bounds.get("maximum", bounds.get("exclusiveMaximum")),
        "above": "exclusiveMinimum" in bounds, "below": "exclusiveMaximum" in bounds, "whole": field.type == "integer",
        "many": field.type == "array", "default": default or "" if kind == "yaml" else default,
        "required": field.required, "optional": field.optional, "advanced": field.advanced, "group": field.group,
        "shown_if": field.shown_if, "labels": field.labels, "limit": field.limit,
        "long": field.control in ("text", "markdown"), "markdown": field.control == "markdown",
    }  # fmt: skip
    if field.ref:
        # a model can be written as no list has it: over another base, by its hub id
        writable = field.ref["shelf"] == "models"
        return {**control, "list": field.ref["key"], "accepted": field.ref["accepted"], "writable": writable}
    if kind == "method":
        return {**control, "methods": [method_drawn(field.family, method) for method in field.methods]}
    return {**control, "fields": _all_drawn(field.fields)} if kind == "group" else control


def refs_in(fields: Iterable[DescribedField]) -> dict[str, Mapping[str, Any]]:
    """What the settings can name, those of methods and nested specs too, by the key of the list each is chosen from."""
    refs: dict[str, Mapping[str, Any]] = {}
    for field in fields:
        if field.ref:
            refs[field.ref["key"]] = field.ref
        refs |= refs_in(field.fields)
        for method in field.methods:
            refs |= refs_in(method.fields)
    return refs


def method_drawn(family: str, method: DescribedSpec) -> dict[str, Any]:
    """A method of a family with its settings, and why it cannot run on this machine."""
    return {
        "method": method.method, "title": method.title, "summary": method.summary,
        "unavailable": Registry.by_key()[family].get(method.method).unavailable(),
        "fields": _all_drawn(method.fields),
    }  # fmt: skip


def control_of(field: DescribedField) -> str:
    """The control: method, group, flag, number, choice, text, ticks, lines, numbers, pairs (of texts), weights (numbers
    by name), yaml (a document, or a mapping of anything) or data (JSON); of what is chosen from a list one, several, or
    shares (numbers by what is chosen)."""
    if field.ref or field.methods or field.choices:
        chosen = REFERRING.get(field.type, "one") if field.ref else "choice"
        return "method" if field.methods else chosen
    if field.document or (field.type == "object" and not field.fields and not field.item):
        return "yaml"
    if field.fields:
        return "group"
    if field.type == "array" and field.item:
        lines = "data" if field.control == "lines" else OF_ITEMS.get(field.item.type, "data")
        return "ticks" if field.item.choices else lines
    if field.type == "object" and field.item:
        return OF_VALUES.get(field.item.type, "data")
    return SIMPLE.get(field.type, "data")
