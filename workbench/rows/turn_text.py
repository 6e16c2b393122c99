"""What rows say beyond the contents of their turns: thoughts, tool calls and tools, as text and piece by piece.

Duplicates, leaks and lengths compare the text of a whole turn; patterns and personal data look at each piece by itself,
since that is what can be written anew without breaking the JSON around it.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

Change = Callable[[str], str]
THOUGHT, CALLS, TOOLS = "reasoning_content", "tool_calls", "tools"
DESCRIBING = frozenset({"description", "title", "default", "enum", "examples", "const"})
"""Keys of a tool's JSON Schema whose texts a step may change; names, types and the like hold the schema together."""


def turn_text(turn: dict[str, Any]) -> str:
    """The thought, the content and the calls of a turn, those it has, joined by line breaks."""
    calls = turn.get(CALLS)
    parts = (turn.get(THOUGHT), turn["content"], calls and calls_text(calls))
    return "\n".join(piece for piece in parts if piece)


def calls_text(calls: list[dict[str, Any]]) -> str:
    """A line a call: its name and its arguments as JSON with sorted keys. Ids, drawn at random, are left out."""
    functions = (call["function"] for call in calls)
    return "\n".join(f"{function['name']} {_sorted_json(function['arguments'])}" for function in functions)


def tools_text(tools: list[dict[str, Any]]) -> str:
    """A line a tool: its definition as JSON with sorted keys."""
    return "\n".join(_sorted_json(tool["function"]) for tool in tools)


def call_pieces(calls: list[dict[str, Any]]) -> list[str]:
    """The names of the functions called, and every text and whole number among the arguments."""
    functions = [call["function"] for call in calls]
    return [piece for function in functions for piece in (str(function["name"]), *_leaf_texts(function["arguments"]))]


def argument_keys(calls: list[dict[str, Any]]) -> list[str]:
    """The keys of objects among the arguments of calls, in their order: they may be data, as in {"jane@…": "Hello"}."""
    return [key for call in calls for key in _keys(call["function"]["arguments"])]


def function_names(calls: list[dict[str, Any]]) -> list[str]:
    """The names of the functions called, in their order."""
    return [str(call["function"]["name"]) for call in calls]


def tool_pieces(tools: list[dict[str, Any]]) -> list[str]:
    """The names of the tools, and every text of their definitions."""
    return [piece for tool in tools for piece in _leaf_texts(tool["function"])]


def changed_calls(calls: list[dict[str, Any]], change: Change, keys: bool = False) -> list[dict[str, Any]]:
    """The calls with `change` applied to every text among the arguments, and with `keys` to the keys of objects.

    A whole number stays one unless its digits change: then the new text takes its place.
    """
    return [
        {**call, "function": {**call["function"], "arguments": _changed(call["function"]["arguments"], change, keys)}}
        for call in calls
    ]


def changed_tools(tools: list[dict[str, Any]], change: Change) -> list[dict[str, Any]]:
    """The tools with `change` applied to what describes them; names and the structure of their schemas stay."""
    return [{**tool, "function": _changed_schema(tool["function"], change)} for tool in tools]


def full_texts(turns: pa.StructArray) -> pa.Array:
    """(turns,) what `turn_text` makes of each, for a whole column at once."""
    content = turns.field("content")
    names = {field.name for field in turns.type}
    if not names & {THOUGHT, CALLS}:
        return content
    parts = [pc.if_else(pc.equal(content, ""), pa.scalar(None, pa.string()), content)]
    if THOUGHT in names:
        parts.insert(0, turns.field(THOUGHT))
    if CALLS in names:
        parts.append(texts_of_json(turns.field(CALLS), calls_text))
    return pc.binary_join_element_wise(*parts, "\n", null_handling="skip")


def texts_of_json(column: pa.Array, text_of: Callable[[Any], str]) -> pa.Array:
    """(rows,) text_of(the value) of a column of JSON texts; null where there is none."""
    return pa.array([None if item is None else text_of(json.loads(item)) for item in column.to_pylist()], pa.string())


def pieces_of_json(column: pa.Array, pieces: Callable[[Any], list[str]]) -> tuple[list[str], list[int]]:
    """(pieces,) the pieces of a column of JSON texts, and for each the position it comes from."""
    located = [
        (piece, index) for index, item in enumerate(column.to_pylist()) if item for piece in pieces(json.loads(item))
    ]
    return [piece for piece, _ in located], [index for _, index in located]


def _sorted_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _leaf_texts(value: Any) -> Iterator[str]:
    """Texts and whole numbers in nested objects and lists, in their order; keys are left out."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _leaf_texts(item)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(value)


def _keys(value: Any) -> Iterator[str]:
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _keys(item)
    if isinstance(value, dict):
        yield from value


def _changed(value: Any, change: Change, keys: bool = False) -> Any:
    if isinstance(value, dict):
        names = _changed_keys(value, change) if keys else list(value)
        return {name: _changed(item, change, keys) for name, item in zip(names, value.values(), strict=True)}
    if isinstance(value, list):
        return [_changed(item, change, keys) for item in value]
    if isinstance(value, str):
        return change(value) if value else value
    if isinstance(value, int) and not isinstance(value, bool):
        new = change(str(value))
        return value if new == str(value) else new
    return value


def _changed_keys(value: dict[str, Any], change: Change) -> list[str]:
    """The keys with `change` applied; of two that would become the same the later one is numbered: both stay."""
    names = {key: change(key) if key else key for key in value}
    taken = {key for key, name in names.items() if name == key}
    for key, name in names.items():
        if name != key:
            numbered = (f"{name} {number}" for number in itertools.count(2))
            names[key] = next(free for free in itertools.chain([name], numbered) if free not in taken)
            taken.add(names[key])
    return list(names.values())


def _changed_schema(value: Any, change: Change, key: str = "") -> Any:
    """A schema with `change` applied below the keys that describe; properties may be called 'description' too."""
    if key in DESCRIBING and not isinstance(value, dict):
        return _changed(value, change)
    if key == "properties" and isinstance(value, dict):
        return {name: _changed_schema(item, change) for name, item in value.items()}
    if isinstance(value, dict):
        return {name: _changed_schema(item, change, name) for name, item in value.items()}
    return [_changed_schema(item, change) for item in value] if isinstance(value, list) else value
