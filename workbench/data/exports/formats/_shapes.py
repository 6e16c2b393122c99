"""What several export formats share: single turns, messages for TRL, turns of from and value."""

import json
from typing import Any

from workbench.core.errors import UserError
from workbench.rows.canonical import Message

Row = dict[str, Any]
SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
CALL = {"type", "function"}
KINDS_FORMAT = {
    "conversation": "messages",
    "preference": "preference",
    "unpaired": "unpaired",
    "text": "plain_text",
    "prompts": "prompts_only",
}


def canonical_format(kind: str, uses: frozenset[str]) -> dict[str, Any]:
    """The settings of the format that reads canonical columns back."""
    settings: dict[str, Any] = {"method": KINDS_FORMAT[kind]}
    if "tools" in uses and kind != "text":
        settings["tools"] = "tools"
    if "metadata" in uses:
        settings["keep_columns"] = ["metadata"]
    return settings


def json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def question(messages: list[Message]) -> tuple[str, str]:
    """(system prompt or '', question) of a prompt of one user turn. Raises `UserError` with the reason."""
    system = messages[0]["content"] if messages and messages[0]["role"] == "system" else ""
    rest = messages[1:] if system else messages
    if any(turn["role"] == "tool" for turn in rest):
        raise UserError("It uses tools.")
    if len(rest) != 1:
        raise UserError("It has several turns before the answer." if rest else "It asks nothing.")
    if rest[0]["role"] != "user":
        raise UserError("It does not begin with a question of the user.")
    return system, rest[0]["content"]


def answer(messages: list[Message]) -> str:
    """The text of an answer of one turn. Raises `UserError` with the reason."""
    if any(turn["role"] == "tool" or "tool_calls" in turn for turn in messages):
        raise UserError("It uses tools.")
    if len(messages) != 1:
        raise UserError("Its answer has several turns.")
    if messages[0]["role"] != "assistant":
        raise UserError("It does not end with an answer of the assistant.")
    _check_weights(messages)
    return str(messages[0]["content"])


def single(row: Row) -> tuple[str, str, str]:
    """(system prompt or '', question, answer) of a conversation of one question. Raises `UserError` with the reason."""
    if "tools" in row or any("tool_calls" in turn or turn["role"] == "tool" for turn in row["messages"]):
        raise UserError("It uses tools.")
    if sum(turn["role"] != "system" for turn in row["messages"]) > 2:
        raise UserError("It has several turns.")
    if row["messages"][-1]["role"] != "assistant":
        raise UserError("It does not end with an answer of the assistant.")
    return *question(row["messages"][:-1]), answer(row["messages"][-1:])


def with_tools(written: Row, row: Row) -> Row:
    """The row with its tools as JSON text, which TRL reads, and which has one type whatever the tools are."""
    return {**written, "tools": json_text(row["tools"])} if "tools" in row else written


def tools_cell(row: Row, uses: frozenset[str]) -> Row:
    """The column `tools` of ShareGPT files: bare functions as JSON text; none where no row of the dataset has any."""
    if "tools" not in uses:
        return {}
    return {"tools": json_text([tool["function"] for tool in row["tools"]]) if "tools" in row else ""}


def one_turn(messages: list[Message], column: str) -> Message:
    """The only message. Raises `UserError` with the reason."""
    if len(messages) != 1:
        raise UserError(f"{column} has several turns.")
    return messages[0]


def with_extras(messages: list[Message]) -> list[Row]:
    """ShareGPT turns with all that the messages have: what is no text of theirs stands under its own key."""
    return [_with_extras(turn) for turn in messages]


def _with_extras(turn: Message) -> Row:
    extras = {name: value for name, value in turn.items() if name not in ("role", "content", "tool_calls")}
    calls = turn.get("tool_calls")
    if not calls or (not turn["content"] and not extras and not any(call.keys() - CALL for call in calls)):
        return {**_spoken(turn), **extras}
    return {"from": "gpt", "value": turn["content"], "tool_calls": json_text(calls), **extras}


def sharegpt_turns(messages: list[Message]) -> list[Row]:
    """ShareGPT turns. Raises `UserError` with the reason when there is no such turn."""
    _check_weights(messages)
    return [_spoken(turn) for turn in messages]


def _check_weights(messages: list[Message]) -> None:
    """Raises `UserError`: without their weights, turns would be learned that are not to be."""
    if any("weight" in turn for turn in messages):
        raise UserError("A turn has a weight of its own.")


def _spoken(turn: Message) -> dict[str, str]:
    calls = turn.get("tool_calls")
    if not calls:
        return {"from": SPEAKERS[turn["role"]], "value": turn["content"]}
    if turn["content"]:
        raise UserError("A turn both says something and calls a tool.")
    bare = [{key: call["function"][key] for key in ("name", "arguments")} for call in calls]
    return {"from": "function_call", "value": json_text(bare[0] if len(bare) == 1 else bare)}
