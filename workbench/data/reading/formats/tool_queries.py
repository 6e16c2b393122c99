"""xLAM: a query, the tools there are, and the calls that answer it."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import UserError
from workbench.data.reading.format import FORMATS, Format, Row, cell, first_value, pick, tools_column
from workbench.rows.canonical import Kind, full_text, message
from workbench.rows.tools import tool_calls_of


@FORMATS.register
class ToolQueries(Format):
    """A query, its tools, and as its answer the calls of them a row, lists or their JSON text.

    https://huggingface.co/datasets/Salesforce/xlam-function-calling-60k
    """

    method = "tool_queries"
    title = "Queries with tools (xLAM: query, tools, answers)"
    kind: ClassVar[Kind] = "conversation"
    rank: ClassVar[int] = 4
    examples: ClassVar[list[Row]] = [
        {
            "query": "How warm is it in Bonn?",
            "tools": '[{"name": "weather", "description": "Tells it.", "parameters": {"city": {"type": "string"}}}]',
            "answers": '[{"name": "weather", "arguments": {"city": "Bonn"}}]',
        }
    ]

    query: Annotated[str, Display(control="column")] = Field(
        "query", title="Query", description="Column with the query."
    )
    tools: Annotated[str, Display(control="column")] = Field(
        "tools", title="Tools", description="Column with the tools, a list of functions or its JSON text."
    )
    calls: Annotated[str, Display(control="column")] = Field(
        "answers", title="Tool calls", description="Column with the calls that answer it, a list or its JSON text."
    )

    @classmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        query, tools = pick(columns, "query", "question", "prompt"), tools_column(columns, sample)
        calls = pick(columns, "answers", "tool_calls", "calls")
        if not (query and tools and calls and _are_calls(first_value(sample, calls))):
            return None, "Queries with tools need a query, tools, and calls as answers."
        return cls(query=query, tools=tools, calls=calls), f"The column {calls!r} holds calls of the tools."

    def convert(self, row: Row) -> Row:
        calls = tool_calls_of(cell(row, self.calls), self.calls)
        if not calls:
            raise UserError(f"{self.calls} calls no tool.", "Write the calls as {name, arguments}.")
        answer = {"role": "assistant", "content": "", "tool_calls": calls}
        question = message("user", full_text(cell(row, self.query), self.query), self.query)
        return self.complete_row(row, {"messages": [question, answer]})


def _are_calls(value: Any) -> bool:
    try:
        return bool(tool_calls_of(value))
    except UserError:
        return False
