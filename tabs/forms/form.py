"""Spec → form → Spec: one component made from the fields' types, bounds, defaults and sentences of help."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr
import orjson
from starlette.responses import Response

from tabs.forms.fields import control_of, drawn, refs_in
from tabs.shell.context import guarded, told_html
from tabs.shell.kit import Query, component
from tabs.shell.shelves import json_bytes, tag
from workbench.core.described import DescribedField, describe
from workbench.core.errors import Problem, SettingPath, UserError, problems_in
from workbench.core.spec import Spec, load_yaml

List = Callable[[], Sequence[Sequence[str]]]
"""What a field is chosen from: (label, value) or (label, value, tag), asked anew whenever something changed."""


class Form:
    """The settings of a spec. `input` goes into an event and comes out of one; its value holds what was set."""

    def __init__(self, spec: type[Spec], choices: Callable[[Mapping[str, Any]], List] | None = None, **options: Any):
        """Draws the form where it is constructed.

        choices: the list that a setting is chosen from which names something, by what its schema says of that.
        options: `more` the title of the fold that advanced settings lie in; `skip` the settings left out; `hidden`
        those the page sets, not the person; `first` those that take the first of their list by themselves; `without`
        {field: methods not offered}; `fits` {field of a method: (field of a list, {method: tags it is for})}; `path`
        where its spec stands in the one that is checked; `suggested` {setting, dots within: what its lines are offered
        from}; `elem_id`.
        """
        self.spec = spec
        self.path: SettingPath = options.get("path", ())
        self.skip: tuple[str, ...] = options.get("skip", ())
        hidden: tuple[str, ...] = options.get("hidden", ())
        self.settings = [
            field for field in describe(spec).fields if field.name not in self.skip and field.control != "hidden"
        ]
        by_name = {field.name: field for field in self.settings}
        made = {name: drawn(field) for name, field in by_name.items() if name not in hidden}
        for name in options.get("first", ()):
            made[name]["first"] = True
        for name, left_out in options.get("without", {}).items():
            made[name]["methods"] = [one for one in made[name]["methods"] if one["method"] not in left_out]
        for name, (of, tags) in options.get("fits", {}).items():
            made[name]["fits"] = {"field": of, "list": by_name[of].ref["key"], "tags": tags}
        self.fields: dict[str, dict[str, Any]] = made
        asked = {key: choices(ref) for key, ref in refs_in(self.settings).items()} if choices else {}

        def offered(query: Query) -> Any:
            return _lists(asked, query)

        for name, offered_lines in options.get("suggested", {}).items():
            asked[name] = offered_lines
            _drawn_at(made, name)["list"] = name

        form = {"fields": list(made.values()), "more": options.get("more", "More settings"), "lists": bool(asked)}
        self.input = component(
            "form", {}, {"lists": offered}, ("", "", ""), {"form": form}, problems=[], elem_id=options.get("elem_id")
        )

    def data(self, value: Any) -> dict[str, Any]:
        """The spec as plain data from the form's value: settings not made keep their default, those of methods not
        chosen are left out. Raises `SpecError` when a mapping is not YAML."""
        given = value if isinstance(value, dict) else {}
        return _whole(self.settings, given)

    def parsed(self, value: Any, **settings: Any) -> Any:
        """The spec from the form's value, with settings of the page laid over it. Raises `SpecError`.

        Which job it is decides the form: a value with a `method` of its own, as a call made by hand can have, is
        refused as one with an unknown setting.
        """
        return self.spec.parse({**self.data(value), **settings})

    def problems(self, problems: Sequence[Problem]) -> list[dict[str, Any]]:
        """Those that have a control here, as the browser shows them beside it."""
        below, names = len(self.path), {field.name for field in self.settings}
        return [
            {"path": list(problem.path[below:]), "text": f"{problem.message} {problem.remedy}".strip()}
            for problem in problems
            if problem.path[:below] == self.path and problem.path[below : below + 1] and problem.path[below] in names
        ]

    @staticmethod
    def filled(value: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The form's value with these settings; what they do not name stays, but for those of another method."""
        return _over(value if isinstance(value, dict) else {}, settings)


