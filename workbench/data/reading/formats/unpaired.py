"""Unpaired preferences: a prompt, one completion, and whether it is a good one."""

from typing import Annotated, ClassVar, Self

from pydantic import Field

from workbench.core.display import ADVANCED, Display
from workbench.data.reading.columns import VERDICTS, verdict_of
from workbench.data.reading.format import FORMATS, Format, Row, cell, columns_beside, optional, pick, verdict_column
from workbench.data.reading.formats._asking import JSON_TURNS, asked, holds_json_turns, turns_of_role
from workbench.data.reading.formats.prompt_completion import PAIRS
from workbench.rows.canonical import Kind, with_system


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
        {"question": "Is ice cold?", "answer": "No.", "rating": 0},
    ]

    prompt: Annotated[str, Display(control="column")] = Field(
        "prompt", title="Prompt", description="Column with the prompt."
    )
    input: Annotated[str, Display(control="column")] = Field(
        "", title="Input", description="Column with the text that follows the prompt; may be empty or missing."
    )
    completion: Annotated[str, Display(control="column")] = Field(
        "completion", title="Completion", description="Column with the completion."
    )
    label: Annotated[str, Display(control="column")] = Field(
        "label", title="Verdict", description="Column with the verdict, true or false: whether the completion is good."
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
        label = verdict_column(columns, sample, *VERDICTS)
        prompt = pick(columns, "prompt", "instruction", "question", "query", "problem")
        completion = pick(columns, "completion", "output", "response", "answer", "solution")
        if not prompt:
            pairs = ((pick(columns, asks), pick(columns, answers)) for asks, answers in PAIRS)
            prompt, completion = next((pair for pair in pairs if all(pair)), ("", ""))
        if not (prompt and completion and label):
            return None, "Unpaired preferences need a prompt, a completion, and a label of true or false."
        extra = pick(columns, "input", "context")
        form = cls(
            prompt=prompt, completion=completion, label=label, input=extra if extra != prompt else "",
            json_turns=holds_json_turns(sample, prompt, completion),
            **columns_beside(columns, sample),
        )  # fmt: skip
        return form, f"The column {label!r} says which of the completions in {completion!r} are good."

    def turn_keys(self) -> dict[str, tuple[str, str]]:
        return dict.fromkeys((self.prompt, self.completion), ("role", "content"))

    def convert(self, row: Row) -> Row:
        completion = turns_of_role(cell(row, self.completion), "assistant", self.completion, self.json_turns)
        label = verdict_of(cell(row, self.label), self.label)
        prompt = asked(cell(row, self.prompt), optional(row, self.input), self.prompt, self.input, self.json_turns)
        prompt = with_system(optional(row, self.system), prompt)
        return self.complete_row(row, {"prompt": prompt, "completion": completion, "label": label})
