"""LLaMA-Factory's preference pairs: a conversation, and two turns that could end it."""

from typing import Annotated, ClassVar, Self

from pydantic import Field

from workbench.core.display import Display
from workbench.data.reading.format import FORMATS, Row, cell, columns_beside, optional, pick
from workbench.data.reading.formats._tagged import Tagged, single_turn, tagged_turns
from workbench.rows.canonical import Kind, with_system


@FORMATS.register
class ShareGPTPairs(Tagged):
    """A list of turns, and a chosen and a rejected turn to follow them, a row.

    https://llamafactory.readthedocs.io/en/latest/getting_started/data_preparation.html
    """

    method = "sharegpt_pairs"
    title = "ShareGPT pairs (conversations, chosen, rejected)"
    kind: ClassVar[Kind] = "preference"
    rank: ClassVar[int] = 6
    examples: ClassVar[list[Row]] = [
        {
            "conversations": [{"from": "human", "value": "Name a tree."}],
            "chosen": {"from": "gpt", "value": "Larch."},
            "rejected": {"from": "gpt", "value": "Granite."},
        }
    ]

    chosen: Annotated[str, Display(control="column")] = Field(
        "chosen", title="Chosen turn", description="Column with the preferred turn."
    )
    rejected: Annotated[str, Display(control="column")] = Field(
        "rejected", title="Rejected turn", description="Column with the other turn."
    )

    @classmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        column, role, content = tagged_turns(columns, sample)
        sides = [pick(columns, name) for name in ("chosen", "rejected")]
        if not column or not all(single_turn(sample, side, role, content) for side in sides):
            return None, "ShareGPT pairs need a column of turns, and chosen and rejected with one turn each."
        form = cls(
            conversations=column, role_tag=role, content_tag=content, chosen=sides[0], rejected=sides[1],
            **columns_beside(columns, sample),
        )  # fmt: skip
        return form, f"The columns {sides[0]!r} and {sides[1]!r} hold turns that follow {column!r}."

    def turn_keys(self) -> dict[str, tuple[str, str]]:
        return {**super().turn_keys(), **dict.fromkeys((self.chosen, self.rejected), (self.role_tag, self.content_tag))}

    def convert(self, row: Row) -> Row:
        prompt = with_system(optional(row, self.system), self.turns(row))
        chosen, rejected = (self.messages_of(cell(row, side), side) for side in (self.chosen, self.rejected))
        return self.complete_row(row, {"prompt": prompt, "chosen": chosen, "rejected": rejected})
