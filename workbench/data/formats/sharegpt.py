"""ShareGPT: conversations of from and value."""

from typing import ClassVar, Self

from pydantic import Field

from workbench.data.canonical import Kind, check, message_list, with_system
from workbench.data.format import FORMATS, Format, Row, cell, optional, pick
from workbench.data.formats.messages import turns_with


@FORMATS.register
class ShareGPT(Format):
    """A list of turns with from (human, gpt, system) and value a row.

    https://llamafactory.readthedocs.io/en/latest/getting_started/data_preparation.html
    """

    method = "sharegpt"
    title = "ShareGPT (from, value)"
    kind: ClassVar[Kind] = "conversation"
    rank: ClassVar[int] = 4
    examples: ClassVar[list[Row]] = [
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello!"}]},
        {
            "conversations": [
                {"from": "system", "value": "Be brief."},
                {"from": "human", "value": "Name a tree."},
                {"from": "gpt", "value": "Larch."},
            ]
        },
    ]

    conversations: str = Field("conversations", description="Column with the list of turns.")
    speaker: str = Field("from", description="Key of a turn that says who speaks.")
    value: str = Field("value", description="Key of a turn that holds its text.")
    system: str = Field("", description="Column with a system prompt beside the turns; may be empty.")

    @classmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        column = turns_with(columns, sample, "from", "value")
        if not column:
            return None, "ShareGPT needs a column with a list of from and value."
        found = cls(conversations=column, system=pick(columns, "system", "system_prompt"))
        return found, f"The column {column!r} holds turns with from and value."

    def columns_used(self) -> list[str]:
        return [name for name in (self.conversations, self.system) if name]

    def convert(self, row: Row) -> Row:
        messages = message_list(cell(row, self.conversations), self.conversations, self.speaker, self.value)
        return check("conversation", {"messages": with_system(optional(row, self.system), messages)})
