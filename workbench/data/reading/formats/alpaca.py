"""Alpaca: an instruction, an optional input, and the output."""

from typing import Annotated, ClassVar, Self

from pydantic import Field

from workbench.core.display import Display
from workbench.data.reading.format import FORMATS, Format, Row, cell, columns_beside, optional, pick
from workbench.data.reading.formats._asking import earlier_turns, with_input, with_thought
from workbench.rows.canonical import Kind, full_text, message, with_system
from workbench.rows.turn_extras import THOUGHTS

ANSWERS = ("output", "response", "answer", "completion")


@FORMATS.register
class Alpaca(Format):
    """One instruction, an optional input and its output a row.

    The input follows the instruction after a blank line. https://github.com/tatsu-lab/stanford_alpaca
    """

    method = "alpaca"
    title = "Alpaca (instruction, input, output)"
    kind: ClassVar[Kind] = "conversation"
    rank: ClassVar[int] = 2
    examples: ClassVar[list[Row]] = [
        {"instruction": "Add the numbers.", "input": "2 and 3", "output": "5"},
        {"instruction": "Say hello.", "input": "", "output": "Hello!", "system": "Be brief."},
        {"instruction": "And now?", "output": "7", "history": [["What is 2 + 3?", "5"]]},
    ]

    instruction: Annotated[str, Display(control="column")] = Field(
        "instruction", title="Instruction", description="Column with the instruction."
    )
    input: Annotated[str, Display(control="column")] = Field(
        "input", title="Input", description="Column with the input; may be empty or missing."
    )
    output: Annotated[str, Display(control="column")] = Field(
        "output", title="Answer", description="Column with the answer."
    )
    reasoning: Annotated[str, Display(control="column")] = Field(
        "", title="Reasoning", description="Column with the reasoning before the answer; may be missing."
    )
    system: Annotated[str, Display(control="column")] = Field(
        "system", title="System prompt", description="Column with the system prompt; may be missing."
    )
    history: Annotated[str, Display(control="column")] = Field(
        "history", title="History", description="Column with earlier [question, answer] pairs; may be missing."
    )
    tools: Annotated[str, Display(control="column")] = Field(
        "", title="Tools", description="Column with the tools, a list of functions or its JSON text; may be empty."
    )

    @classmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        instruction, output = pick(columns, "instruction"), pick(columns, *ANSWERS)
        history = pick(columns, "history")
        if history and not instruction:
            instruction = pick(columns, "prompt", "question", "query")
        if not (instruction and output):
            return None, "Alpaca needs the columns instruction and output."
        form = cls(
            instruction=instruction,
            output=output,
            input=pick(columns, "input", "context"),
            reasoning=pick(columns, *THOUGHTS),
            history=history,
            **columns_beside(columns, sample),
        )
        return form, f"The columns {instruction!r} and {output!r} are Alpaca's."

    def convert(self, row: Row) -> Row:
        question = full_text(cell(row, self.instruction), self.instruction)
        question = with_input(question, optional(row, self.input), self.input)
        answer = message("assistant", cell(row, self.output), self.output)
        answer = with_thought(answer, optional(row, self.reasoning), self.reasoning)
        earlier = earlier_turns(optional(row, self.history), self.history)
        turns = [*earlier, message("user", question), answer]
        return self.complete_row(row, {"messages": with_system(optional(row, self.system), turns)})
