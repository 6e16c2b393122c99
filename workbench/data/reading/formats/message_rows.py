"""Messages one a row: the rows of a conversation stand below one another, or are told by its number."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, ClassVar, Self

from pydantic import Field

from workbench.data.reading.column_account import Entry, Keys
from workbench.data.reading.columns import is_missing, plain_name
from workbench.data.reading.format import FORMATS, METADATA, Format, Row, cell, optional, pick, values_of
from workbench.data.reading.lines import Item, ReadRow
from workbench.rows.canonical import ROLES, Kind, message_list
from workbench.rows.values import json_ready

CONVERSATIONS = ("conversation_id", "dialogue_id", "dialog_id", "chat_id", "session_id", "thread_id", "conversation")
KEYS = tuple(
    (role, content)
    for role in ("role", "from", "speaker", "sender", "author")
    for content in ("content", "value", "text", "message", "utterance")
)
MESSAGES = "messages"


@FORMATS.register
class MessageRows(Format):
    """One message a row, with who speaks and what; the rows of one conversation number become one conversation.

    Without such a number all rows are one conversation, and a system prompt begins the next.
    """

    method = "message_rows"
    title = "Messages, one a row"
    kind: ClassVar[Kind] = "conversation"
    rank: ClassVar[int] = 3
    examples: ClassVar[list[Row]] = [{"role": "assistant", "content": "Welcome."}]

    role: str = Field("role", description="Column with who speaks.")
    content: str = Field("content", description="Column with what is said.")
    conversation: str = Field("", description="Column with the number or name of the conversation; may be missing.")

    @classmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        for role, content in KEYS:
            named = pick(columns, role), pick(columns, content)
            if all(named) and _are_roles(values_of(sample, named[0])):
                form = cls(role=named[0], content=named[1], conversation=pick(columns, *CONVERSATIONS))
                grouping = (
                    f"those of one {form.conversation!r} together" if form.conversation else "all one conversation"
                )
                return form, f"The rows are messages, with {named[0]!r} and {named[1]!r}: {grouping}."
        return None, "Messages one a row need a column that says who speaks and one with the text."

    def gather_items(self, items: Iterator[Item]) -> Iterator[Item]:
        """The rows of every conversation as one, at the line of the first; in the order of the first ones."""
        held: dict[str, ReadRow] = {}
        number = 0
        for item in items:
            if not isinstance(item, ReadRow):
                yield item
                continue
            number += not self.conversation and self._begins(item.data)
            key = item.data.get(self.conversation) if self.conversation else number
            outer = {self.conversation: key} if self.conversation else {}
            first = held.setdefault(repr(key), ReadRow(item.line, {**outer, MESSAGES: []}))
            first.data[MESSAGES].append({name: value for name, value in item.data.items() if name not in outer})
        yield from held.values()

    def _begins(self, row: Row) -> bool:
        return ROLES.get(plain_name(str(row.get(self.role)))) == "system"

    @cached_property
    def used(self) -> dict[str, str]:
        return {**super().used, MESSAGES: "messages"}

    def turn_keys(self) -> dict[str, tuple[str, str]]:
        return {MESSAGES: (self.role, self.content)}

    def convert(self, row: Row) -> Row:
        turns = row[MESSAGES] if MESSAGES in row else [{self.role: cell(row, self.role), **row}]
        filled = [{name: value for name, value in turn.items() if not is_missing(value)} for turn in turns]
        messages = message_list(filled, "the conversation", self.role, self.content)
        canonical: Row = {"messages": messages}
        if (number := optional(row, self.conversation)) is not None:
            canonical[METADATA] = {self.conversation: json_ready(number)}
        return self.complete_row(row, canonical)

    def account(self, keys: Keys, file: str = "") -> list[Entry]:
        """As of the rows of the source: the keys of the messages are its columns."""
        entries = super().account(keys, file)
        return [
            Entry(**{**entry.to_dict(), "column": entry.column.removeprefix(f"{MESSAGES}.")})
            for entry in entries
            if entry.column != MESSAGES
        ]


def _are_roles(values: list[Any]) -> bool:
    roles = {plain_name(str(value)) for value in values}
    return bool(roles) and roles <= ROLES.keys()
