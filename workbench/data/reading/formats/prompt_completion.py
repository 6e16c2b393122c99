"""Prompt and completion: a question column and an answer column, as text or as messages."""

from typing import Annotated, ClassVar, Self

from pydantic import Field

from workbench.core.display import ADVANCED, Display
from workbench.data.reading.format import FORMATS, Format, Row, cell, columns_beside, optional, pick
from workbench.data.reading.formats._asking import JSON_TURNS, asked, holds_json_turns, turns_of_role, with_thought
from workbench.rows.canonical import Kind, with_system
from workbench.rows.turn_extras import THOUGHTS

PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("prompt", "answer"),
    ("prompt", "output"),
    ("question", "answer"),
    ("question", "response"),
    ("question", "output"),
    ("query", "response"),
    ("query", "answer"),
    ("instruction", "completion"),
    ("instruction", "answer"),
    ("instruction", "solution"),
    ("input", "output"),
    ("input", "response"),
    ("problem", "solution"),
    ("problem", "answer"),
    ("user", "assistant"),
    ("front", "back"),
    ("document", "summary"),
    ("article", "summary"),
    ("article", "highlights"),
    ("text", "summary"),
    ("dialogue", "summary"),
    ("inputs", "targets"),
    ("problem", "generated_solution"),
)


@FORMATS.register
class PromptCompletion(Format):
    """A prompt and its completion (or question and answer) a row, each text or messages.

    A context or input follows the question after a blank line.
    https://huggingface.co/docs/trl/dataset_formats#prompt-completion
    """

    method = "prompt_completion"
    title = "Prompt and completion"
    kind: ClassVar[Kind] = "conversation"
    rank: ClassVar[int] = 1
    examples: ClassVar[list[Row]] = [
        {"prompt": "The sky is", "completion": "blue."},
        {
            "prompt": [{"role": "user", "content": "Hi"}],
            "completion": [{"role": "assistant", "content": "Hello!"}],
        },
    ]

    prompt: Annotated[str, Display(control="column")] = Field(
        "prompt", title="Prompt", description="Column with the prompt or question."
    )
    input: Annotated[str, Display(control="column")] = Field(
        "", title="Input", description="Column with the text that follows the prompt; may be empty or missing."
    )
    completion: Annotated[str, Display(control="column")] = Field(
        "completion", title="Completion", description="Column with the completion or answer."
    )
    reasoning: Annotated[str, Display(control="column")] = Field(
        "", title="Reasoning", description="Column with the reasoning before the answer; may be missing."
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
        for question, answer in PAIRS:
            prompt, completion = pick(columns, question), pick(columns, answer)
            if prompt and completion:
                form = cls(
                    prompt=prompt,
                    completion=completion,
                    input=next((name for name in (pick(columns, "input", "context"),) if name != prompt), ""),
                    reasoning=pick(columns, *THOUGHTS),
                    json_turns=holds_json_turns(sample, prompt, completion),
                    **columns_beside(columns, sample),
                )
                return form, f"The columns {prompt!r} and {completion!r} are a prompt and its completion."
        return None, "A prompt column and a completion column are needed, such as question and answer."

    def turn_keys(self) -> dict[str, tuple[str, str]]:
        return dict.fromkeys((self.prompt, self.completion), ("role", "content"))

    def convert(self, row: Row) -> Row:
        question = asked(cell(row, self.prompt), optional(row, self.input), self.prompt, self.input, self.json_turns)
        answer = turns_of_role(cell(row, self.completion), "assistant", self.completion, self.json_turns)
        answer[-1] = with_thought(answer[-1], optional(row, self.reasoning), self.reasoning)
        return self.complete_row(row, {"messages": with_system(optional(row, self.system), question + answer)})
