"""One model's answer is the next one's material."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems
from workbench.ensembles.method import ENSEMBLES, MOST_MEMBERS, Ensemble
from workbench.ensembles.methods._steps import Result, StepGenerator, StepRunner, StreamStep
from workbench.inference.decoding import Decoding
from workbench.inference.stream import ChatMessages, TokenStream

if TYPE_CHECKING:
    from workbench.inference.engine import Engine

IMPROVE = """{prompt}

Here is a draft of the answer:
{answer}

Write a better answer: correct its mistakes, keep what is right, and leave out what is not asked for."""
PLACES = re.compile(r"\{(prompt|answer)\}")
Instruction = Annotated[str, Field(min_length=1, max_length=8000)]


@ENSEMBLES.register
class Pipeline(Ensemble):
    """The first member answers, each next one gets that answer with an instruction, such as to improve it.

    A model may come again, to look over its own answer. Self-refinement: https://arxiv.org/abs/2303.17651
    """

    method: ClassVar[str] = "pipeline"
    title: ClassVar[str] = "Pipeline of models"
    repeats: ClassVar[bool] = True

    instructions: Annotated[list[Instruction], Display(control="lines")] = Field(
        default_factory=lambda: [IMPROVE], min_length=1, max_length=MOST_MEMBERS - 1, title="Instructions",
        description="What each member after the first is told, with {prompt} and {answer}; the last one repeats.",
    )  # fmt: skip

    def check_members(self, members: Sequence[str], problems: Problems) -> None:
        if len(self.instructions) > max(len(members) - 1, 1):
            problems.add(
                "instructions",
                f"{len(self.instructions)} are given for {len(members) - 1} members after the first.",
                "Give one for each of them, or one for all.",
            )
        for index, instruction in enumerate(self.instructions):
            if not PLACES.search(instruction):
                problems.add(
                    ("instructions", index), "has neither {prompt} nor {answer}.", "Say where they belong in it."
                )

    def how(self, members: Sequence[str]) -> str:
        return f"{self.title}, {len(members)} stages"

    def stream(
        self, engine: "Engine", members: Sequence[str], messages: ChatMessages, decoding: Decoding
    ) -> TokenStream:
        return StepRunner(self._work(engine, members, messages, decoding))

    def _work(
        self, engine: "Engine", members: Sequence[str], messages: ChatMessages, decoding: Decoding
    ) -> StepGenerator:
        result = Result("", "eos")
        for index, member in enumerate(members):
            stream = engine.model(member).open(self._conversation(index, messages, result.text), decoding)
            last = index == len(members) - 1
            yield StreamStep(f"stage {index + 1} of {len(members)} · {member}", stream, live=last)
            if stream.text.strip():  # one with nothing to say leaves the answer as it was
                text = stream.text if last else stream.text.strip()
                result = Result(text, stream.finish, stream.generated_ids, f"{len(members)} stages")
        return result

    def _conversation(self, index: int, messages: ChatMessages, answer: str) -> ChatMessages:
        """The user's conversation, its last turn rewritten by the stage's instruction; as it is for the first."""
        if index == 0:
            return messages
        instruction = self.instructions[min(index, len(self.instructions)) - 1]
        filled = fill(instruction, prompt=messages[-1]["content"], answer=answer)
        return [*messages[:-1], {**messages[-1], "content": filled}]


def fill(instruction: str, **values: str) -> str:
    """The instruction with {prompt} and {answer} put in, all at once: what stands in them is left alone."""
    return PLACES.sub(lambda match: values[match[1]], instruction)
