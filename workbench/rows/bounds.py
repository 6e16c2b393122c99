"""How large one row may be, and its parts. How many rows there are is not limited: they are read a few at a time.

The bytes of a line, a record or a row of a Parquet file are limited by `lines.MAX_LINE`, those a packed file unpacks to
by `compressed.MOST_RATIO`, the nesting of what is read from JSON by `limits.MOST_NESTED`.
"""

import re
from typing import Any

from workbench.core.limits import MOST_NESTED, too_deep

MOST_COLUMNS = 10_000
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
    if text.count("[") + text.count("{") > MOST_NESTED and too_deep(data):
        return f"the row is nested more than {MOST_NESTED} deep."
    return ""


def _marks(text: str) -> int:
    return text.count(",") + text.count("[") + text.count("{")
