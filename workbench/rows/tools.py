"""Tools and tool calls in their canonical form, the one chat templates are written for.

A tool is {type: function, function: {name, description, parameters}}; a call {id, type: function, function: {name,
arguments}} with the arguments as an object. https://huggingface.co/docs/transformers/chat_extras
"""

import json
from collections.abc import Callable
from typing import Any

from workbench.core.errors import UserError
from workbench.rows.values import as_json, encodable, from_json, kind_of_value, short


def tools_of(value: Any, field_name: str = "tools") -> list[dict[str, Any]]:
    """The tools of a row: a list (or its JSON text) of functions, bare or wrapped; [] when there are none.

    Raises `UserError` naming the first wrong one.
    """
    return _several(value, field_name, _tool, "tools")


def tool_calls_of(value: Any, field_name: str = "tool_calls") -> list[dict[str, Any]]:
    """The calls of an assistant turn: a list (or its JSON text), arguments as object or JSON text; [] for none.

    Raises `UserError` naming the first wrong one.
    """
    return _several(value, field_name, _call, "tool calls")


def _several(
    value: Any, field_name: str, parse: Callable[[Any, str], dict[str, Any]], named: str
) -> list[dict[str, Any]]:
    read = from_json(value)
    if read is None or (isinstance(read, str) and not read.strip()):
        return []
    items = [read] if isinstance(read, dict) else read
    if not isinstance(items, list):
        raise UserError(f"{field_name} is {short(value)}, not a list of {named}.", f"Write the {named} as a JSON list.")
    parsed = [parse(item, f"{field_name}[{index}]") for index, item in enumerate(items)]
    if parsed:
        as_json(parsed, field_name)
    return parsed


def _tool(tool: Any, field_name: str) -> dict[str, Any]:
    """One tool; keys with nothing in them (as Parquet fills them in) fall away at its top."""
    whole = _object(tool, field_name)
    function = _function(whole, field_name)
    rest = {key: item for key, item in function.items() if item is not None}
    if "parameters" in rest:
        rest["parameters"] = from_json(rest["parameters"])  # axolotl has them as text
    return {"type": "function", "function": {**rest, "name": _name(function, field_name)}}


def _call(call: Any, field_name: str) -> dict[str, Any]:
    whole = _object(call, field_name)
    function = _function(whole, field_name)
    name, arguments = (
        _name(function, field_name),
        _arguments(function.get("arguments", function.get("parameters")), field_name),
    )
    call_object: dict[str, Any] = {"type": "function", "function": {"name": name, "arguments": arguments}}
    if whole.get("id") is None:
        return call_object
    if not isinstance(whole["id"], str):
        raise UserError(f"{field_name} has the id {short(whole['id'])}, not text.", "Write the id as text.")
    return {"id": encodable(whole["id"], field_name), **call_object}


def _object(value: Any, field_name: str) -> dict[str, Any]:
    read = from_json(value)
    if not isinstance(read, dict):
        raise UserError(f"{field_name} is {kind_of_value(read)}, not an object.", "Write it as {name, …}.")
    return read


def _function(whole: dict[str, Any], field_name: str) -> dict[str, Any]:
    """The function inside {type: function, function: …}, or the object itself when it is bare."""
    if whole.get("type") not in (None, "function"):
        raise UserError(f"{field_name} is of type {short(whole['type'])}.", "Only functions are understood.")
    inner = whole.get("function")
    if inner is None:
        return {key: item for key, item in whole.items() if key not in ("type", "id")}
    return _object(inner, f"{field_name}.function")


def _name(function: dict[str, Any], field_name: str) -> str:
    name = function.get("name")
    if not isinstance(name, str) or not name.strip():
        raise UserError(f"{field_name} has no name.", "Every tool and every call needs the function's name.")
    return name


def _arguments(value: Any, field_name: str) -> dict[str, Any]:
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise UserError(
                f"{field_name} has arguments that are not JSON: {str(error)[:80]}.", "Repair them."
            ) from None
    if not isinstance(value, dict):
        raise UserError(
            f"{field_name} has {short(value)} as arguments.", "Arguments are an object of names and values."
        )
    return value
