"""Preference pairs: a prompt, the answer preferred, and the one it was preferred to."""

import re
from typing import Any, ClassVar, Self

from pydantic import Field

from workbench.data.canonical import Kind, Message, message, with_system
from workbench.data.format import FORMATS, Format, Row, cell, optional, pick, tools_column
from workbench.data.formats._asking import with_input
from workbench.data.formats.prompt_completion import turns
from workbench.data.values import full_text
from workbench.errors import UserError

TRANSCRIPT = re.compile(r"\n\n(Human|Assistant):")


def transcript(text: str) -> list[Message] | None:
    """The turns of a '\\n\\nHuman: … \\n\\nAssistant: …' transcript, or None when the text is not one.

    https://huggingface.co/datasets/Anthropic/hh-rlhf
    """
    parts = TRANSCRIPT.split("\n\n" + text.lstrip("\n"))
    if len(parts) < 3 or parts[0].strip():
        return None
    return [
        message(speaker, content.strip(), "transcript")
        for speaker, content in zip(parts[1::2], parts[2::2], strict=True)
    ]


def common_prefix(left: list[Message], right: list[Message]) -> int:
    """How many messages two conversations share from the start."""
    return next(
        (index for index, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right))
    )


@FORMATS.register
class Preference(Format):
    """A prompt with a chosen and a rejected answer a row, each text or messages.

    Without a prompt column both sides are whole conversations; the messages they share become the prompt.
    https://huggingface.co/docs/trl/dataset_formats#preference
    """

    method = "preference"
    title = "Preference pairs (chosen, rejected)"
    kind: ClassVar[Kind] = "preference"
    rank: ClassVar[int] = 5
    examples: ClassVar[list[Row]] = [
        {"prompt": "Name a fruit.", "chosen": "Pear.", "rejected": "Chair."},
        {
            "chosen": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}],
            "rejected": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Go away."}],
        },
        {
            "chosen": "\n\nHuman: Is ice cold?\n\nAssistant: Yes.",
            "rejected": "\n\nHuman: Is ice cold?\n\nAssistant: No.",
        },
        {"instruction": "Add the numbers.", "input": "2 and 3", "chosen": "5", "rejected": "4"},
    ]

    prompt: str = Field("prompt", description="Column with the prompt; may be missing when both sides repeat it.")
    input: str = Field("", description="Column whose text follows the prompt; may be empty or missing.")
    chosen: str = Field("chosen", description="Column with the preferred answer.")
    rejected: str = Field("rejected", description="Column with the other answer.")
    system: str = Field("system", description="Column with the system prompt; may be missing.")
    tools: str = Field("", description="Column with the tools, a list of functions or its JSON text; may be empty.")

    @classmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        chosen, rejected = pick(columns, "chosen"), pick(columns, "rejected")
        if not (chosen and rejected):
            return None, "Preference pairs need the columns chosen and rejected."
        prompt = pick(columns, "prompt", "question", "instruction", "query", "input")
        found = cls(
            prompt=prompt, chosen=chosen, rejected=rejected, system=pick(columns, "system", "system_prompt"),
            input=pick(columns, "input") if prompt.lower() == "instruction" else "",
            tools=tools_column(columns, sample),
        )  # fmt: skip
        return found, f"The columns {chosen!r} and {rejected!r} are a preference pair."

    def convert(self, row: Row) -> Row:
        chosen, rejected = self._side(row, self.chosen), self._side(row, self.rejected)
        given = optional(row, self.prompt)
        if given is None:
            prompt = self._implicit(chosen, rejected)
            chosen, rejected = chosen[len(prompt) :], rejected[len(prompt) :]
        else:
            prompt = self._prompt(given, optional(row, self.input))
            chosen, rejected = _without(prompt, chosen), _without(prompt, rejected)
        prompt = with_system(optional(row, self.system), prompt)
        return self.made(row, {"prompt": prompt, "chosen": chosen, "rejected": rejected})

    def _prompt(self, given: Any, extra: Any) -> list[Message]:
        if extra is not None:
            given = with_input(full_text(given, self.prompt), extra, self.input)
        return turns(given, "user", self.prompt)

    def _side(self, row: Row, column: str) -> list[Message]:
        value: Any = cell(row, column)
        spoken = transcript(value) if isinstance(value, str) else None
        return spoken or turns(value, "assistant", column)

    def _implicit(self, chosen: list[Message], rejected: list[Message]) -> list[Message]:
        shared = common_prefix(chosen, rejected)
        if shared == 0:
            raise UserError("there is no prompt, and the two sides share no message.", "Choose the prompt column.")
        if shared == min(len(chosen), len(rejected)):
            raise UserError("one side is the beginning of the other.", "A pair needs two different answers.")
        return chosen[:shared]


def _without(prompt: list[Message], side: list[Message]) -> list[Message]:
    """An answer that repeats its prompt (as in UltraFeedback), without the repetition."""
    return side[len(prompt) :] if side[: len(prompt)] == prompt and len(side) > len(prompt) else side
