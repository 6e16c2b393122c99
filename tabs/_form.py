"""Spec → widgets → Spec: forms made from the fields' types, bounds, defaults and sentences of help."""

import typing
from collections.abc import Callable
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal

import gradio as gr
from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from workbench.registry import Method, Registry
from workbench.spec import Spec, dump_yaml, load_yaml

Picker = Callable[..., gr.Dropdown]
Path = tuple[str, ...]


@dataclass
class Field:
    """One widget and where its value goes; `owner` names the method it belongs to, as (field, method)."""

    path: Path
    widget: Any
    default: Any
    owner: tuple[Path, str] | None = None
    is_yaml: bool = False


class Form:
    """The widgets of a spec, built where it is constructed; `inputs` go into an event, `data` makes the spec's dict."""

    def __init__(self, spec: type[Spec], pickers: dict[str, Picker] | None = None, **options: Any):
        """`pickers` make the widget of a named field; `main` lists the fields shown first, the rest folds away."""
        self.spec, self.pickers = spec, pickers or {}
        self.fields: list[Field] = []
        self.groups: list[tuple[Path, str, gr.Column]] = []
        main: list[str] = options.get("main", list(spec.model_fields))
        skip: tuple[str, ...] = options.get("skip", ())
        per_row: int = options.get("per_row", 2)
        self._build_all([name for name in main if name not in skip], (), per_row)
        rest = [name for name in spec.model_fields if name not in main and name not in skip]
        if rest:
            with gr.Accordion(options.get("more", "More settings"), open=False, elem_classes="wb-more"):
                self._build_all(rest, (), per_row)

    @property
    def inputs(self) -> list[Any]:
        return [field.widget for field in self.fields]

    def widget(self, *path: str) -> Any:
        """The widget of one field; raises `KeyError` if the form has none."""
        return {field.path: field.widget for field in self.fields}[path]

    def data(self, values: typing.Sequence[Any]) -> dict[str, Any]:
        """The spec as plain data from the widgets' values, in the order of `inputs`; settings of methods not chosen
        are left out, emptied numbers keep their default."""
        chosen = {field.path[:-1]: value for field, value in self._zip(values) if field.path[-1] == "method"}
        data: dict[str, Any] = {}
        for field, value in self._zip(values):
            if field.owner and chosen.get(field.owner[0]) != field.owner[1]:
                continue
            if value is None:
                value = "" if field.default is None else field.default
            if field.is_yaml and isinstance(value, str):
                value = load_yaml(value, aliases=True) or {}
            place = data
            for part in field.path[:-1]:
                place = place.setdefault(part, {})
            place[field.path[-1]] = value
        return data

    def updates(self, data: dict[str, Any]) -> list[Any]:
        """What to return for `inputs` so that the form shows `data`; what it does not name stays."""
        return [self._update(field, data) for field in self.fields]

    def group_updates(self, data: dict[str, Any]) -> list[Any]:
        """What to return for `group_columns`: the settings of the methods chosen in `data` become visible."""
        found = []
        for path, method, _ in self.groups:
            chosen = _lookup(data, (*path, "method"))
            found.append(gr.skip() if chosen is None else gr.update(visible=chosen == method))
        return found

    @property
    def group_columns(self) -> list[gr.Column]:
        return [column for _, _, column in self.groups]

    def _zip(self, values: typing.Sequence[Any]) -> Any:
        return zip(self.fields, values, strict=True)

    def _update(self, field: Field, data: dict[str, Any]) -> Any:
        if field.owner and _lookup(data, (*field.owner[0], "method")) not in (None, field.owner[1]):
            return gr.skip()
        value = _lookup(data, field.path)
        if field.is_yaml and value is not None:
            value = dump_yaml(value)
        return gr.skip() if value is None else gr.update(value=value)

    def _build_all(self, names: list[str], prefix: Path, per_row: int) -> None:
        """Lays fields out in rows; methods and nested specs take the whole width."""
        row: list[str] = []
        for name in names:
            if _is_wide(self.spec.model_fields[name]) or name in self.pickers:
                self._row(row, prefix)
                row = []
                self._build(self.spec.model_fields[name], name, prefix)
            else:
                row.append(name)
                if len(row) == per_row:
                    self._row(row, prefix)
                    row = []
        self._row(row, prefix)

    def _row(self, names: list[str], prefix: Path) -> None:
        if not names:
            return
        with gr.Row(equal_height=False):
            for name in names:
                self._build(self.spec.model_fields[name], name, prefix)

    def _build(self, info: FieldInfo, name: str, prefix: Path, owner: tuple[Path, str] | None = None) -> None:
        registry = next((part for part in info.metadata if isinstance(part, Registry)), None)
        if registry:
            self._methods(registry, info, (*prefix, name))
        elif isinstance(info.annotation, type) and issubclass(info.annotation, Spec):
            self._nested(info.annotation, (*prefix, name), info)
        else:
            default = info.get_default(call_default_factory=True) if not info.is_required() else None
            make = self.pickers.get(name)
            label, help_ = name.replace("_", " ").capitalize(), info.description
            widget = make(label=label, info=help_, value=default or None) if make else widget_of(info, label, default)
            is_yaml = typing.get_origin(info.annotation) is dict
            self.fields.append(Field((*prefix, name), widget, default, owner, is_yaml))

    def _methods(self, registry: Registry[Any], info: FieldInfo, path: Path) -> None:
        """A dropdown of the registry's methods, and for each the settings that show when it is chosen."""
        given = info.get_default(call_default_factory=True)
        default = next(iter(registry.all())) if info.is_required() else _method_of(given)
        choices = [(_method_label(method), method.method) for method in registry]
        pick = gr.Dropdown(choices, value=default, label=path[-1].capitalize(), info=info.description, interactive=True)
        self.fields.append(Field((*path, "method"), pick, default))
        columns: dict[str, gr.Column] = {}
        for method in registry:
            with gr.Column(visible=method.method == default, elem_classes="wb-method") as column:
                gr.HTML(f'<div class="wb-hint">{_escape(method.summary())}</div>', apply_default_css=False)
                self._method_fields(method, path)
            columns[method.method] = column
            self.groups.append((path, method.method, column))
        pick.change(
            lambda chosen: [gr.update(visible=name == chosen) for name in columns],
            pick, list(columns.values()), queue=False, show_progress="hidden", api_visibility="private",
        )  # fmt: skip

    def _method_fields(self, method: type[Method], path: Path) -> None:
        names = list(method.model_fields)
        for start in range(0, len(names), 2):
            with gr.Row(equal_height=False):
                for name in names[start : start + 2]:
                    self._build(method.model_fields[name], name, path, (path, method.method))

    def _nested(self, spec: type[Spec], path: Path, info: FieldInfo) -> None:
        default: Spec = info.get_default(call_default_factory=True)
        names = list(spec.model_fields)
        for start in range(0, len(names), 2):
            with gr.Row(equal_height=False):
                for name in names[start : start + 2]:
                    label = name.replace("_", " ").capitalize()
                    value = getattr(default, name)
                    widget = widget_of(spec.model_fields[name], label, value)
                    self.fields.append(Field((*path, name), widget, value))


