"""Conversations whose keys and speakers go by names of their own, as LLaMA-Factory's `tags` describe them."""

from typing import Annotated, Any

from pydantic import Field

from workbench.core.display import ADVANCED, Display
from workbench.core.errors import UserError
from workbench.data.reading.format import Format, Row, cell, first_value
from workbench.data.reading.formats.messages import turns_with
from workbench.rows.canonical import ROLES, Message, from_json, message_list
from workbench.rows.tools import tool_calls_of

KEYS = (("from", "value"), ("role", "content"))


class Tagged(Format):
    """A column of turns, the keys in them, and what each speaker is called.

    https://llamafactory.readthedocs.io/en/latest/getting_started/data_preparation.html
    """

    conversations: Annotated[str, Display(control="column")] = Field(
        "conversations", title="Conversations", description="Column with the list of turns."
    )
    role_tag: str = Field("from", title="Role key", description="Key of a turn that says who speaks.")
    content_tag: str = Field("value", title="Text key", description="Key of a turn that holds its text.")
    user_tag: str = Field(
        "human", title="User role name",
        description="What the user is called in the role key; several names with commas between.",
    )  # fmt: skip
    assistant_tag: str = Field(
        "gpt", title="Assistant role name",
        description="What the assistant is called in the role key; several names with commas between.",
    )  # fmt: skip
    observation_tag: Annotated[str, ADVANCED] = Field(
        "observation", title="Tool result role name",
        description="What the result of a tool is called in the role key; several names with commas between.",
    )  # fmt: skip
    function_tag: Annotated[str, ADVANCED] = Field(
        "function_call", title="Tool call role name",
        description="What a tool call is called in the role key; the turn's text is the call, as JSON.",
    )  # fmt: skip
    system_tag: Annotated[str, ADVANCED] = Field(
        "system", title="System role name",
        description="What the system prompt is called in the role key; several names with commas between.",
    )  # fmt: skip
    system: Annotated[str, Display(control="column")] = Field(
        "", title="System prompt", description="Column with a system prompt beside the turns; may be empty."
    )
    tools: Annotated[str, Display(control="column")] = Field(
        "", title="Tools", description="Column with the tools, a list of functions or its JSON text; may be empty."
    )

    def turn_keys(self) -> dict[str, tuple[str, str]]:
        return {self.conversations: (self.role_tag, self.content_tag)}

    def speakers(self) -> dict[str, str]:
        """The canonical role of every speaker: the tags, and the usual aliases beside them."""
        tags = {
            self.user_tag: "user",
            self.assistant_tag: "assistant",
            self.observation_tag: "tool",
            self.system_tag: "system",
        }
        named = {name.strip().lower(): role for tag, role in tags.items() for name in tag.split(",")}
        return {**ROLES, **{name: role for name, role in named.items() if name}}

    def turns(self, row: Row) -> list[Message]:
        """The messages of the conversation column. Raises `UserError`."""
        return self.messages_of(cell(row, self.conversations), self.conversations)

    def messages_of(self, value: Any, field_name: str) -> list[Message]:
        """Messages from a list of turns, a single one, or their JSON text. Raises `UserError`."""
        read = from_json(value)
        items = [read] if isinstance(read, dict) else read
        if isinstance(items, list):
            items = [self._renamed(item, f"{field_name}[{index}]") for index, item in enumerate(items)]
        return message_list(items, field_name, self.role_tag, self.content_tag)

    def _renamed(self, item: Any, field_name: str) -> Any:
        """A turn with its speaker's canonical role, a call of a tool as `tool_calls`."""
        speaker = item.get(self.role_tag) if isinstance(item, dict) else None
        if not isinstance(speaker, str):
            return item
        name = speaker.strip().lower()
        if self.function_tag and name == self.function_tag.strip().lower():
            calls = tool_calls_of(item.get(self.content_tag), field_name)
            if not calls:
                raise UserError(f"{field_name} calls no tool.", "Write the call as {name, arguments}.")
            return {**item, self.role_tag: "assistant", self.content_tag: "", "tool_calls": calls}
        return {**item, self.role_tag: self.speakers().get(name, speaker)}


def tagged_turns(columns: list[str], sample: list[Row]) -> tuple[str, str, str]:
    """The column of turns with its two keys, from and value or role and content; empty texts when there is none."""
    for role, content in KEYS:
        if column := turns_with(columns, sample, role, content):
            return column, role, content
    return "", "", ""


def single_turn(sample: list[Row], column: str, role: str, content: str) -> bool:
    """Whether a column holds one turn a row, not a list."""
    value = from_json(first_value(sample, column)) if column else None
    return isinstance(value, dict) and role in value and content in value
