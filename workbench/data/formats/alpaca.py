"""Alpaca: an instruction, an optional input, and the output."""

from typing import Any, ClassVar, Self

from pydantic import Field

from workbench.data.canonical import Kind, Message, from_json, full_text, message, short, with_system
from workbench.data.format import FORMATS, Format, Row, cell, optional, pick, tools_column
from workbench.data.formats._asking import with_input
from workbench.errors import UserError


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

    instruction: str = Field("instruction", description="Column with the instruction.")
    input: str = Field("input", description="Column with the input; may be empty or missing.")
    output: str = Field("output", description="Column with the answer.")
    system: str = Field("system", description="Column with the system prompt; may be missing.")
    history: str = Field("history", description="Column with earlier [question, answer] pairs; may be missing.")
    tools: str = Field("", description="Column with the tools, a list of functions or its JSON text; may be empty.")

    @classmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        instruction, output = pick(columns, "instruction"), pick(columns, "output", "response")
        if not (instruction and output):
            return None, "Alpaca needs the columns instruction and output."
        found = cls(
            instruction=instruction,
            output=output,
            input=pick(columns, "input", "context"),
            system=pick(columns, "system", "system_prompt"),
            history=pick(columns, "history"),
            tools=tools_column(columns, sample),
        )
        return found, f"The columns {instruction!r} and {output!r} are Alpaca's."

    def convert(self, row: Row) -> Row:
        question = full_text(cell(row, self.instruction), self.instruction)
        question = with_input(question, optional(row, self.input), self.input)
        answer = cell(row, self.output)
        turns = [message("user", question), message("assistant", answer, self.output)]
        messages = with_system(optional(row, self.system), self._earlier(row) + turns)
        return self.made(row, {"messages": messages})

    def _earlier(self, row: Row) -> list[Message]:
        pairs: Any = from_json(optional(row, self.history))
        if not isinstance(pairs, list | str | None):
            raise UserError(f"{self.history} is {short(pairs)}, not a list of [question, answer] pairs.")
        turns: list[Message] = []
        for pair in pairs or []:
            if not isinstance(pair, list) or len(pair) != 2:
                raise UserError(f"{self.history} holds {short(pair)}, not a [question, answer] pair.")
            turns += [message("user", pair[0], self.history), message("assistant", pair[1], self.history)]
        return turns
