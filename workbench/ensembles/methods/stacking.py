"""A small model fitted on votes picks among the members' answers."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from workbench.core.errors import Problems
from workbench.ensembles.method import ENSEMBLES, Ensemble
from workbench.ensembles.methods import _features as features
from workbench.ensembles.methods._steps import Result, StepGenerator, StepRunner, StreamStep
from workbench.inference.decoding import Decoding
from workbench.inference.stream import ChatMessages, TokenStream

if TYPE_CHECKING:
    from workbench.inference.engine import Engine

Coefficient = Annotated[float, Field(allow_inf_nan=False)]


@ENSEMBLES.register
class Stacking(Ensemble):
    """Every member answers once; a logistic model fitted on the votes of a labelling session picks the answer.

    Its score is a weighted sum of features: the log-probability under each member, length, repetition, whether it was
    cut off, and whose it is. The weights come from the job fit-stacking. https://doi.org/10.1016/S0893-6080(05)80023-1
    """

    method: ClassVar[str] = "stacking"
    title: ClassVar[str] = "Stacking on votes"
    fitted: ClassVar[bool] = True

    coefficients: dict[str, Coefficient] = Field(
        default_factory=dict, title="Coefficients",
        description="Weight of each feature in an answer's score, as fit-stacking found them.",
    )  # fmt: skip

    def check_members(self, members: Sequence[str], problems: Problems) -> None:
        if set(self.coefficients) != set(features.names(members)):
            problems.add(
                "coefficients", "are not fitted for these members.", "Make the ensemble with the job fit-stacking."
            )

    def how(self, members: Sequence[str]) -> str:
        return f"{self.title}, {len(members)} answers"

    def score(self, values: features.Features) -> float:
        """How good an answer with these features is, in logits: a difference of 1 is chosen with 73 %."""
        return sum(weight * values[name] for name, weight in self.coefficients.items())

    def stream(
        self, engine: "Engine", members: Sequence[str], messages: ChatMessages, decoding: Decoding
    ) -> TokenStream:
        return StepRunner(self._work(engine, members, messages, decoding))

    def _work(
        self, engine: "Engine", members: Sequence[str], messages: ChatMessages, decoding: Decoding
    ) -> StepGenerator:
        answers: dict[str, Result] = {}
        for number, member in enumerate(members, 1):
            stream = engine.model(member).open(messages, decoding)
            yield StreamStep(f"answer {number} of {len(members)} · {member}", stream)
            if text := stream.text.strip():
                answers[member] = Result(text, stream.finish, stream.generated_ids)
        scores: dict[str, float] = {}
        for number, (member, answer) in enumerate(answers.items(), 1):
            yield StreamStep(f"weighing answer {number} of {len(answers)}")
            candidate = features.Candidate(member, answer.text, answer.finish)
            values = features.of_text(engine, members, candidate)
            for judge in members:
                values |= features.of_likelihood(engine, judge, messages, candidate)
            scores[member] = self.score(values)
        return self._result(answers, scores)

    @staticmethod
    def _result(answers: dict[str, Result], scores: dict[str, float]) -> Result:
        if not answers:
            return Result("", "eos", note="every answer was empty")
        best, *others = sorted(scores, key=lambda member: -scores[member])
        answer, note = answers[best], f"by {best}"
        if others:
            note += f", {1 / (1 + math.exp(scores[others[0]] - scores[best])):.0%} against {others[0]}"
        return Result(answer.text, answer.finish, answer.token_ids, note)
