"""Messages (ChatML, OpenAI): a list of role and content."""

from typing import Any, ClassVar, Self

from pydantic import Field

from workbench.data.canonical import ROLES, Kind, from_json, message_list, with_system
from workbench.data.format import FORMATS, Format, Row, cell, first_value, optional, pick, tools_column
from workbench.data.straight import SPECIAL, Layout

NAMES = ("messages", "conversations", "conversation", "dialogue", "dialog")


def turns_with(columns: list[str], sample: list[Row], role_key: str, content_key: str) -> str:
    """The column that holds turns with these two keys; '' if none does."""
    for name in NAMES:
        column = pick(columns, name)
        value: Any = from_json(first_value(sample, column)) if column else None
        first = value[0] if isinstance(value, list) and value else None
        if isinstance(first, dict) and role_key in first and content_key in first:
            return column
    return ""


@FORMATS.register
class Messages(Format):
    """A list of messages with role and content a row, as ChatML and the OpenAI API have it, tool calls included.

    https://huggingface.co/docs/trl/dataset_formats#conversational
    """

    method = "messages"
    title = "Messages (ChatML)"
    kind: ClassVar[Kind] = "conversation"
    rank: ClassVar[int] = 4
    examples: ClassVar[list[Row]] = [
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]},
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Name a bird."},
                {"role": "assistant", "content": "Wren."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "How warm is it?"},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "1",
                            "type": "function",
                            "function": {"name": "weather", "arguments": '{"city": "Bonn"}'},
                        }
                    ],
                },
                {"role": "tool", "content": "21", "tool_call_id": "1"},
                {"role": "assistant", "content": "21 degrees."},
            ],
            "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}],
        },
    ]

    messages: str = Field("messages", description="Column with the list of messages.")
    role: str = Field("role", description="Key of a message that says who speaks.")
    content: str = Field("content", description="Key of a message that holds its text.")
    system: str = Field("", description="Column with a system prompt beside the messages; may be empty.")
    tools: str = Field("", description="Column with the tools, a list of functions or its JSON text; may be empty.")

    @classmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        column = turns_with(columns, sample, "role", "content")
        if not column:
            return None, "Messages need a column with a list of role and content."
        system, tools = pick(columns, "system", "system_prompt"), tools_column(columns, sample)
        found = cls(messages=column, system=system, tools=tools)
        return found, f"The column {column!r} holds messages with role and content."

    def columns_used(self) -> list[str]:
        return [name for name in (self.messages, self.system, self.tools) if name]

    def layout(self) -> Layout | None:
        if self.keep_columns or {self.role, self.content} & {*SPECIAL} or self.role == self.content:
            return None
        empty = tuple(name for name in (self.system, self.tools) if name)
        return Layout(self.messages, self.role, self.content, ROLES, empty)

    def convert(self, row: Row) -> Row:
        messages = message_list(cell(row, self.messages), self.messages, self.role, self.content)
        return self.made(row, {"messages": with_system(optional(row, self.system), messages)})
