"""Plain text: documents to continue training on."""

from typing import Annotated, ClassVar, Self

from pydantic import Field

from workbench.core.display import Display
from workbench.data.reading.format import FORMATS, Format, Row, cell, pick, values_of, weight_column
from workbench.data.reading.formats._asking import transcript
from workbench.data.reading.jsonl_fast import PlainLayout
from workbench.rows.canonical import Kind, full_text


@FORMATS.register
class PlainText(Format):
    """One text a row, trained on from beginning to end.

    https://huggingface.co/docs/trl/dataset_formats#language-modeling
    """

    method = "plain_text"
    title = "Plain text"
    kind: ClassVar[Kind] = "text"
    rank: ClassVar[int] = 1
    poor: ClassVar[bool] = True
    examples: ClassVar[list[Row]] = [{"text": "Moss grows where it is damp."}, {"text": "A second\nparagraph."}]

    text: Annotated[str, Display(control="column")] = Field("text", title="Text", description="Column with the text.")

    @classmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        column = pick(columns, "text", "content", "document")
        if not column:
            return None, "Plain text needs a column named text."
        texts = [value for value in values_of(sample, column) if isinstance(value, str)]
        if texts and all(map(transcript, texts)):
            return None, f"The texts in {column!r} are transcripts of conversations."
        return cls(text=column, weight=weight_column(columns, sample)), f"The column {column!r} holds the text."

    def layout(self) -> PlainLayout | None:
        return PlainLayout(self.text, empty=tuple(filter(None, (self.weight,))))

    def convert(self, row: Row) -> Row:
        return self.complete_row(row, {"text": full_text(cell(row, self.text), self.text)})
