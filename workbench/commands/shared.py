"""What the commands share: tables, settings given as NAME=VALUE, the families of methods."""

import argparse
import json
from collections.abc import Callable, Sequence
from typing import Any

from workbench.errors import UserError
from workbench.home import Home
from workbench.jobs.job import JOBS
from workbench.registry import Registry
from workbench.spec import load_yaml

Args = argparse.Namespace
Commands = argparse._SubParsersAction


def add(commands: Commands, name: str, do: Callable[[Home, Args], None], help_: str) -> argparse.ArgumentParser:
    """A command: its name, what it does, and its line of help."""
    made: argparse.ArgumentParser = commands.add_parser(name, help=help_, description=help_)
    made.set_defaults(do=do)
    return made


def families() -> dict[str, Registry[Any]]:
    """Every registry of methods, by the name `list methods` and `new` use."""
    from workbench.chat.ensemble import ENSEMBLES
    from workbench.compressing.pruner import PRUNERS
    from workbench.compressing.quantizer import QUANTIZERS
    from workbench.data.exporting import EXPORTS
    from workbench.data.format import FORMATS
    from workbench.data.source import SOURCES
    from workbench.data.step import STEPS
    from workbench.making.maker import MAKERS
    from workbench.merging.own import METHODS
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
    widths = [max(len(row[place]) for row in cells) for place in range(len(columns))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def emit(args: Args, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """The rows as a table, or as JSON with --json."""
    if getattr(args, "json", False):
        print(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], default=str, ensure_ascii=False))
    elif rows:
        table(columns, rows)
    else:
        print("Nothing yet.")


def pairs(texts: Sequence[str]) -> dict[str, Any]:
    """['r=16', 'objective.beta=0.2'] → nested settings, values read as YAML."""
    data: dict[str, Any] = {}
    for text in texts:
        key, found, value = text.partition("=")
        if not found:
            raise UserError(f"{text!r} is no setting.", "Write name=value.", "--set")
        place = data
        *path, last = key.split(".")
        for part in path:
            place = place.setdefault(part, {})
        place[last] = load_yaml(value) if value else ""
    return data


def joined(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`, nested settings joined."""
    found = dict(base)
    for key, value in over.items():
        inner = found.get(key)
        found[key] = joined(inner, value) if isinstance(value, dict) and isinstance(inner, dict) else value
    return found
