"""Kinds of job as commands: the options of each are the fields of its spec, those of its methods and nested specs too.

`train --objective dpo --objective.beta 0.2` means what `objective: {method: dpo, beta: 0.2}` means in YAML, and is
checked by the spec alone. An option stands for a setting of every method that has it.
"""

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Annotated, Any

from cyclopts import Group, Parameter

from workbench.cli.jobs import enqueue, run_here, with_default_methods
from workbench.cli.shared import Invocation, Invoked, OptionsError, option
from workbench.cli.spec_settings import Setting, settings_of
from workbench.core.errors import Problem, Problems, SettingPath, SpecError, UserError, dotted
from workbench.core.paths import read_text_file
from workbench.core.spec import load_yaml
from workbench.jobs.job import JOBS, Job

FROM_FILE = "@"
METAVARS = {
    "text": "TEXT",
    "document": "TEXT|@FILE",
    "number": "NUMBER",
    "texts": "TEXT",
    "methods": "METHOD",
    "yaml": "YAML|@FILE",
}
LISTS = ("texts", "methods")


def option_name(path: SettingPath) -> str:
    """`('objective', 'train_on')` → `--objective.train-on`."""
    return f"--{dotted(path).replace('_', '-')}"


def _parameter(setting: Setting) -> inspect.Parameter:
    """A setting as cyclopts reads it from a signature; None is 'not given'."""
    many = setting.kind in LISTS
    type_: Any = bool if setting.kind == "flag" else tuple[str, ...] if many else str
    about = Parameter(
        name=option_name(setting.path), help=setting.help, choices=setting.choices or None,
        metavar=METAVARS.get(setting.kind), show_default=False, consume_multiple=(1, None) if many else None,
        negative_iterable="", **_group(setting.path),
    )  # fmt: skip
    return inspect.Parameter(
        setting.key, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[type_ | None, about]
    )


def _group(path: tuple[str, ...]) -> dict[str, Any]:
    """Under which title of the help a setting stands, for those of methods and nested specs."""
    return {"group": Group(f"Settings of {path[0].replace('_', ' ')}", sort_key=1)} if len(path) > 1 else {}


def _value(setting: Setting, typed: Any) -> Any:
    """A value as the spec takes it: what has a structure is YAML, or a file of it after @; a method is its name."""
    if setting.kind == "method":
        return {"method": typed}
    if setting.kind == "methods":
        return [load_yaml(text) for text in typed]
    if setting.kind == "document" and typed.startswith(FROM_FILE):
        return read_text_file(typed[1:], option_name(setting.path))
    if setting.kind != "yaml":
        return typed
    return load_yaml(read_text_file(typed[1:], option_name(setting.path)) if typed.startswith(FROM_FILE) else typed)


def job_commands() -> Iterator[tuple[str, Callable[..., None], str]]:
    """(name, function, line of help) of every kind of job."""
    for kind in JOBS:
        yield kind.method, _command(kind), kind.summary()


def _command(kind: type[Job]) -> Callable[..., None]:
    settings = {setting.key: setting for setting in settings_of(kind)}

    def run(**values: Any) -> None:
        invoked: Invocation = values["invoked"]
        job = parse_job(kind, {settings[key]: value for key, value in values.items() if key in settings})
        if values.get("queue") or values.get("wait"):
            enqueue(invoked, job, bool(values.get("wait")))
        else:
            run_here(invoked.home, job, invoked.json)

    run.__doc__ = kind.__doc__
    run.__signature__ = _signature(list(settings.values()))  # type: ignore[attr-defined]
    return run


def _signature(settings: list[Setting]) -> inspect.Signature:
    """The settings, and what becomes of the job."""
    queued = Annotated[bool, option("queue it for the background, as `submit` does")]
    waiting = Annotated[bool, option("queue it and wait for its end; starts it if no app is running")]
    only = inspect.Parameter.KEYWORD_ONLY
    own = [
        inspect.Parameter("queue", only, default=False, annotation=queued),
        inspect.Parameter("wait", only, default=False, annotation=waiting),
        inspect.Parameter("invoked", only, annotation=Invoked),
    ]
    return inspect.Signature([*map(_parameter, settings), *own])


def with_settings(kind: type[Job], without: tuple[str, ...]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command by hand the settings of its kind of job as options, too, but for those it gives itself.

    It gets them as `settings`, the plain data of those that were given.
    """
    settings = {setting.key: setting for setting in settings_of(kind) if setting.path[0] not in without}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(*positional: Any, **options: Any) -> None:
            typed = {settings[key]: options.pop(key) for key in settings.keys() & options.keys()}
            command(*positional, settings=data_of(typed), **options)

        own = [
            parameter for parameter in inspect.signature(command).parameters.values() if parameter.name != "settings"
        ]
        run.__signature__ = inspect.Signature([*own, *map(_parameter, settings.values())])  # type: ignore[attr-defined]
        del run.__wrapped__  # what is asked for its signature must not look behind it
        run.__annotations__ = {}
        return run

    return decorate


def data_of(typed: dict[Setting, Any]) -> dict[str, Any]:
    """Options as the data they would be in YAML; raises `OptionsError` for those that cannot be read."""
    data: dict[str, Any] = {}
    unread = Problems()
    for setting in sorted(typed, key=lambda setting: len(setting.path)):
        try:
            _put(data, setting.path, _value(setting, typed[setting]))
        except UserError as error:
            unread.add(option_name(setting.path), error.message, error.remedy)
    if unread.found:
        raise OptionsError(unread.found)
    return data


def parse_job(kind: type[Job], typed: dict[Setting, Any]) -> Job:
    """The job of these options; raises `OptionsError` with all that is wrong with them."""
    data = with_default_methods({"method": kind.method, **data_of(typed)})
    if problems := [problem for setting in typed for problem in _of_another_method(setting, data)]:
        raise OptionsError(problems)
    return job_of(data)


def job_of(data: dict[str, Any]) -> Job:
    """The job of this data; raises `OptionsError`, which names settings as options."""
    try:
        return JOBS.parse(data)
    except SpecError as error:
        named = [Problem((option_name(p.path),), p.message, p.remedy) for p in error.problems]
        raise OptionsError(named) from None


def _put(data: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for step in path[:-1]:
        data = data.setdefault(step, {})
        if not isinstance(data, dict):
            raise UserError("what it belongs to is given whole.", "Write it there.")
    data[path[-1]] = value


def _of_another_method(setting: Setting, data: Any) -> Iterator[Problem]:
    """Says of a setting of other methods than the chosen one whose it is."""
    for step in setting.family:
        data = data.get(step) if isinstance(data, dict) else None
    method = data.get("method") if isinstance(data, dict) else None
    if setting.family and method and method not in setting.methods:
        owners = " or ".join(setting.methods)
        yield Problem(
            (option_name(setting.path),), f"{method} has no such setting.",
            f"Choose {owners} with {option_name(setting.family)}, or leave it out.",
        )  # fmt: skip
