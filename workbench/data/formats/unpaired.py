"""Unpaired preferences: a prompt, one completion, and whether it is a good one."""

from typing import Any, ClassVar, Self

from pydantic import Field

from workbench.data.canonical import Kind, Message, with_system
from workbench.data.format import FORMATS, Format, Row, cell, first_value, optional, pick, tools_column
from workbench.data.formats._asking import with_input
from workbench.data.formats.prompt_completion import turns
from workbench.data.values import full_text, short
from workbench.errors import UserError

WORDS = {"true": True, "false": False, "1": True, "0": False}


def label_of(value: Any, what: str) -> bool:
    """True or false from true, false, 1, 0 or their text, as CSV has them. Raises `UserError`."""
    word = str(value).strip().lower() if isinstance(value, bool | int | str) else ""
    if word not in WORDS:
        raise UserError(f"{what} is {short(value)}, not true or false.", "true means a good completion.")
    return WORDS[word]


def _is_label(column: str, value: Any) -> bool:
    """Whether a column marks good and bad: one named label only when it says true or false in so many words."""
    word = str(value).strip().lower()
    return word in WORDS if column.strip().lower() == "kto_tag" else word in ("true", "false")


@FORMATS.register
class Unpaired(Format):
    """A prompt, a completion and a label (good or bad) a row, the first two text or messages, as KTO takes them.

    https://huggingface.co/docs/trl/dataset_formats#unpaired-preference
    """

    method = "unpaired"
    title = "Unpaired preferences (prompt, completion, label)"
    kind: ClassVar[Kind] = "unpaired"
    rank: ClassVar[int] = 5
    examples: ClassVar[list[Row]] = [
        {"prompt": "Name a fruit.", "completion": "Pear.", "label": True},
        {
            "prompt": [{"role": "user", "content": "Name a fruit."}],
            "completion": [{"role": "assistant", "content": "Chair."}],
            "label": False,
        },
        {"instruction": "Add the numbers.", "input": "2 and 3", "output": "5", "kto_tag": True},
    ]

    prompt: str = Field("prompt", description="Column with the prompt.")
    input: str = Field("", description="Column whose text follows the prompt; may be empty or missing.")
    completion: str = Field("completion", description="Column with the completion.")
    label: str = Field("label", description="Column that says whether the completion is good: true or false.")
    system: str = Field("system", description="Column with the system prompt; may be missing.")
    tools: str = Field("", description="Column with the tools, a list of functions or its JSON text; may be empty.")

    @classmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        label = pick(columns, "kto_tag", "label")
        prompt = pick(columns, "prompt", "instruction", "question", "query")
        completion = pick(columns, "completion", "output", "response", "answer")
        if not (prompt and completion and label and _is_label(label, first_value(sample, label))):
            return None, "Unpaired preferences need a prompt, a completion, and a label of true or false."
        found = cls(
            prompt=prompt, completion=completion, label=label, system=pick(columns, "system", "system_prompt"),
            input=pick(columns, "input") if prompt.lower() == "instruction" else "",
            tools=tools_column(columns, sample),
        )  # fmt: skip
        return found, f"The column {label!r} says which of the completions in {completion!r} are good."

    def convert(self, row: Row) -> Row:
        completion = turns(cell(row, self.completion), "assistant", self.completion)
        label = label_of(cell(row, self.label), self.label)
        prompt = with_system(optional(row, self.system), self._prompt(row))
        return self.made(row, {"prompt": prompt, "completion": completion, "label": label})

    def _prompt(self, row: Row) -> list[Message]:
        given, extra = cell(row, self.prompt), optional(row, self.input)
        if extra is not None:
            given = with_input(full_text(given, self.prompt), extra, self.input)
        return turns(given, "user", self.prompt)
