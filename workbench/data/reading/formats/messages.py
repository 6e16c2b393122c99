"""Messages (ChatML, OpenAI): a list of role and content."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field

from workbench.core.display import Display
from workbench.data.reading.column_account import turns_in
from workbench.data.reading.format import FORMATS, Format, Row, cell, columns_beside, optional, pick, values_of
from workbench.data.reading.jsonl_fast import SPECIAL_KEYS, PlainLayout
from workbench.rows.canonical import ROLES, Kind, message_list, with_system

NAMES = ("messages", "conversations", "conversation", "dialogue", "dialog")


def turns_with(columns: list[str], sample: list[Row], role_key: str, content_key: str) -> str:
    """The column that holds turns with these two keys; '' if none does."""
    for name in NAMES:
        column = pick(columns, name)
        if any(_is_spoken(value, role_key, content_key) for value in values_of(sample, column)):
            return column
    return ""


def _is_spoken(value: Any, role_key: str, content_key: str) -> bool:
    turns = turns_in(value)
    return bool(turns) and role_key in turns[0] and any(content_key in turn for turn in turns)


def has_answers(sample: list[Row], column: str, role_key: str) -> bool:
    """Whether some row of the sample has a turn of the assistant."""
    roles = {str(turn.get(role_key)).strip().lower() for value in values_of(sample, column) for turn in turns_in(value)}
    return any(ROLES.get(role) == "assistant" for role in roles)


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

    messages: Annotated[str, Display(control="column")] = Field(
        "messages", title="Messages", description="Column with the list of messages."
    )
    role: str = Field("role", title="Role key", description="Key of a message that says who speaks.")
    content: str = Field("content", title="Text key", description="Key of a message that holds its text.")
    system: Annotated[str, Display(control="column")] = Field(
        "", title="System prompt", description="Column with a system prompt beside the messages; may be empty."
    )
    tools: Annotated[str, Display(control="column")] = Field(
        "", title="Tools", description="Column with the tools, a list of functions or its JSON text; may be empty."
    )

    @classmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        column = turns_with(columns, sample, "role", "content")
        if not column:
            return None, "Messages need a column with a list of role and content."
        if not has_answers(sample, column, "role"):
            return None, f"No row has an answer in {column!r}."
        form = cls(messages=column, **columns_beside(columns, sample))
        return form, f"The column {column!r} holds messages with role and content."

    def turn_keys(self) -> dict[str, tuple[str, str]]:
        return {self.messages: (self.role, self.content)}

    def layout(self) -> PlainLayout | None:
        if {self.role, self.content} & {*SPECIAL_KEYS} or self.role == self.content:
            return None
        empty = tuple(name for name in (self.system, self.tools, self.weight) if name)
        return PlainLayout(self.messages, self.role, self.content, ROLES, empty)

    def convert(self, row: Row) -> Row:
        messages = message_list(cell(row, self.messages), self.messages, self.role, self.content)
        return self.complete_row(row, {"messages": with_system(optional(row, self.system), messages)})
