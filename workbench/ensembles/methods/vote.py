"""Self-consistency: many answers, and the one most agree on."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from workbench.core.display import Display
from workbench.ensembles.method import ENSEMBLES, Ensemble
from workbench.ensembles.methods._likelihood import mean_logprob
from workbench.ensembles.methods._steps import Result, StepGenerator, StepRunner, StreamStep
from workbench.inference.decoding import Decoding
from workbench.inference.stream import ChatMessages, TokenStream

if TYPE_CHECKING:
    from workbench.inference.engine import Engine

STRIDE = 1_000_003  # between the seeds of one vote; far from those of a batch's prompts and samples
NUMBER = re.compile(r"(?:(?<!\w)[-−])?[0-9]+(?:,[0-9]{3}(?![0-9]))*(?:\.[0-9]+)?")
Ballot = tuple[str, Result]  # who answered, and the answer


@ENSEMBLES.register
class Vote(Ensemble):
    """Every member answers several times; the answer that most agree on wins, ties go to the likelier.

    For questions with one right answer. Self-consistency: https://arxiv.org/abs/2203.11171
    """

    method: ClassVar[str] = "vote"
    title: ClassVar[str] = "Vote over answers"
    least: ClassVar[int] = 1

    samples: int = Field(
        4, ge=1, le=64, title="Answers per member",
        description="How many answers each member gives: more make the vote steadier and slower; greedy decoding "
        "always gives one.",
    )  # fmt: skip
    final: Annotated[
        Literal["number", "line", "text"],
        Display(labels={
            "number": "the last number", "line": "the last line", "text": "the whole text",
        }),
    ] = Field(
        "number", title="Compare",
        description="What must agree for answers to count as one; without a number the last line does.",
    )  # fmt: skip

    def how(self, members: Sequence[str]) -> str:
        return f"{self.title}, {self.samples} of each"

    def stream(
        self, engine: "Engine", members: Sequence[str], messages: ChatMessages, decoding: Decoding
    ) -> TokenStream:
        return StepRunner(self._work(engine, members, messages, decoding))

    def _work(
        self, engine: "Engine", members: Sequence[str], messages: ChatMessages, decoding: Decoding
    ) -> StepGenerator:
        samples = 1 if decoding.greedy else self.samples
        asked = [(sample, member) for sample in range(samples) for member in members]
        ballots: list[Ballot] = []
        for number, (sample, member) in enumerate(asked, 1):
            settings = decoding.model_copy(update={"seed": decoding.seed + STRIDE * sample})
            stream = engine.model(member).open(messages, settings)
            yield StreamStep(f"sample {number} of {len(asked)} · {member}", stream)
            ballots.append((member, Result(stream.text.strip(), stream.finish, stream.generated_ids)))
        groups = tally(ballots, self.final)
        most = max(map(len, groups), default=0)
        leading = [group for group in groups if len(group) == most]
        if len(leading) > 1:
            yield StreamStep("breaking a tie")
            leading.sort(key=lambda group: -self._likelihood(engine, messages, group))
        return self._result(leading, len(asked))

    @staticmethod
    def _likelihood(engine: "Engine", messages: ChatMessages, group: Sequence[Ballot]) -> float:
        """The mean log-probability a token of a group's answers, each under the model that gave it."""
        return sum(mean_logprob(engine, who, messages, answer.text) for who, answer in group) / len(group)

    @staticmethod
    def _result(leading: Sequence[Sequence[Ballot]], asked: int) -> Result:
        if not leading:
            return Result("", "eos", note="every answer was empty")
        group = leading[0]
        tie = ", the likelier of a tie" if len(leading) > 1 else ""
        # of answers that say the same, one that came to its end
        answer = min((answer for _, answer in group), key=lambda answer: answer.finish != "eos")
        return replace(answer, note=f"{len(group)} of {asked}{tie}")


def tally(ballots: Sequence[Ballot], final: str) -> list[list[Ballot]]:
    """The answers that are not empty, grouped by what they say, in the order in which that was first said."""
    groups: dict[object, list[Ballot]] = defaultdict(list)
    for who, answer in ballots:
        if answer.text:
            groups[final_answer(answer.text, final)].append((who, answer))
    return list(groups.values())


def final_answer(text: str, final: str) -> object:
    """An answer's last number ('1,200.0' is 1200), its last line, or all of it; spaces and case aside."""
    if final == "number" and (numbers := NUMBER.findall(text)):
        return Decimal(numbers[-1].replace(",", "").replace("−", "-"))
    last = text.strip().splitlines()[-1] if final != "text" and text.strip() else text
    return " ".join(last.split()).casefold()
