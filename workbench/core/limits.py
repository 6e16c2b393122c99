"""Bounds on small files that somebody else may have written: their size, their nesting, and how much is quoted of them.

Limits of rows and of weights stand beside their readers (`data.lines`, `models.tensors`, `gguf.reading`).
"""

import json
import math
from pathlib import Path
from typing import Any

from workbench.core.errors import UserError, shortened

SETTINGS_BYTES = 2 * 1024**2  # of a manifest, a job, a recipe: YAML takes a second or two for so much
CONFIG_BYTES = 4 * 1024**2  # of a model's config.json; those with 20,000 label names have 1 MB
MOST_LEVELS = 100  # lists and objects within one another


def bounded_text(path: Path, most: int = SETTINGS_BYTES) -> str:
    """The UTF-8 text of a file of at most `most` bytes. Raises `UserError` when it is larger, missing, no regular file
    or not UTF-8."""
    try:
        if not path.is_file():
            raise UserError(f"{path.name} is {'not a regular file' if path.exists() else 'missing'}.")
        with path.open("rb") as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise UserError(f"{path.name} is larger than {most / 1024**2:g} MB.", "Get a fresh copy of it.")
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path.name} is not UTF-8: byte {error.start:,}.", "Save it as UTF-8.") from None
    except OSError as error:
        raise UserError(f"{path.name} cannot be read: {error.strerror}.", "Check who may read it.") from None


def bounded_object(path: Path, most: int = CONFIG_BYTES) -> dict[str, Any]:
    """The JSON object in a file, within `most` bytes and nested at most 100 deep. Raises `UserError`."""
    text = bounded_text(path, most)
    try:
        data = json.loads(text)
    except RecursionError:
        raise UserError(f"{path.name} is nested too deeply.", "Get a fresh copy of it.") from None
    except ValueError as error:
        raise UserError(f"{path.name} is not valid JSON ({error}).", "Get a fresh copy of it.") from None
    if not isinstance(data, dict):
        raise UserError(f"{path.name} holds no JSON object.", "Get a fresh copy of it.")
    if too_deep(data):
        raise UserError(f"{path.name} is nested more than {MOST_LEVELS} deep.", "Get a fresh copy of it.")
    return data


def too_deep(value: Any, most: int = MOST_LEVELS) -> bool:
    """Whether lists and objects (of JSON) lie in one another more than `most` times."""
    level = [value]
    for _ in range(most + 1):
        level = [inner for value in level for inner in _inner(value)]
        if not level:
            return False
    return True


def bounded_integer(value: Any) -> int | None:
    """The value if it is a whole number that fits into 64 bits, else None."""
    fits = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return value if fits else None


def number(value: Any) -> float | None:
    """The value if it is a finite number, else None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return bounded_integer(value)


def text_up_to(value: Any, most: int) -> str:
    """The value if it is text, cut to `most` characters; else ''."""
    return shortened(value, most) if isinstance(value, str) else ""


def _inner(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
