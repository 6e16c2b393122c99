"""The settings of a spec as its JSON Schema tells them: the one reading that page, command line and docs share."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from workbench.core.display import Display
from workbench.core.spec import Spec

Schema = Mapping[str, Any]
BOUNDS = {"minimum": "from", "exclusiveMinimum": "over", "maximum": "to", "exclusiveMaximum": "under"}
"""The schema's keys and the words for them."""
DISPLAY = {each.name for each in fields(Display)} | {"ref", "scope"}
"""What is read of the keys `x-…`."""


@dataclass(frozen=True)
class DescribedField:
    """A setting. What stands under `x-…` in its schema is in `Display`, by the same names.

    type: the JSON type of its values but null, '' for any; choices: the values there are, if only these are taken;
    default: plain data, None where it must be set; bounds: by the schema's keys; item: what a list holds, or a mapping
    as its values; family: the key of the registry it, or each of its items, is a method of, with the methods;
    fields: those of a spec it holds; document: whether it is a text of its own, written as YAML.
    """

    name: str
    label: str
    help: str
    type: str = ""
    choices: tuple[Any, ...] = ()
    default: Any = None
    required: bool = False
    optional: bool = False
    bounds: Mapping[str, float] = field(default_factory=dict)
    item: "DescribedField | None" = None
    family: str = ""
    methods: "tuple[DescribedSpec, ...]" = ()
    fields: "tuple[DescribedField, ...]" = ()
    document: bool = False
    unit: str = ""
    group: str = ""
    advanced: bool = False
    shown_if: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[Any, str] = field(default_factory=dict)
    limit: str = ""
    control: str = ""
    ref: Mapping[str, Any] = field(default_factory=dict)
    scope: str = ""

    @property
    def full_label(self) -> str:
        """With the unit, which stands only where the label does not say it."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def bounds_words(self) -> str:
        """'from 1 to 512', '' for what has no bounds."""
        return " ".join(f"{word} {value_words(self.bounds[key])}" for key, word in BOUNDS.items() if key in self.bounds)

    @property
    def default_words(self) -> str:
        """What it is when nobody sets it; '' for nothing, and for what has settings of its own."""
        if self.methods:
            return "" if self.required else self.usual_method
        if isinstance(self.default, list):
            return ", ".join(map(value_words, self.default))
        return "" if isinstance(self.default, Mapping) else value_words(self.default)

    @property
    def condition_words(self) -> str:
        """Beside which other settings it has an effect: 'with weighting ema', '' for any."""
        accepted = {name: value if isinstance(value, list) else [value] for name, value in self.shown_if.items()}
        named = (f"{name} {' or '.join(map(value_words, values))}" for name, values in accepted.items())
        return f"with {' and '.join(named)}" if accepted else ""

    @property
    def usual_method(self) -> str:
        """The method that is taken when none is chosen."""
        usual = self.default.get("method") if isinstance(self.default, Mapping) else self.default
        return str(usual or self.methods[0].method)


@dataclass(frozen=True)
class DescribedSpec:
    """A spec, or a method of a family: its id, title, help and settings, in their order."""

    method: str
    title: str
    help: str
    fields: tuple[DescribedField, ...]

    @property
    def summary(self) -> str:
        """The first line of the help."""
        return self.help.strip().split("\n")[0]

    def field(self, name: str) -> DescribedField:
        """The setting of that name; raises `KeyError`."""
        return {each.name: each for each in self.fields}[name]


def value_words(value: Any) -> str:
    """A plain value as it is written on the command line."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


def describe(spec: type[Spec]) -> DescribedSpec:
    """The spec as its JSON Schema describes it."""
    schema = spec.model_json_schema()
    return _Reader(schema.get("$defs", {})).spec(schema)


class _Reader:
    """Reads schemas that refer to these definitions."""

    def __init__(self, definitions: Mapping[str, Schema]):
        self.definitions = definitions

    def resolved(self, schema: Schema) -> Schema:
        """The schema with what it refers to, under what it says itself."""
        reference = schema.get("$ref")
        return {**self.definitions[reference.rpartition("/")[2]], **schema} if reference else schema

    def spec(self, schema: Schema, usual: Mapping[str, Any] | None = None) -> DescribedSpec:
        """usual: what its settings are where it stands, if that is not their own default."""
        schema = self.resolved(schema)
        properties = dict(schema.get("properties", {}))
        method = str(properties.pop("method", {}).get("const", ""))
        required = set(schema.get("required", ()))
        fields = [self.field(name, part, name in required) for name, part in properties.items()]
        if usual:
            fields = [_with_default(each, usual[each.name]) if each.name in usual else each for each in fields]
        fields.sort(key=lambda each: properties[each.name].get("x-order", 0))
        return DescribedSpec(method, schema.get("title", ""), schema.get("description", ""), tuple(fields))

    def field(self, name: str, schema: Schema, required: bool = False) -> DescribedField:
        """A property of a spec, or what a list holds."""
        value, optional = self._value(schema)
        family = value.get("x-family", "")
        choices = value.get("enum") or ([value["const"]] if "const" in value else [])
        item = value.get("items") or value.get("additionalProperties")
        keys = {key.removeprefix("x-").replace("-", "_"): part for key, part in {**value, **schema}.items()}
        default = schema.get("default")
        return DescribedField(
            name, schema.get("title", ""), schema.get("description", ""), value.get("type", ""), tuple(choices),
            default, required, optional, {key: value[key] for key in BOUNDS if key in value},
            self.field("", item) if isinstance(item, Mapping) and "properties" not in value else None, family,
            self._methods(value, default) if family else (), self._fields(value, default),
            bool(value.get("x-document")), **{key: part for key, part in keys.items() if key in DISPLAY},
        )  # fmt: skip

    def _value(self, schema: Schema) -> tuple[Schema, bool]:
        """The schema of the values but null, and whether null is one."""
        schema = self.resolved(schema)
        if "x-family" in schema or "anyOf" not in schema:
            return schema, False
        parts = [part for part in schema["anyOf"] if part.get("type") != "null"]
        optional = len(parts) < len(schema["anyOf"])
        if len(parts) != 1:
            return {}, optional
        return self._value(parts[0])[0], optional

    def _methods(self, schema: Schema, default: Any) -> tuple[DescribedSpec, ...]:
        methods = [self.spec(part) for part in schema.get("anyOf", ()) if "enum" not in part]
        usual = default if isinstance(default, Mapping) else {}
        return tuple(
            replace(each, fields=tuple(_with_default(part, usual.get(part.name, part.default)) for part in each.fields))
            if usual.get("method") == each.method else each
            for each in methods
        )  # fmt: skip

    def _fields(self, schema: Schema, default: Any) -> tuple[DescribedField, ...]:
        if "properties" not in schema:
            return ()
        return self.spec(schema, default if isinstance(default, Mapping) else None).fields


def _with_default(field: DescribedField, default: Any) -> DescribedField:
    """The setting where it has another default than its own; one that has one need not be set."""
    inner = default if isinstance(default, Mapping) else {}
    fields = tuple(_with_default(each, inner.get(each.name, each.default)) for each in field.fields)
    return replace(field, default=default, fields=fields)
