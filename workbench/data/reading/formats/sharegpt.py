"""ShareGPT: conversations of from and value."""

from typing import ClassVar, Self

from workbench.data.reading.format import FORMATS, Row, columns_beside, optional
from workbench.data.reading.formats._tagged import Tagged
from workbench.data.reading.formats.messages import turns_with
from workbench.data.reading.jsonl_fast import SPECIAL_KEYS, PlainLayout
from workbench.rows.canonical import Kind, with_system


@FORMATS.register
class ShareGPT(Tagged):
    """A list of turns with from (human, gpt, observation, function_call, system) and value a row.

    Other keys and speakers are told by the tags.
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
        {
            "conversations": [
                {"from": "human", "value": "How warm is it?"},
                {"from": "function_call", "value": '{"name": "weather", "arguments": {"city": "Bonn"}}'},
                {"from": "observation", "value": "21"},
                {"from": "gpt", "value": "21 degrees."},
            ],
            "tools": '[{"name": "weather", "parameters": {"type": "object"}}]',
        },
    ]

    @classmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        column = turns_with(columns, sample, "from", "value")
        if not column:
            return None, "ShareGPT needs a column with a list of from and value."
        form = cls(conversations=column, **columns_beside(columns, sample))
        return form, f"The column {column!r} holds turns with from and value."

    def layout(self) -> PlainLayout | None:
        if {self.role_tag, self.content_tag} & {*SPECIAL_KEYS} or self.role_tag == self.content_tag:
            return None
        roles = {
            speaker: role for speaker, role in self.speakers().items() if speaker != self.function_tag.strip().lower()
        }
        empty = tuple(name for name in (self.system, self.tools, self.weight) if name)
        return PlainLayout(self.conversations, self.role_tag, self.content_tag, roles, empty)

    def convert(self, row: Row) -> Row:
        return self.complete_row(row, {"messages": with_system(optional(row, self.system), self.turns(row))})
