"""Previews that are small whatever the rows are, made in a process of their own where the source is large."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench.core import limited
from workbench.core.errors import shortened
from workbench.data.reading.compressed import PACKED
from workbench.data.recipes.importing import preview_source
from workbench.data.recipes.previewing import Preview
from workbench.data.sources.source import Source

MOST_AT_ONCE_BYTES = 4_000_000  # bytes that are read in the process that asks
MOST_CHARACTERS = 2000  # of a text
MOST_ITEMS = 100  # of a list or object; of a row as many columns as there are


def is_large(source: Source) -> bool:
    """Whether to read it in a process of its own: much text, packed files, which may unpack to much, and Parquet, whose
    decoder is the least known to be safe.

    Raises `UserError` when a file is missing.
    """
    if source.method == "hub":
        return True  # nobody knows before
    if source.method == "pasted":
        return len(getattr(source, "text", "")) > MOST_AT_ONCE_BYTES
    paths: list[Path] = getattr(source, "files", list)()
    suffixes = {path.suffix.lower() for path in paths}
    return bool(suffixes & {".parquet", *PACKED}) or sum(path.stat().st_size for path in paths) > MOST_AT_ONCE_BYTES


def brief_preview(source: Source) -> Preview:
    """As `preview_source`, with the texts of the rows it shows cut. Raises `UserError`."""
    return limited.call(_preview, source) if is_large(source) else _preview(source)


def _preview(source: Source) -> Preview:
    preview = preview_source(source)
    return replace(preview, raw=[_row(row) for row in preview.raw], rows=[_row(row) for row in preview.rows])


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _brief(value) for name, value in row.items()}


def _brief(value: Any) -> Any:
    if isinstance(value, str):
        return shortened(value, MOST_CHARACTERS)
    if isinstance(value, bytes):
        return value[:MOST_CHARACTERS]
    if isinstance(value, list):
        return [_brief(item) for item in value[:MOST_ITEMS]]
    if isinstance(value, dict):
        return {key: _brief(item) for key, item in list(value.items())[:MOST_ITEMS]}
    return value
