"""axolotl: a file and the part of its YAML that names it."""

from typing import Any, ClassVar

from workbench.core.spec import dump_yaml
from workbench.data.exports.export import EXPORTS, Export, Row
from workbench.data.exports.formats._shapes import json_text, one_turn

TYPES = {
    "conversation": {"type": "chat_template", "field_messages": "messages"},
    "preference": {
        "type": "chat_template.default", "field_messages": "messages",
        "field_chosen": "chosen", "field_rejected": "rejected",
    },
    "text": {"type": "completion", "field": "text"},
}  # fmt: skip


@EXPORTS.register
class Axolotl(Export):
    """Messages for axolotl's chat_template strategy, with the YAML that names them.

    Arguments of calls and parameters of tools are JSON text, as axolotl takes them to keep one type a column.
    https://docs.axolotl.ai/docs/dataset-formats/conversation.html
    """

    method: ClassVar[str] = "axolotl"
    title: ClassVar[str] = "Axolotl"
    kinds: ClassVar[tuple[str, ...]] = tuple(TYPES)
    drops: ClassVar[tuple[str, ...]] = ("metadata",)
    typed: ClassVar[bool] = True

    def convert(self, kind: str, row: Row, uses: frozenset[str]) -> list[Row]:
        if kind == "text":
            return [{"text": row["text"]}]
        tools = {"tools": [_tool(tool) for tool in row["tools"]]} if "tools" in row else {}
        if kind == "conversation":
            return [{"messages": _messages(row["messages"]), **tools}]
        sides = {side: _message(one_turn(row[side], "An answer")) for side in ("chosen", "rejected")}
        return [{"messages": _messages(row["prompt"]), **sides, **tools}]

    def settings(self, name: str, kind: str, files: dict[str, str], uses: frozenset[str]) -> dict[str, str]:
        tools = {"field_tools": "tools"} if "tools" in uses else {}
        named = {
            split: {"path": file, "ds_type": "json", "split": "train", **TYPES[kind], **tools}
            for split, file in files.items()
        }
        lists = {"train": "datasets", "eval": "test_datasets"}
        whole: dict[str, Any] = {"rl": "dpo"} if kind == "preference" else {}
        whole |= {lists[split]: [entry] for split, entry in named.items()}
        return {"axolotl.yaml": "# Part of a configuration; run axolotl in this folder.\n" + dump_yaml(whole)}

    def reads(self, kind: str, uses: frozenset[str]) -> dict[str, Any]:
        if kind == "text":
            return {"method": "plain_text"}
        tools = {"tools": "tools"} if "tools" in uses else {}
        if kind == "conversation":
            return {"method": "messages", **tools}
        keys = {"conversations": "messages", "role_tag": "role", "content_tag": "content"}
        return {"method": "sharegpt_pairs", **keys, "user_tag": "user", "assistant_tag": "assistant", **tools}


def _messages(messages: list[Row]) -> list[Row]:
    return [_message(turn) for turn in messages]


def _message(turn: Row) -> Row:
    if "tool_calls" not in turn:
        return turn
    return {**turn, "tool_calls": [_written(call, "arguments") for call in turn["tool_calls"]]}


def _tool(tool: Row) -> Row:
    return _written(tool, "parameters") if "parameters" in tool["function"] else tool


def _written(whole: Row, key: str) -> Row:
    """A call or a tool with one part of its function as JSON text."""
    return {**whole, "function": {**whole["function"], key: json_text(whole["function"][key])}}
