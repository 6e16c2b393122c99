"""JSON lines, written one after another and put into another order afterwards without being held in memory."""

import json
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from workbench.data.recipes.draws import shuffled

Row = dict[str, Any]
FIRST_BYTES = 1_000_000  # bytes in which `datasets` surely sees a line when it decides on the columns' types


def write_lines(path: Path, rows: Iterable[Row], seed: int | None = None, typed: bool = False) -> None:
    """Writes a file of JSON lines, in the order of the rows or shuffled with a seed.

    With `typed` the first row that uses a tool in some column comes within the first megabyte, as the types of all
    rows are decided there: https://huggingface.co/docs/datasets/loading#json
    """
    starts, first = array("q", [0]), dict[tuple[str, str], int]()
    with path.open("wb") as file:
        for number, row in enumerate(rows):
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            starts.append(file.tell())
            if typed:
                for feature in _features(row):
                    first.setdefault(feature, number)
    order = np.arange(len(starts) - 1) if seed is None else shuffled(np.arange(len(starts) - 1), seed)
    late = _late(order, np.asarray(starts), set(first.values()))
    if seed is not None or late:
        others = order[~np.isin(order, late)] if late else order
        _reorder(path, starts, [*late, *others.tolist()])


def _late(order: np.ndarray, starts: np.ndarray, wanted: set[int]) -> list[int]:
    """Those of the wanted lines that come after the first megabyte, in their order."""
    if not wanted:
        return []
    ends = np.cumsum(np.diff(starts)[order])
    return [int(line) for line in order[ends > FIRST_BYTES] if line in wanted]


def _features(row: Row) -> Iterator[tuple[str, str]]:
    """(column, key) for what only some rows have: tools, and keys of messages besides role and content."""
    for column, value in row.items():
        if column == "tools" and value is not None:
            yield column, ""
        elif isinstance(value, list):
            for turn in value:
                if len(turn) > 2:
                    yield from ((column, key) for key in turn if key not in ("role", "content"))


def _reorder(path: Path, starts: "array[int]", order: list[int]) -> None:
    partial = path.with_name(f".{path.name}.sorted")
    with path.open("rb") as lines, partial.open("wb") as file:
        for line in order:
            lines.seek(starts[line])
            file.write(lines.read(starts[line + 1] - starts[line]))
    partial.replace(path)
