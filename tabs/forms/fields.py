"""Settings as the browser draws them: what the schema of a spec says of each, with the control that is drawn for it."""

from collections.abc import Mapping
from typing import Any

from workbench.core.described import DescribedField, DescribedSpec, described
from workbench.core.registry import Registry
from workbench.core.spec import Spec, dump_yaml

SIMPLE = {"boolean": "flag", "integer": "number", "number": "number", "string": "text"}
OF_ITEMS = {"string": "lines", "integer": "numbers", "number": "numbers"}
OF_VALUES = {"string": "pairs", "integer": "weights", "number": "weights"}


def fields_of(spec: type[Spec]) -> list[dict[str, Any]]:
    """All settings of a spec."""
    return [drawn(field) for field in described(spec).fields]


def drawn(field: DescribedField, lists: Mapping[str, str] | None = None) -> dict[str, Any]:
    """One setting: its kind of control, choices, bounds and default; those of methods and nested specs with theirs.

    `lists` names the list a field is chosen from, with '*' for several of it.
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
        "required": field.required, "optional": field.optional,
    }  # fmt: skip
    if lists and field.name in lists:
        name = lists[field.name]
        return {**control, "kind": "several" if name.endswith("*") else "one", "list": name.rstrip("*")}
    if kind == "method":
        return {**control, "methods": [method_drawn(field.family, method) for method in field.methods]}
    return {**control, "fields": [drawn(each) for each in field.fields]} if kind == "group" else control


def method_drawn(family: str, method: DescribedSpec) -> dict[str, Any]:
    """A method of a family with its settings, and why it cannot run on this machine."""
    return {
        "method": method.method, "title": method.title, "summary": method.summary,
        "unavailable": Registry.by_key()[family].get(method.method).unavailable(),
        "fields": [drawn(field) for field in method.fields],
    }  # fmt: skip


def control_of(field: DescribedField) -> str:
    """The control: method, group, flag, number, choice, text, ticks, lines, numbers, pairs (of texts), weights (numbers
    by name), yaml (a document, or a mapping of anything) or data (JSON)."""
    if field.methods or field.choices:
        return "method" if field.methods else "choice"
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
