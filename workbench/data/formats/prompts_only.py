"""Prompts alone: what models are asked when they are compared."""

from typing import Any, ClassVar, Self

from pydantic import Field

from workbench.data.canonical import Kind, with_system
from workbench.data.format import FORMATS, Format, Row, cell, first_value, optional, pick, tools_column
from workbench.data.formats.messages import turns_with
from workbench.data.formats.prompt_completion import turns


@FORMATS.register
class PromptsOnly(Format):
    """A prompt without an answer a row: text, or messages that end with a user turn.

    https://huggingface.co/docs/trl/dataset_formats#prompt-only
    """

    method = "prompts_only"
    title = "Prompts only"
    kind: ClassVar[Kind] = "prompts"
    rank: ClassVar[int] = 0
    examples: ClassVar[list[Row]] = [
        {"prompt": "Why is the sky blue?"},
        {"prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Name a star."}]},
    ]

    prompt: str = Field("prompt", description="Column with the prompt: text, or messages ending with a user turn.")
    system: str = Field("system", description="Column with the system prompt; may be missing.")
    tools: str = Field("", description="Column with the tools, a list of functions or its JSON text; may be empty.")

    @classmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        column = turns_with(columns, sample, "role", "content") or pick(
            columns, "prompt", "instruction", "question", "query"
        )
        value: Any = first_value(sample, column) if column else None
        if value is None:
            return None, "Prompts need a column named prompt, instruction or question."
        system, tools = pick(columns, "system", "system_prompt"), tools_column(columns, sample)
        return cls(prompt=column, system=system, tools=tools), f"The column {column!r} holds prompts."

    def convert(self, row: Row) -> Row:
        asked = turns(cell(row, self.prompt), "user", self.prompt)
        return self.made(row, {"prompt": with_system(optional(row, self.system), asked)})
