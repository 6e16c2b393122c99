"""What the commands share: how they are called, tables, settings given as NAME=VALUE, the families of methods."""

import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from workbench.cli.commands import COMMANDS
from workbench.core.errors import SpecError, UserError
from workbench.core.home import Home
from workbench.core.registry import Registry
from workbench.core.settings import Settings
from workbench.core.spec import dump_yaml, load_yaml
from workbench.jobs.job import JOBS


@dataclass(frozen=True)
class Invocation:
    """What every command gets besides its own arguments: the home, and whether standard output is to be JSON."""

    home: Home
    json: bool = False


@dataclass(frozen=True)
class Unopened:
    """What a command gets that works on a home that may not be usable: its folder, and whether to write JSON."""

    home: Path
    json: bool = False


class OptionsError(SpecError):
    """Settings given as options that their spec refuses."""


Invoked = Annotated[Invocation, Parameter(parse=False)]
HomeFolder = Annotated[Unopened, Parameter(parse=False)]
SplitName = Literal["train", "eval"]


def option(help_: str, metavar: str | None = None) -> Parameter:
    """An option with its line of help."""
    return Parameter(help=help_, metavar=metavar, negative="", show_default=_shown)


def choice(help_: str, choices: Sequence[str]) -> Parameter:
    """An option that takes one of these."""
    return Parameter(help=help_, choices=tuple(choices), negative="", show_default=_shown)


def _shown(default: Any) -> str | None:
    """A default as the help shows it; None where it is that nothing is given."""
    return None if default is None or default is False or default in ("", ()) else str(default)


def several(help_: str, metavar: str | None = None, least: int = 0) -> Parameter:
    """An option that takes all that follows it, up to the next option."""
    return Parameter(
        help=help_, metavar=metavar, consume_multiple=(least, None), negative="", show_default=False,
    )  # fmt: skip


def families() -> dict[str, Registry[Any]]:
    """Every registry of methods by its name in `list methods` and `new`: those that kinds of job and commands need.

    Kinds of job come first, the others by their names.
    """
    JOBS.all()
    for command in COMMANDS:
        importlib.import_module(command.target.partition(":")[0])
    return dict(sorted(Registry.by_key().items(), key=lambda entry: (entry[1] is not JOBS, entry[0])))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints aligned columns."""
    cells = [list(columns), *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def show(invoked: Invocation, result: Any, text: str | None = None) -> None:
    """A result for people, as YAML unless there is a text for it, or as JSON with --json."""
    if invoked.json:
        print(json.dumps(result, default=str, ensure_ascii=False))
    else:
        print(dump_yaml(result).rstrip() if text is None else text.rstrip("\n"))


def own_address() -> str:
    """How this machine's browsers reach the page, as the operator set it."""
    settings = Settings.current()
    host = settings.host.strip("[]") or "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def emit(invoked: Invocation, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """The rows as a table, or as JSON with --json."""
    if invoked.json:
        print(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], default=str, ensure_ascii=False))
    elif rows:
        print_table(columns, rows)
    else:
        print("Nothing yet.")


def nested_settings(texts: Sequence[str]) -> dict[str, Any]:
    """['r=16', 'objective.beta=0.2'] → nested settings, values read as YAML, whatever their order.

    `tuner=qlora tuner.r=8` is {'tuner': {'method': 'qlora', 'r': 8}}. Raises `UserError` for what is no setting and for
    one that is given twice.
    """
    data: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        path = key.split(".")
        if not equals or not all(path):
            raise UserError(f"{text!r} is no setting.", "Write name=value.", "--set")
        _put(data, path, load_yaml(value) if value else "", key)
    return data


def _put(data: dict[str, Any], path: list[str], value: Any, key: str) -> None:
    """Puts a value where its path leads; a method's name given by itself makes room for its settings."""
    first, *rest = path
    inner = data.get(first)
    if first not in data:
        data[first] = _nested(rest, value)
    elif rest and isinstance(inner, str):
        data[first] = {"method": inner}
        _put(data[first], rest, value, key)
    elif rest and isinstance(inner, dict):
        _put(inner, rest, value, key)
    elif isinstance(inner, dict) and isinstance(value, str) and "method" not in inner:
        inner["method"] = value
    elif isinstance(inner, dict) and isinstance(value, dict) and not inner.keys() & value.keys():
        inner.update(value)
    else:
        raise UserError(f"{key} is given twice.", "Give each setting once.", "--set")


def _nested(path: list[str], value: Any) -> Any:
    return {path[0]: _nested(path[1:], value)} if path else value


def joined_settings(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`, nested settings joined; settings of another method replace those of the one before."""
    result = dict(base)
    for key, value in over.items():
        inner = result.get(key)
        if isinstance(value, dict) and isinstance(inner, dict) and value.get("method") in (None, inner.get("method")):
            value = joined_settings(inner, value)
        result[key] = value
    return result
