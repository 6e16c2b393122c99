"""SQuAD: a passage, a question about it, and the words of the passage that answer it."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import UserError
from workbench.data.reading.columns import is_empty
from workbench.data.reading.format import FORMATS, METADATA, Format, Row, cell, first_value, pick
from workbench.data.reading.formats._asking import asked
from workbench.rows.canonical import Kind, message
from workbench.rows.values import from_json, json_ready


@FORMATS.register
class Squad(Format):
    """A question, the passage it is about, and its answers a row; the first answer is learned, all stay in metadata.

    Questions without an answer are kept aside. https://rajpurkar.github.io/SQuAD-explorer/
    """

    method = "squad"
    title = "SQuAD (question, context, answers)"
    kind: ClassVar[Kind] = "conversation"
    rank: ClassVar[int] = 4
    examples: ClassVar[list[Row]] = [
        {"question": "What grows?", "context": "Moss grows.", "answers": {"text": ["Moss"], "answer_start": [0]}},
        {"question": "What grows?", "context": "Moss grows.", "answers": [{"text": "Moss", "answer_start": 0}]},
    ]

    question: Annotated[str, Display(control="column")] = Field(
        "question", title="Question", description="Column with the question."
    )
    context: Annotated[str, Display(control="column")] = Field(
        "context", title="Passage", description="Column with the passage, which follows the question."
    )
    answers: Annotated[str, Display(control="column")] = Field(
        "answers", title="Answers", description="Column with the answers: texts and where they begin."
    )

    @classmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        question, context, answers = (pick(columns, name) for name in ("question", "context", "answers"))
        if not (question and context and answers) or _texts(first_value(sample, answers)) is None:
            return None, "SQuAD needs the columns question, context and answers."
        return cls(question=question, context=context, answers=answers), f"The column {answers!r} is SQuAD's."

    def convert(self, row: Row) -> Row:
        answers = from_json(cell(row, self.answers))
        texts = _texts(answers)
        if not texts:
            raise UserError("the question has no answer in the passage.", "Only answered questions are learned.")
        prompt = asked(cell(row, self.question), cell(row, self.context), self.question, self.context)
        turns = [*prompt, message("assistant", texts[0], self.answers)]
        return self.complete_row(row, {"messages": turns, METADATA: {self.answers: json_ready(answers)}})


def _texts(value: Any) -> list[Any] | None:
    """The texts of the answers; None when the value is no such answers."""
    read = from_json(value)
    if isinstance(read, dict) and isinstance(read.get("text"), list):
        return list(read["text"])
    if isinstance(read, list) and all(isinstance(answer, dict) and "text" in answer for answer in read):
        return [answer["text"] for answer in read if not is_empty(answer["text"])]
    return None
