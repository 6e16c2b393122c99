"""How large one row may be, and its parts. How many rows there are is not limited: they are read a few at a time.

The bytes of a line, a record or a row of a Parquet file are limited by `lines.MAX_LINE_BYTES`, those a packed file
unpacks to by `compressed.MOST_RATIO`, the nesting of what is read from JSON by `limits.MOST_NESTED`.
"""

import re
from typing import Any

from workbench.core.limits import MOST_LEVELS, too_deep

MOST_COLUMNS = 10_000  # of a row, of the rows of a source together, and keys of an object
MOST_NAME_CHARACTERS = 1000  # characters of a column's name
MOST_VALUES = 1_000_000  # of one row, those in lists and objects included: Python takes about 60 bytes for each
MOST_JSON_VALUES = 20_000_000  # of a JSON file, which is read whole
STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def too_many_values(text: str, most: int = MOST_VALUES) -> bool:
    """Whether JSON text holds more than `most` values, as its commas and brackets tell before it is parsed."""
    return _marks(text) > most and _marks(STRING.sub("", text)) > most


def refusal(data: Any, text: str) -> str:
    """Why a row read from this JSON text cannot be used, or ''."""
    if isinstance(data, dict) and len(data) > MOST_COLUMNS:
        return f"the row has {len(data):,} columns, more than {MOST_COLUMNS:,}."
    if text.count('":') > MOST_COLUMNS and (keys := _most_keys(data)) > MOST_COLUMNS:
        return f"an object in the row has {keys:,} keys, more than {MOST_COLUMNS:,}."
    if text.count("[") + text.count("{") > MOST_LEVELS and too_deep(data):
        return f"the row is nested more than {MOST_LEVELS} deep."
    return ""


def _most_keys(data: Any) -> int:
    """The keys of the largest object in JSON data."""
    most, level = 0, [data]
    while level:
        objects = [value for value in level if isinstance(value, dict)]
        most = max(most, *map(len, objects), 0)
        lists = [value for value in level if isinstance(value, list)]
        level = [inner for value in objects for inner in value.values()] + [inner for value in lists for inner in value]
    return most


def _marks(text: str) -> int:
    return text.count(",") + text.count("[") + text.count("{")
