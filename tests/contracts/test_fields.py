"""One description of a setting: page, command line and JSON Schema say the same of every setting of every spec."""

import functools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from tabs.data.export import Wanted
from tabs.forms.fields import fields_of
from tabs.merge.ensembles import NewEnsemble
from tabs.merge.panels import Mixture
from workbench.cli.shared import families
from workbench.cli.spec_settings import help_of, settings_of
from workbench.core.described import DescribedField, DescribedSpec, describe, value_words
from workbench.core.registry import Method
from workbench.core.spec import Spec
from workbench.inference.decoding import Decoding

SPECS: list[type[Spec]] = [method for registry in families().values() for method in registry]
SPECS += [Decoding, Wanted, NewEnsemble, Mixture]
KEYS = {Ge: "minimum", Gt: "exclusiveMinimum", Le: "maximum", Lt: "exclusiveMaximum"}
CONTROLS = {
    "flag", "number", "choice", "text", "ticks", "lines", "numbers", "pairs", "weights", "yaml", "data", "method",
    "group", "one", "several", "shares",
}  # fmt: skip
every_spec = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.__module__}.{spec.__name__}")

Path = tuple[str, ...]


def leaves(fields: Any, path: Path = ()) -> Iterator[tuple[Path, DescribedField]]:
    """Every setting by its path, those of methods under the method's name."""
    for field in fields:
        yield (*path, field.name), field
        for method in field.methods:
            yield from leaves(method.fields, (*path, field.name, method.method))
        yield from leaves(field.fields, (*path, field.name))


def controls(fields: list[dict[str, Any]], path: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every setting that the browser draws, by the same paths."""
    for field in fields:
        yield (*path, field["name"]), field
        for method in field.get("methods", ()):
            yield from controls(method["fields"], (*path, field["name"], method["method"]))
        yield from controls(field.get("fields", []), (*path, field["name"]))


def properties(schema: dict[str, Any]) -> dict[str, Any]:
    """The settings as the JSON Schema of their spec has them."""
    return {name: part for name, part in schema["properties"].items() if name != "method"}


@functools.cache
def described(spec: type[Spec]) -> DescribedSpec:
    return describe(spec)


@every_spec
def test_every_setting_says_in_the_fields_own_words_what_it_is(spec: type[Spec]) -> None:
    for name, info in spec.model_fields.items():
        assert info.title and info.title[0] == info.title[0].upper(), f"{name} has no title"
        assert (info.description or "").endswith(".") and "_" not in info.title, name
    for path, field in leaves(described(spec).fields):
        assert not field.unit or field.unit not in field.label.lower(), f"{path} says its unit twice"


@every_spec
def test_what_is_said_of_choices_and_conditions_is_of_settings_there_are(spec: type[Spec]) -> None:
    fields = {field.name: field for field in described(spec).fields}
    for field in fields.values():
        assert set(field.labels) <= set(map(str, field.choices)), field.name
        assert not (field.advanced and field.required), f"{field.name} has to be set, and is folded away"
        for name, accepted in field.shown_if.items():
            values = accepted if isinstance(accepted, list) else [accepted]
            assert set(values) <= {*fields[name].choices, *([True, False] if fields[name].type == "boolean" else [])}


@every_spec
def test_the_schema_says_what_the_spec_declares(spec: type[Spec]) -> None:
    schema = spec.model_json_schema()
    assert json.loads(json.dumps(schema)) == schema
    settings = properties(schema)
    assert list(settings) == [info.alias or name for name, info in spec.model_fields.items()]
    for position, (name, info) in enumerate(spec.model_fields.items()):
        setting = settings[info.alias or name]
        assert setting["title"] == (info.title or name.strip("_").replace("_", " ").capitalize())
        assert setting.get("description", "") == (info.description or "")
        assert (name in schema.get("required", ())) == info.is_required() and setting["x-order"] == position
    if issubclass(spec, Method):
        assert schema["properties"]["method"] == {"const": spec.method} and schema["title"] == spec.title


@every_spec
def test_bounds_and_defaults_are_those_of_the_spec(spec: type[Spec]) -> None:
    for field, info in zip(described(spec).fields, spec.model_fields.values(), strict=True):
        assert field.bounds == bounds(info), field.name
        if not (info.is_required() or field.methods or field.fields or field.document):
            assert field.default == json.loads(json.dumps(info.get_default(call_default_factory=True))), field.name


def bounds(info: FieldInfo) -> dict[str, float]:
    return {
        KEYS[type(mark)]: getattr(mark, type(mark).__name__.lower()) for mark in info.metadata if type(mark) in KEYS
    }


@every_spec
def test_the_page_draws_what_the_schema_says(spec: type[Spec]) -> None:
    told, shown = dict(leaves(described(spec).fields)), dict(controls(fields_of(spec)))
    within = [path for path, field in told.items() if field.document or field.control == "hidden"]
    unseen = {path for path in told for above in within if path[: len(above)] == above and not told[path].document}
    assert set(shown) == set(told) - unseen
    for path, drawn in shown.items():
        field = told[path]
        assert drawn["kind"] in CONTROLS
        assert (drawn["label"], drawn["help"]) == (field.full_label, field.help)
        assert (drawn["required"], drawn["advanced"], drawn["group"]) == (field.required, field.advanced, field.group)
        assert (drawn["labels"], drawn["shown_if"], drawn["limit"]) == (field.labels, field.shown_if, field.limit)
        if drawn["kind"] != "yaml":
            assert drawn["default"] == field.default
        if drawn["kind"] in ("choice", "ticks"):
            assert tuple(drawn["choices"]) == (field.choices or field.item.choices)  # type: ignore[union-attr]
        if drawn["kind"] == "number":
            low, high = (
                ("exclusiveMinimum", "minimum")[not drawn["above"]],
                ("exclusiveMaximum", "maximum")[not drawn["below"]],
            )
            assert {low: drawn["low"], high: drawn["high"]} == field.bounds
            assert drawn["whole"] == (field.type == "integer")


@every_spec
def test_the_options_say_what_the_schema_says(spec: type[Spec]) -> None:
    options = {setting.path: setting for setting in settings_of(spec)}
    for path, field in leaves(described(spec).fields):
        option = options.get(path)
        if option is None:  # of one of several methods
            continue
        assert help_of(field) in option.help
        assert field.full_label in option.help and field.help in option.help
        for value in field.bounds.values():
            assert value_words(value) in option.help
        if field.choices:
            assert set(map(str, field.choices)) <= set(option.choices)
        if field.default_words:
            assert f"default {field.default_words}" in option.help


@every_spec
def test_every_setting_of_a_method_is_an_option(spec: type[Spec]) -> None:
    options = {setting.path: setting for setting in settings_of(spec)}
    for field in described(spec).fields:
        for method in field.methods:
            for inner in method.fields:
                option = options[field.name, inner.name]
                assert method.method in option.methods and help_of(inner) in option.help
