"""Prompt and completion: a question column and an answer column, as text or as messages."""

from typing import Any, ClassVar, Self

from pydantic import Field

from workbench.data.canonical import Kind, Message, from_json, message, message_list, with_system
from workbench.data.format import FORMATS, Format, Row, cell, optional, pick, tools_column

PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("prompt", "answer"),
    ("prompt", "output"),
    ("question", "answer"),
    ("question", "response"),
    ("query", "response"),
    ("query", "answer"),
    ("instruction", "completion"),
    ("instruction", "answer"),
    ("input", "output"),
    ("problem", "solution"),
    ("user", "assistant"),
)


def turns(value: Any, role: str, what: str) -> list[Message]:
    """Messages as they are, or a text as the single message of that role. Raises `UserError`."""
    read = from_json(value)
    first = read[0] if isinstance(read, list) and read else read
    spoken = isinstance(first, dict) and "role" in first
    return message_list(read, what) if spoken else [message(role, value, what)]


@FORMATS.register
class PromptCompletion(Format):
    """A prompt and its completion (or question and answer) a row, each text or messages.

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

    prompt: str = Field("prompt", description="Column with the prompt or question.")
    completion: str = Field("completion", description="Column with the completion or answer.")
    system: str = Field("system", description="Column with the system prompt; may be missing.")
    tools: str = Field("", description="Column with the tools, a list of functions or its JSON text; may be empty.")

    @classmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        for asked, answered in PAIRS:
            prompt, completion = pick(columns, asked), pick(columns, answered)
            if prompt and completion:
                system, tools = pick(columns, "system", "system_prompt"), tools_column(columns, sample)
                found = cls(prompt=prompt, completion=completion, system=system, tools=tools)
                return found, f"The columns {prompt!r} and {completion!r} are a prompt and its completion."
        return None, "A prompt column and a completion column are needed, such as question and answer."

    def convert(self, row: Row) -> Row:
        asked = turns(cell(row, self.prompt), "user", self.prompt)
        answered = turns(cell(row, self.completion), "assistant", self.completion)
        return self.made(row, {"messages": with_system(optional(row, self.system), asked + answered)})
