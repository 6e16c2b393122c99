"""What every method of every family promises, whatever it does."""

import ast
import typing
from typing import Any, Literal

import pytest
from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from workbench.cli.job_options import job_commands
from workbench.cli.shared import families
from workbench.cli.spec_settings import settings_of
from workbench.core.assets import ROOT
from workbench.core.registry import Method, Registry
from workbench.core.spec import Spec, load_yaml
from workbench.jobs.job import JOBS

METHODS = [
    pytest.param(registry, method, id=f"{family}-{method.method}")
    for family, registry in families().items()
    for method in registry
]
GIVEN = {str: "owner/name", list[str]: ["a", "b"], bool: True, int: 1, float: 0.5}
every_method = pytest.mark.parametrize(("registry", "method"), METHODS)


def example(method: type[Method]) -> Method:
    """The method with its defaults, and something for what it asks for."""
    asked = {name: info for name, info in method.model_fields.items() if info.is_required()}
    required = {name: info.examples[0] if info.examples else GIVEN[info.annotation] for name, info in asked.items()}  # type: ignore[index]
    return method.parse(required)


def settings(spec: type[Spec], prefix: str = "") -> dict[str, FieldInfo]:
    """Every setting by its dotted name, those of nested specs included."""
    found: dict[str, FieldInfo] = {}
    for name, info in spec.model_fields.items():
        found[prefix + name] = info
        if isinstance(info.annotation, type) and issubclass(info.annotation, Spec):
            found |= settings(info.annotation, f"{prefix}{name}.")
    return found


def bounds(info: FieldInfo) -> tuple[Any, Any]:
    low = next((part for part in info.metadata if isinstance(part, Ge | Gt)), None)
    high = next((part for part in info.metadata if isinstance(part, Le | Lt)), None)
    return low, high


@every_method
def test_it_says_what_it_is(registry: Registry[Any], method: type[Method]) -> None:
    assert method.title.strip()[:1].isupper() or method.title == "vLLM"
    assert 10 < len(method.summary()) < 140 and method.summary().endswith(".")
    assert registry.get(method.method) is method
    assert method.method == method.method.strip().lower() and " " not in method.method


@every_method
def test_every_setting_is_described_in_a_sentence(registry: Registry[Any], method: type[Method]) -> None:
    undescribed = [name for name, info in settings(method).items() if not (info.description or "").endswith(".")]
    assert undescribed == []


@every_method
def test_every_number_has_bounds_and_a_default_within(registry: Registry[Any], method: type[Method]) -> None:
    numbers = {name: info for name, info in settings(method).items() if info.annotation in (int, float)}
    assert [name for name, info in numbers.items() if None in bounds(info)] == []
    # pydantic does not check defaults by itself; parsing them again does
    assert registry.parse(example(method).to_dict()) == example(method)


@every_method
def test_every_choice_is_a_list_of_words(registry: Registry[Any], method: type[Method]) -> None:
    for info in settings(method).values():
        if typing.get_origin(info.annotation) is Literal:
            choices = typing.get_args(info.annotation)
            assert info.default in choices and len(set(choices)) == len(choices)


@every_method
def test_it_goes_through_yaml_unchanged(registry: Registry[Any], method: type[Method]) -> None:
    assert registry.parse(load_yaml(example(method).to_yaml())) == example(method)


@every_method
def test_every_setting_is_an_option_with_its_sentence(registry: Registry[Any], method: type[Method]) -> None:
    """Those of methods within methods are checked with these."""
    options = {".".join(setting.path): setting.help for setting in settings_of(method)}
    for name, info in settings(method).items():
        if not (isinstance(info.annotation, type) and issubclass(info.annotation, Spec)) or name in options:
            assert (info.description or "") in options[info.alias or name]


@every_method
def test_it_is_on_the_command_line(registry: Registry[Any], method: type[Method]) -> None:
    """A kind of job is a command, a method of another family a line of `list methods`."""
    if registry is JOBS:
        assert (method.method, method.summary()) in [(name, help_) for name, _, help_ in job_commands()]
    assert families()[registry.key].get(method.method) is method


@every_method
def test_it_says_whether_it_runs_here(registry: Registry[Any], method: type[Method]) -> None:
    assert isinstance(method.unavailable(), str)


@every_method
def test_it_lacks_nothing_its_base_asks_for(registry: Registry[Any], method: type[Method]) -> None:
    assert not getattr(method, "__abstractmethods__", frozenset())


def test_no_base_class_waits_until_it_is_called_to_say_that_something_is_missing() -> None:
    raising = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in ("workbench", "tabs")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Raise) and "NotImplementedError" in ast.unparse(node)
    ]
    assert raising == [], "use abc.abstractmethod"
