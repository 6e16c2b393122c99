"""Tools and tool calls in their canonical form, the one chat templates are written for.

A tool is {type: function, function: {name, description, parameters}}; a call {id, type: function, function: {name,
arguments}} with the arguments as an object. https://huggingface.co/docs/transformers/chat_extras
"""

import json
from collections.abc import Callable
from typing import Any

from workbench.core.errors import UserError
from workbench.rows.values import as_json, encodable, from_json, kind_of, short


def tools_of(value: Any, what: str = "tools") -> list[dict[str, Any]]:
    """The tools of a row: a list (or its JSON text) of functions, bare or wrapped; [] when there are none.

    Raises `UserError` naming the first wrong one.
    """
    return _several(value, what, _tool, "tools")


def tool_calls_of(value: Any, what: str = "tool_calls") -> list[dict[str, Any]]:
    """The calls of an assistant turn: a list (or its JSON text), arguments as object or JSON text; [] for none.

    Raises `UserError` naming the first wrong one.
    """
    return _several(value, what, _call, "tool calls")


def _several(value: Any, what: str, read_one: Callable[[Any, str], dict[str, Any]], named: str) -> list[dict[str, Any]]:
    read = from_json(value)
    if read is None or (isinstance(read, str) and not read.strip()):
        return []
    found = [read] if isinstance(read, dict) else read
    if not isinstance(found, list):
        raise UserError(f"{what} is {short(value)}, not a list of {named}.", f"Write the {named} as a JSON list.")
    made = [read_one(one, f"{what}[{place}]") for place, one in enumerate(found)]
    if made:
        as_json(made, what)
    return made


def _tool(tool: Any, what: str) -> dict[str, Any]:
    """One tool; keys with nothing in them (as Parquet fills them in) fall away at its top."""
    whole = _object(tool, what)
    function = _function(whole, what)
    rest = {key: item for key, item in function.items() if item is not None}
    if "parameters" in rest:
        rest["parameters"] = from_json(rest["parameters"])  # axolotl has them as text
    return {"type": "function", "function": {**rest, "name": _name(function, what)}}


def _call(call: Any, what: str) -> dict[str, Any]:
    whole = _object(call, what)
    function = _function(whole, what)
    name, arguments = _name(function, what), _arguments(function.get("arguments", function.get("parameters")), what)
    made: dict[str, Any] = {"type": "function", "function": {"name": name, "arguments": arguments}}
    if whole.get("id") is None:
        return made
    if not isinstance(whole["id"], str):
        raise UserError(f"{what} has the id {short(whole['id'])}, not text.", "Write the id as text.")
    return {"id": encodable(whole["id"], what), **made}


def _object(value: Any, what: str) -> dict[str, Any]:
    read = from_json(value)
    if not isinstance(read, dict):
        raise UserError(f"{what} is {kind_of(read)}, not an object.", "Write it as {name, …}.")
    return read


def _function(whole: dict[str, Any], what: str) -> dict[str, Any]:
    """The function inside {type: function, function: …}, or the object itself when it is bare."""
    if whole.get("type") not in (None, "function"):
        raise UserError(f"{what} is of type {short(whole['type'])}.", "Only functions are understood.")
    inner = whole.get("function")
    if inner is None:
        return {key: item for key, item in whole.items() if key not in ("type", "id")}
    return _object(inner, f"{what}.function")


def _name(function: dict[str, Any], what: str) -> str:
    name = function.get("name")
    if not isinstance(name, str) or not name.strip():
        raise UserError(f"{what} has no name.", "Every tool and every call needs the function's name.")
    return name


def _arguments(value: Any, what: str) -> dict[str, Any]:
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{what} has arguments that are not JSON: {str(error)[:80]}.", "Repair them.") from None
    if not isinstance(value, dict):
        raise UserError(f"{what} has {short(value)} as arguments.", "Arguments are an object of names and values.")
    return value
