"""Transcripts: a whole conversation as one text, as in Anthropic's HH sets."""

from typing import Annotated, ClassVar, Self

from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import UserError
from workbench.data.reading.format import FORMATS, Format, Row, cell, columns_beside, optional, pick, values_of
from workbench.data.reading.formats._asking import transcript
from workbench.rows.canonical import Kind, full_text, with_system

NAMES = ("text", "transcript", "conversation", "dialogue", "dialog", "content", "document", "messages")


@FORMATS.register
class Transcript(Format):
    r"""A text of '\n\nHuman: … \n\nAssistant: …' a row.

    https://huggingface.co/datasets/Anthropic/hh-rlhf
    """

    method = "transcript"
    title = "Transcript (Human: …, Assistant: …)"
    kind: ClassVar[Kind] = "conversation"
    rank: ClassVar[int] = 3
    examples: ClassVar[list[Row]] = [{"text": "\n\nHuman: Is ice cold?\n\nAssistant: Yes."}]

    text: Annotated[str, Display(control="column")] = Field(
        "text", title="Transcript", description="Column with the transcript."
    )
    system: Annotated[str, Display(control="column")] = Field(
        "", title="System prompt", description="Column with the system prompt; may be missing."
    )
    tools: Annotated[str, Display(control="column")] = Field(
        "", title="Tools", description="Column with the tools, a list of functions or its JSON text; may be empty."
    )

    @classmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        column = pick(columns, *NAMES)
        texts = [value for value in values_of(sample, column) if isinstance(value, str)]
        if not texts or not all(map(transcript, texts)):
            return None, "Transcripts need a column of texts with Human: and Assistant: before the turns."
        return cls(text=column, **columns_beside(columns, sample)), f"The column {column!r} holds transcripts."

    def convert(self, row: Row) -> Row:
        text = full_text(cell(row, self.text), self.text)
        messages = transcript(text)
        if messages is None:
            raise UserError(f"{self.text} is no transcript.", "Begin it with Human: after a blank line.")
        return self.complete_row(row, {"messages": with_system(optional(row, self.system), messages)})
