"""Messages one a row: the rows of a conversation stand below one another, or are told by its number."""

import math
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import UserError
from workbench.data.reading.column_account import ColumnEntry, Fate, KeyCounts
from workbench.data.reading.column_hints import words_of
from workbench.data.reading.columns import is_empty, is_missing, number_of, plain_name
from workbench.data.reading.format import FORMATS, METADATA, Format, Row, cell, optional, pick, values_of
from workbench.data.reading.lines import Item, ReadRow, reject
from workbench.rows.canonical import ROLES, Kind, message_list
from workbench.rows.values import json_ready

CONVERSATIONS = {"conversation", "conv", "dialogue", "dialog", "chat", "session", "thread", "ticket", "episode"}
NUMBERS = {"id", "ids", "idx", "index", "number", "num", "no", "uuid", "key", "hash", "name"}
ORDERS = {"turn", "turns", "message", "utterance", "position", "order", "sequence", "seq"}
KEYS = tuple(
    (role, content)
    for role in ("role", "from", "speaker", "sender", "author")
    for content in ("content", "value", "text", "message", "utterance")
)
MESSAGES = "messages"


@FORMATS.register
class MessageRows(Format):
    """One message a row, with who speaks and what; the rows of one conversation number become one conversation.

    Without such a number all rows are one conversation, and a system prompt begins the next, or a message whose place
    is not after the one before it.
    """

    method = "message_rows"
    title = "Messages, one a row"
    kind: ClassVar[Kind] = "conversation"
    rank: ClassVar[int] = 3
    examples: ClassVar[list[Row]] = [{"role": "assistant", "content": "Welcome."}]

    role: Annotated[str, Display(control="column")] = Field("role", title="Role", description="Column with who speaks.")
    content: Annotated[str, Display(control="column")] = Field(
        "content", title="Text", description="Column with what is said."
    )
    conversation: Annotated[str, Display(control="column")] = Field(
        "", title="Conversation", description="Column with the number or name of the conversation; may be missing."
    )
    order: Annotated[str, Display(control="column")] = Field(
        "", title="Order", description="Column with the place of a message in its conversation; may be missing."
    )

    @classmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        for role, content in KEYS:
            named = pick(columns, role), pick(columns, content)
            if all(named) and _are_roles(values_of(sample, named[0])):
                form = cls(
                    role=named[0], content=named[1],
                    conversation=_numbered(columns, *named), order=_order(columns, sample, *named),
                )  # fmt: skip
                grouping = (
                    f"those of one {form.conversation!r} together" if form.conversation else "all one conversation"
                )
                return form, f"The rows are messages, with {named[0]!r} and {named[1]!r}: {grouping}."
        return None, "Messages one a row need a column that says who speaks and one with the text."

    def gather_items(self, items: Iterator[Item]) -> Iterator[Item]:
        """The rows of every conversation as one, at the line of the first; in the order of the first ones."""
        held: dict[str, ReadRow] = {}
        before: Row | None = None
        number = 0
        for item in items:
            if not isinstance(item, ReadRow):
                yield item
                continue
            row = item.data
            number += not self.conversation and self._begins(row, before)
            key = row.get(self.conversation) if self.conversation else number
            if is_empty(key):
                yield reject(item.line, f"the row has no {self.conversation}, so it belongs to no conversation.", row)
                continue
            outer = {self.conversation: key} if self.conversation else {}
            first = held.setdefault(str(key), ReadRow(item.line, {**outer, MESSAGES: []}))
            first.data[MESSAGES].append({name: value for name, value in row.items() if name not in outer})
            before = row
        yield from held.values()

    def _begins(self, row: Row, before: Row | None) -> bool:
        """Whether a message is the first of a conversation that has no number."""
        if ROLES.get(plain_name(str(row.get(self.role)))) == "system":
            return True
        return before is not None and bool(self.order) and _position(row, self.order) <= _position(before, self.order)

    def remarks(self, row: Row) -> Iterable[str]:
        if not (self.conversation or self.order):
            yield "Conversations of rows that no column groups, each up to the next system prompt or the end"

    def _fate(self, path: str) -> Fate:
        if self.order and path == f"{MESSAGES}.{self.order}":
            return Fate("used", "As the place of the message in its conversation.", "order")
        return super()._fate(path)

    @cached_property
    def used(self) -> dict[str, str]:
        return {**super().used, MESSAGES: "messages"}

    def turn_keys(self) -> dict[str, tuple[str, str]]:
        return {MESSAGES: (self.role, self.content)}

    def convert(self, row: Row) -> Row:
        turns = row[MESSAGES] if MESSAGES in row else [{self.role: cell(row, self.role), **row}]
        if self.order:
            turns = sorted(turns, key=lambda turn: number_of(turn.get(self.order), self.order))
        filled = [{name: value for name, value in turn.items() if not is_missing(value)} for turn in turns]
        messages = message_list(filled, "the conversation", self.role, self.content)
        canonical: Row = {"messages": messages}
        if (number := optional(row, self.conversation)) is not None:
            canonical[METADATA] = {self.conversation: json_ready(number)}
        return self.complete_row(row, canonical)

    def account(self, keys: KeyCounts, file: str = "") -> list[ColumnEntry]:
        """As of the rows of the source: the keys of the messages are its columns."""
        entries = super().account(keys, file)
        return [
            ColumnEntry(**{**entry.to_dict(), "column": entry.column.removeprefix(f"{MESSAGES}.")})
            for entry in entries
            if entry.column != MESSAGES
        ]


def _are_roles(values: list[Any]) -> bool:
    roles = {plain_name(str(value)) for value in values}
    return bool(roles) and roles <= ROLES.keys()


def _numbered(columns: list[str], *others: str) -> str:
    """The first column that is named after a conversation and nothing else, such as `conv_id` or `thread`."""
    return next((name for name in columns if name not in others and _names_only(name, CONVERSATIONS)), "")


def _order(columns: list[str], sample: list[Row], *others: str) -> str:
    """The column that numbers the messages of a conversation; '' where a row of the sample has no number there."""
    column = next((name for name in columns if name not in others and _names_only(name, ORDERS)), "")
    return column if column and all(_position(row, column) > -math.inf for row in sample) else ""


def _names_only(name: str, subjects: set[str]) -> bool:
    words = {*words_of(name)}
    return bool(subjects & words) and words <= subjects | NUMBERS


def _position(row: Row, column: str) -> float:
    try:
        return number_of(row.get(column), column)
    except UserError:
        return -math.inf
