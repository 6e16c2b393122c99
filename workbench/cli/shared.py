"""What the commands share: tables, settings given as NAME=VALUE, the families of methods."""

import argparse
import codecs
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.paths import regular_file
from workbench.core.registry import Registry
from workbench.core.spec import dump_yaml, load_yaml
from workbench.jobs.job import JOBS

VERBOSE = "show what libraries print, too"
Args = argparse.Namespace
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add(
    commands: Commands, name: str, do: Callable[[Home, Args], None], help_: str, json_: bool = True
) -> argparse.ArgumentParser:
    """A command: its name, what it does, and its line of help. With --json its standard output is JSON and nothing
    else; `json_` false is for what has no result but a conversation with a person."""
    command: argparse.ArgumentParser = commands.add_parser(name, help=help_, description=help_)
    command.set_defaults(do=do)
    command.add_argument("--verbose", action="store_true", default=argparse.SUPPRESS, help=VERBOSE)
    if json_:
        command.add_argument("--json", action="store_true", help="the result as JSON on standard output")
    return command


def families() -> dict[str, Registry[Any]]:
    """Every registry of methods, by the name `list methods` and `new` use."""
    from workbench.compression.pruner import PRUNERS
    from workbench.compression.quantizer import QUANTIZERS
    from workbench.data.exports.export import EXPORTS
    from workbench.data.reading.format import FORMATS
    from workbench.data.recipes.step import STEPS
    from workbench.data.sources.source import SOURCES
    from workbench.ensembles.method import ENSEMBLES
    from workbench.merging.method import METHODS
    from workbench.synthesis.generator import MAKERS
    from workbench.training.objective import OBJECTIVES
    from workbench.training.tuner import TUNERS

    return {
        "job": JOBS,
        "objective": OBJECTIVES,
        "tuner": TUNERS,
        "source": SOURCES,
        "format": FORMATS,
        "step": STEPS,
        "export": EXPORTS,
        "maker": MAKERS,
        "merge method": METHODS,
        "ensemble": ENSEMBLES,
        "quantizer": QUANTIZERS,
        "pruner": PRUNERS,
    }


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints aligned columns."""
    cells = [list(columns), *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def show(args: Args, result: Any, text: str | None = None) -> None:
    """A result for people, as YAML unless there is a text for it, or as JSON with --json."""
    if args.json:
        print(json.dumps(result, default=str, ensure_ascii=False))
    else:
        print(dump_yaml(result).rstrip() if text is None else text.rstrip("\n"))


def emit(args: Args, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """The rows as a table, or as JSON with --json."""
    if args.json:
        print(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], default=str, ensure_ascii=False))
    elif rows:
        table(columns, rows)
    else:
        print("Nothing yet.")


def pairs(texts: Sequence[str]) -> dict[str, Any]:
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


def read_text_file(path: str | Path, field: str) -> str:
    """The text of a file a command was given. Raises `UserError` when it is missing, or no UTF-8 text."""
    try:
        data = regular_file(Path(path).expanduser(), field).read_bytes()
    except FileNotFoundError:
        raise UserError(f"There is no file {path}.", "Check the path.", field) from None
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UserError(f"{path} is UTF-16 text.", "Save it as UTF-8.", field)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path} is no UTF-8 text.", "Give a text file, saved as UTF-8.", field) from None


def joined(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`, nested settings joined; settings of another method replace those of the one before."""
    result = dict(base)
    for key, value in over.items():
        inner = result.get(key)
        if isinstance(value, dict) and isinstance(inner, dict) and value.get("method") in (None, inner.get("method")):
            value = joined(inner, value)
        result[key] = value
    return result