def _method_of(given: Any) -> str:
    """The name of a method given as itself or as its settings."""
    return str(given["method"] if isinstance(given, dict) else given.method)


def widget_of(info: FieldInfo, label: str, default: Any) -> Any:
    """The widget that fits a field's type and bounds."""
    common: dict[str, Any] = {"label": label, "info": info.description, "interactive": True, "min_width": 120}
    kind = info.annotation
    if typing.get_origin(kind) is Literal:
        return gr.Dropdown(list(typing.get_args(kind)), value=default, **common)
    if kind is bool:
        return gr.Checkbox(value=default, **common)
    if kind in (int, float):
        low, high = bounds(info)
        precision = 0 if kind is int else None
        return gr.Number(value=default, precision=precision, minimum=low, maximum=high, **common)
    if typing.get_origin(kind) is list:
        return gr.Dropdown(value=default or [], multiselect=True, **common)
    if typing.get_origin(kind) is dict:
        return gr.Textbox(value=dump_yaml(default) if default else "", lines=8, max_lines=30, **common)
    if kind is str or isinstance(kind, UnionType):
        return gr.Textbox(value=default, max_lines=1, **common)
    raise TypeError(f"No widget for {label}: {kind}")


def bounds(info: FieldInfo) -> tuple[Any, Any]:
    """The inclusive bounds a number widget can enforce; exclusive ones are left to the spec's own check."""
    low: Any = next((part.ge for part in info.metadata if isinstance(part, Ge)), None)
    high: Any = next((part.le for part in info.metadata if isinstance(part, Le)), None)
    if low is None and any(isinstance(part, Gt) for part in info.metadata):
        low = 0
    if high is None:
        high = next((part.lt for part in info.metadata if isinstance(part, Lt)), None)
    return low, high


def _is_wide(info: FieldInfo) -> bool:
    nested = isinstance(info.annotation, type) and issubclass(info.annotation, Spec)
    return nested or any(isinstance(part, Registry) for part in info.metadata)


def _method_label(method: type[Method]) -> str:
    return f"{method.title} (not here)" if method.unavailable() else method.title


def _lookup(data: dict[str, Any], path: Path) -> Any:
    place: Any = data
    for part in path:
        if not isinstance(place, dict) or part not in place:
            return None
        place = place[part]
    return place


def _escape(text: str) -> str:
    from tabs._kit import safe

    return safe(text)
