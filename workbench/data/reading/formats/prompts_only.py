"""Prompts alone: what models are asked when they are compared."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field

from workbench.core.display import ADVANCED, Display
from workbench.data.reading.format import FORMATS, Format, Row, cell, columns_beside, first_value, optional, pick
from workbench.data.reading.formats._asking import JSON_TURNS, asked, holds_json_turns
from workbench.data.reading.formats.messages import turns_with
from workbench.rows.canonical import Kind, with_system


@FORMATS.register
class PromptsOnly(Format):
    """A prompt without an answer a row: text, or messages that end with a user turn.

    https://huggingface.co/docs/trl/dataset_formats#prompt-only
    """

    method = "prompts_only"
    title = "Prompts only"
    kind: ClassVar[Kind] = "prompts"
    rank: ClassVar[int] = 0
    poor: ClassVar[bool] = True
    examples: ClassVar[list[Row]] = [
        {"prompt": "Why is the sky blue?"},
        {"prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Name a star."}]},
    ]

    prompt: Annotated[str, Display(control="column")] = Field(
        "prompt", title="Prompt", description="Column with the prompt: text, or messages ending with a user turn."
    )
    input: Annotated[str, Display(control="column")] = Field(
        "", title="Input", description="Column with the text that follows the prompt; may be empty or missing."
    )
    system: Annotated[str, Display(control="column")] = Field(
        "system", title="System prompt", description="Column with the system prompt; may be missing."
    )
    tools: Annotated[str, Display(control="column")] = Field(
        "", title="Tools", description="Column with the tools, a list of functions or its JSON text; may be empty."
    )
    json_turns: Annotated[bool, ADVANCED] = Field(False, title="Messages as JSON text", description=JSON_TURNS)

    @classmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        turns = turns_with(columns, sample, "role", "content")
        column = turns or pick(columns, "prompt", "instruction", "question", "query")
        value: Any = first_value(sample, column) if column else None
        if value is None:
            return None, "Prompts need a column named prompt, instruction or question."
        form = cls(
            prompt=column, input=pick(columns, "input", "context"),
            json_turns=holds_json_turns(sample, column), **columns_beside(columns, sample),
        )  # fmt: skip
        return form, f"The column {column!r} holds prompts."

    def turn_keys(self) -> dict[str, tuple[str, str]]:
        return {self.prompt: ("role", "content")}

    def convert(self, row: Row) -> Row:
        prompt = asked(cell(row, self.prompt), optional(row, self.input), self.prompt, self.input, self.json_turns)
        return self.complete_row(row, {"prompt": with_system(optional(row, self.system), prompt)})