def beside_fields(function: Callable[..., Any], forms: Sequence[Form], outputs: int = 1) -> Callable[..., Any]:
    """As `guarded`, of an event whose outputs are so many and then the inputs of the forms.

    What is refused is told beside its setting, and all of it in a message; the other outputs stay as they are.
    """

    @functools.wraps(function)
    def call(*values: Any) -> Any:
        try:
            result = function(*values)
        except UserError as error:
            problems = problems_in(error)
            found = [form.problems(problems) for form in forms]
            if not any(found):
                raise
            gr.Warning(told_html(problems), title="Please check", duration=15)
            return _all([*[gr.skip()] * outputs, *(gr.update(problems=each) for each in found)])
        return _all([*([result] if outputs == 1 else result or ()), *(gr.update(problems=[]) for _ in forms)])

    return guarded(call)


def _drawn_at(made: Mapping[str, dict[str, Any]], path: str) -> dict[str, Any]:
    """The setting at a path with dots; raises `KeyError` where there is none."""
    first, *inner = path.split(".")
    control = made[first]
    for name in inner:
        control = {each["name"]: each for each in control["fields"]}[name]
    return control


def _all(values: list[Any]) -> Any:
    """What an event returns for as many outputs; Gradio takes a list for one of them as its value."""
    return values[0] if len(values) == 1 else values


def _lists(asked: Mapping[str, List], query: Query) -> Any:
    """JSON of {list: {"tag", "choices"}} for those whose tag is not the one in {"have": {list: tag}}."""
    have = query.get("have")
    known = have if isinstance(have, dict) else {}
    reply = {}
    for name, choices in asked.items():
        data = json_bytes(choices())
        if known.get(name) != tag(data):
            reply[name] = {"tag": tag(data), "choices": orjson.Fragment(data)}
    return Response(orjson.dumps(reply), media_type="application/json")


def _over(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """`new` laid over `old`, mappings within too; one that names a method replaces another method's."""
    made = dict(old)
    for name, value in new.items():
        known = made.get(name)
        both = isinstance(value, Mapping) and isinstance(known, Mapping)
        other = both and "method" in value and value["method"] != known.get("method", value["method"])  # type: ignore[union-attr]
        made[name] = _over(known, value) if both and not other else value  # type: ignore[arg-type]
    return made


def _whole(fields: Sequence[DescribedField], given: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a spec: those given, else their defaults.

    What is no setting is passed on, so that the spec refuses it.
    """
    names = {field.name for field in fields}
    data = {name: value for name, value in given.items() if name not in names}
    for field in fields:
        value = given.get(field.name)
        if field.methods:
            data[field.name] = _method(field, value)
        elif field.fields and not field.document and (value is None or isinstance(value, Mapping)):
            data[field.name] = _whole(field.fields, value or {})
        elif value is None:
            data[field.name] = _none(field) if field.default is None else field.default
        else:
            data[field.name] = _parsed(field, value)
    return data


def _method(field: DescribedField, value: Any) -> dict[str, Any]:
    """The method chosen with what was set of it; those of the usual one as that sets them."""
    given = dict(value) if isinstance(value, Mapping) else {"method": value} if value else {}
    name = given.get("method") or field.usual_method
    usual = field.default if isinstance(field.default, Mapping) and name == field.usual_method else {}
    return {**usual, **given, "method": name}


def _parsed(field: DescribedField, value: Any) -> Any:
    """A mapping is written as YAML in the form."""
    if control_of(field) == "yaml" and isinstance(value, str):
        return load_yaml(value, aliases=True) or {}
    return value


def _none(field: DescribedField) -> Any:
    """What stands for nothing chosen, so that the problem told is the choice, not its type."""
    if not field.required:
        return None
    return [] if field.type == "array" else ""
