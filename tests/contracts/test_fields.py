"""One description of a setting: page, command line and JSON Schema say the same of every setting of every spec."""

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
from workbench.core.described import DescribedField, described, value_words
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
    documents = [path for path, field in told.items() if field.document]
    assert set(shown) == {path for path in told if not any(path[: len(above)] == above != path for above in documents)}
    for path, drawn in shown.items():
        field = told[path]
        assert drawn["kind"] in CONTROLS
        assert (drawn["label"], drawn["help"]) == (field.full_label, field.help)
        assert drawn["required"] == field.required
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
