"""LLaMA-Factory's unpaired preferences: a conversation whose last turn is good or bad."""

from typing import Annotated, ClassVar, Self

from pydantic import Field

from workbench.core.display import Display
from workbench.data.reading.columns import VERDICTS, verdict_of
from workbench.data.reading.format import FORMATS, Row, cell, columns_beside, optional, verdict_column
from workbench.data.reading.formats._tagged import Tagged, tagged_turns
from workbench.rows.canonical import Kind, with_system


@FORMATS.register
class ShareGPTUnpaired(Tagged):
    """A list of turns and a mark (kto_tag) that says whether the last one is good, a row.

    https://llamafactory.readthedocs.io/en/latest/getting_started/data_preparation.html
    """

    method = "sharegpt_unpaired"
    title = "ShareGPT unpaired (conversations, kto_tag)"
    kind: ClassVar[Kind] = "unpaired"
    rank: ClassVar[int] = 6
    examples: ClassVar[list[Row]] = [
        {
            "conversations": [{"from": "human", "value": "Name a tree."}, {"from": "gpt", "value": "Larch."}],
            "kto_tag": True,
        },
        {
            "messages": [{"role": "user", "content": "Name a tree."}, {"role": "assistant", "content": "Granite."}],
            "kto_tag": False,
        },
    ]

    label: Annotated[str, Display(control="column")] = Field(
        "kto_tag", title="Verdict", description="Column with the verdict, true or false: whether the last turn is good."
    )

    @classmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        (column, role, content), label = tagged_turns(columns, sample), verdict_column(columns, sample, *VERDICTS)
        if not (column and label):
            return None, "ShareGPT unpaired needs a column of turns, and one that says good or bad, such as kto_tag."
        form = cls(
            conversations=column, role_tag=role, content_tag=content, label=label,
            **columns_beside(columns, sample),
        )  # fmt: skip
        return form, f"The column {column!r} holds turns, and {label!r} says whether the last is good."

    def convert(self, row: Row) -> Row:
        messages = with_system(optional(row, self.system), self.turns(row))
        label = verdict_of(cell(row, self.label), self.label)
        return self.complete_row(row, {"prompt": messages[:-1], "completion": messages[-1:], "label": label})
