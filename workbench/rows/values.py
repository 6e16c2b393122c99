"""Single values of a row: made text, read from JSON, checked to be JSON, and shown in errors."""

import base64
import datetime
import decimal
import json
import math
from typing import Any

from workbench.core.errors import UserError

TEXT_PARTS = ("text", "input_text", "output_text")


def text_of(value: Any, field_name: str) -> str:
    """The text of one cell: strings and numbers as they are, a list of text parts joined. Raises `UserError`."""
    if isinstance(value, list) and value and all(isinstance(block, dict) for block in value):
        value = "".join(_block_text(block, field_name) for block in value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UserError(
            f"{field_name} is {kind_of_value(value)}, not text.", "Put text there, or choose another column."
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{field_name} is {value}, not text.", "Put text or a finite number there.")
    return encodable(_written(value, field_name), field_name)


def full_text(value: Any, field_name: str) -> str:
    """As `text_of`, and never blank."""
    text = "" if value is None else text_of(value, field_name)
    if not text.strip():
        raise UserError(f"{field_name} is empty.", "Fill it in or leave the row out.")
    return text


def encodable(text: str, field_name: str) -> str:
    """The text itself if UTF-8 can write it; raises `UserError`."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise UserError(
            f"{field_name} holds half of a surrogate pair (such as \\ud83d alone).",
            "Repair that character in the source.",
        ) from None
    return text


def from_json(value: Any) -> Any:
    """The list or object written as JSON in a text cell; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def as_json(value: Any, field_name: str) -> str:
    """The JSON text that reads back as exactly this value; raises `UserError` when there is none."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        same = bool(json.loads(text) == value)
    except (TypeError, ValueError, RecursionError):
        same, text = False, ""
    if not same:
        remedy = "Use text, finite numbers, true, false, null, lists, and objects with text as keys."
        raise UserError(f"{field_name} cannot be written as JSON.", remedy)
    return encodable(text, field_name)


def json_ready(value: Any) -> Any:
    """The value with what JSON has no words for, such as Parquet's dates, decimals and bytes, written as text.

    Within a value NaN is null, as pandas means it.
    """
    if isinstance(value, dict):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value) if isinstance(value, decimal.Decimal | datetime.timedelta) else value


def kind_of_value(value: Any) -> str:
    """What a value is, in words: 'empty', 'a number', 'text', 'a list' and the like."""
    names = {type(None): "empty", bool: "true/false", int: "a number", float: "a number", str: "text"}
    return names.get(type(value), "a list" if isinstance(value, list) else "an object")


def short(value: Any) -> str:
    """A value for an error message, 40 characters at most."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python writes
        text = "a number of thousands of digits"
    return text if len(text) <= 40 else text[:39] + "…"


def _written(value: str | float, field_name: str) -> str:
    try:
        return str(value)
    except ValueError:
        raise UserError(f"{field_name} is a number of thousands of digits.", "Write it as text.") from None


def _block_text(block: dict[str, Any], field_name: str) -> str:
    """The text of a part, under `text` or, in version 1 of LLaMA-Factory, under `value`."""
    if block.get("type") not in (None, *TEXT_PARTS):
        raise UserError(
            f"{field_name} holds a part of type {short(block.get('type'))}.", "Only text can be trained on here."
        )
    text = next((block[key] for key in ("text", "value") if isinstance(block.get(key), str)), None)
    if text is None:
        raise UserError(f"{field_name} holds a part of text without its text.", "Write it under the key text.")
    return str(text)
