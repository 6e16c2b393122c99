"""By how much the chosen answer of each pair is better: `margin` in the metadata of a dataset's rows."""

import math
from collections.abc import Mapping
from typing import Any

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.data.encoding.cache import EncodedRows
from workbench.data.store import datasets

PAGE_ROWS = 2000


def pair_margins(home: Home, dataset: str, encoded: Mapping[str, EncodedRows]) -> dict[str, list[float]]:
    """The margin of every encoded pair, by split; 0 where a row has none.

    Raises `UserError` when no row that is trained on has one above 0.
    """
    margins = {split: _margins(home, dataset, split, rows) for split, rows in encoded.items()}
    if not any(margins["train"]):
        raise UserError(
            f"No row of {dataset!r} says by how much its chosen answer is better.",
            "Choose a dataset with margins, such as one of graded votes, or set the margin weight to 0.",
            ("objective", "margin_weight"),
        )
    return margins


def _margins(home: Home, dataset: str, split: str, encoded: EncodedRows) -> list[float]:
    by_row: list[float] = []
    while page := datasets.rows(home, dataset, split, len(by_row), PAGE_ROWS):
        by_row.extend(row_margin(row) for row in page)
    return [by_row[number] for number in encoded.table.column("row").to_pylist()]


def row_margin(row: dict[str, Any]) -> float:
    """What a row's metadata says of its margin: a finite number from 0 on, 0 for anything else."""
    margin: Any = (row.get("metadata") or {}).get("margin")
    return float(margin) if type(margin) in (int, float) and math.isfinite(margin) and margin > 0 else 0.0
