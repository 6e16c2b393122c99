"""Spec: a frozen, strict configuration that reads and writes YAML and reports all its errors together."""

import contextlib
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, ValidationError
from pydantic_core import CoreSchema, to_jsonable_python

from workbench.core.errors import NestedSpecError, Problem, SettingPath, SpecError, suggestion
from workbench.core.limits import MOST_LEVELS, SETTINGS_BYTES, too_deep

MOST_NODES = 20_000
QUICK_CHARACTERS = 16_000
# What PyYAML raises for odd values: impossible dates ValueError, `!!bool x` KeyError, `!!timestamp x` AttributeError.
NOT_YAML = (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError)


class Spec(BaseModel):
    """Base of every configuration.

    Its JSON Schema is what page, command line and docs are made from: `title` is a setting's label, `description` its
    help, `x-order` its position, and the other keys `x-…` are those of `Display`, references and families of methods.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        written = handler(schema)
        settings = handler.resolve_ref_schema(written).get("properties", {})
        for order, (name, info) in enumerate(cls.model_fields.items()):
            setting = settings[info.alias or name]
            setting |= {"title": info.title or name.strip("_").replace("_", " ").capitalize(), "x-order": order}
            if info.description:  # left out where it is the sentence of the spec that the setting holds, too
                setting["description"] = info.description
            if info.default_factory:
                setting["default"] = to_jsonable_python(info.get_default(call_default_factory=True))
        return written

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, ready for YAML."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        return dump_yaml(self.to_dict())

    @classmethod
    def parse(cls, data: Any) -> Self:
        """The spec made from plain data; raises `SpecError` naming every wrong field."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise SpecError(problems_of(error, cls)) from None


def dump_yaml(data: Any) -> str:
    """Plain data as YAML, keys in their own order."""
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)


def load_yaml(text: str, aliases: bool = False) -> Any:
    """Parses one YAML document; raises `SpecError` with line and column when it is not YAML, or is over 2 MB.

    With `aliases` they may be used as long as the whole stays small written out.
    """
    if len(text) > SETTINGS_BYTES:
        raise SpecError([Problem((), "The YAML is longer than 2 MB.", "Put what is long into a file of its own.")])
    try:
        data = _loaded(text, aliases)
    except RecursionError:
        raise _too_deep() from None
    except NOT_YAML as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        reason = getattr(error, "problem", None) or str(error)
        remedy = "Leave one of them out." if "given twice" in reason else "Check indentation and colons."
        raise SpecError([Problem((), f"{where}not valid YAML: {reason}.", remedy)]) from None
    if too_deep(data):
        raise _too_deep()
    return data


def _too_deep() -> SpecError:
    return SpecError([Problem((), f"The YAML is nested more than {MOST_LEVELS} deep.", "Flatten it.")])


def _loaded(text: str, aliases: bool) -> Any:
    """What the text says. Short texts without aliases, which are most, are read by libyaml, eight times as fast; it has
    no bound on nesting but theirs, and what it refuses is read again for a message that says more."""
    if QUICK and len(text) <= QUICK_CHARACTERS and "*" not in text:
        with contextlib.suppress(yaml.YAMLError, ValueError):
            return yaml.load(text, Loader=QUICK)  # noqa: S506 -- a safe loader
    return yaml.load(text, Loader=_FewAliases if aliases else _NoAliases)  # noqa: S506 -- safe loaders


class _UniqueKeys:
    """Refuses a key that stands twice in one mapping; of two values YAML would take the last without a word."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        names: set[tuple[str, str]] = set()
        for key, _ in pairs:
            name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else None
            if name in names:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is given twice", key.start_mark)
            if name:
                names.add(name)
        return super().construct_mapping(node, deep)  # type: ignore[misc]


QUICK: Any = None
if _C := getattr(yaml, "CSafeLoader", None):  # not in every build of PyYAML
    QUICK = type("_Quick", (_UniqueKeys, _C), {})


class _NoAliases(_UniqueKeys, yaml.SafeLoader):
    """Refuses aliases: no configuration here needs them, and nested ones make a 'YAML bomb'."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"aliases (*{self.current_event.anchor}) are not allowed")
        return super().compose_node(parent, index)


class _FewAliases(_UniqueKeys, yaml.SafeLoader):
    """Allows aliases in documents of at most `MOST_NODES` nodes when every alias is written out."""

    def get_single_node(self) -> Any:
        node = super().get_single_node()
        if _written_out(node, {}) > MOST_NODES:
            raise yaml.YAMLError(f"its aliases unfold to more than {MOST_NODES} values")
        return node


def _written_out(node: Any, counted: dict[int, int]) -> int:
    """Nodes under a node when every alias is written out; one that contains itself counts as endless."""
    if id(node) in counted:
        return counted[id(node)]
    counted[id(node)] = MOST_NODES + 1  # until it is counted: an alias to it from within is a cycle
    inner = node.value if isinstance(node, yaml.CollectionNode) else []
    parts = [child for item in inner for child in (item if isinstance(item, tuple) else (item,))]
    counted[id(node)] = 1 + sum(_written_out(child, counted) for child in parts)
    return counted[id(node)]


def problems_of(error: ValidationError, spec: type[BaseModel]) -> list[Problem]:
    """pydantic's findings as problems; an unknown field gets a 'did you mean'."""
    problems = []
    for detail in error.errors(include_url=False):
        path = detail["loc"]
        if detail["type"] == "extra_forbidden":
            remedy = suggestion(str(path[-1]), _known(spec, path[:-1]))
            problems.append(Problem(path, "there is no such setting.", remedy))
        elif detail["type"] == "missing":
            problems.append(Problem(path, "is missing.", _help(spec, path)))
        else:
            problems.extend(_nested(detail) or [Problem(path, _sentence(detail))])
    return problems


def _known(spec: Any, path: SettingPath) -> list[str]:
    """The settings of the spec that `path` leads to; none where it leads to something else."""
    for step in path:
        field = getattr(spec, "model_fields", {}).get(step)
        spec = field.annotation if field else None
    return list(getattr(spec, "model_fields", {}))


def _nested(detail: Any) -> list[Problem]:
    """A `SpecError` raised inside a validator of a method field keeps its own problems."""
    inner = detail.get("ctx", {}).get("error")
    if not isinstance(inner, NestedSpecError):
        return []
    path = detail["loc"]  # a setting's validator may name the setting itself
    return [problem if problem.path == path else problem.below(path) for problem in inner.problems]


def _sentence(detail: Any) -> str:
    text: str = detail["msg"].removeprefix("Value error, ")
    value = detail.get("input")
    short = f" (given: {value!r})" if isinstance(value, str | int | float | bool) and len(repr(value)) < 60 else ""
    return text.rstrip(".") + short + "."


def _help(spec: type[BaseModel], path: SettingPath) -> str:
    field = spec.model_fields.get(str(path[0])) if path else None
    return f"It says: {field.description}" if field and field.description else ""
