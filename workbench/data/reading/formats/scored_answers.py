"""Several answers to one prompt, each with a score: the best and the worst become a pair."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import UserError
from workbench.data.reading.column_account import turns_in
from workbench.data.reading.columns import RANKS, are_scored, meaning_of, number_of, plain_name, score_key
from workbench.data.reading.format import (
    FORMATS,
    METADATA,
    Format,
    Row,
    cell,
    columns_beside,
    first_value,
    optional,
    pick,
)
from workbench.data.reading.formats._asking import asked, turns_of_role
from workbench.data.reading.formats.preference import MARGIN, PROMPT_COLUMNS
from workbench.rows.canonical import Kind, Message, with_system
from workbench.rows.values import from_json, json_ready

ANSWERS = ("completions", "responses", "answers", "outputs", "candidates", "generations")
TEXTS = ("response", "completion", "answer", "output", "text", "content")
BEST, WORST = "chosen_score", "rejected_score"


@FORMATS.register
class ScoredAnswers(Format):
    """A prompt and a list of answers with scores a row; the best and the worst are the pair, all stay in metadata.

    Of ranks the smallest is the best. Rows whose best and worst answers have the same score are ties, and kept aside.
    https://huggingface.co/datasets/openbmb/UltraFeedback
    """

    method = "scored_answers"
    title = "Several answers with scores"
    kind: ClassVar[Kind] = "preference"
    rank: ClassVar[int] = 4
    examples: ClassVar[list[Row]] = [
        {
            "instruction": "Name a tree.",
            "completions": [{"response": "Larch.", "overall_score": 8}, {"response": "Granite.", "overall_score": 2}],
        },
        {"prompt": "Name a tree.", "responses": ["Granite.", "Larch."], "scores": [0.1, 0.7]},
    ]

    prompt: Annotated[str, Display(control="column")] = Field(
        "prompt", title="Prompt", description="Column with the prompt."
    )
    input: Annotated[str, Display(control="column")] = Field(
        "", title="Input", description="Column with the text that follows the prompt; may be empty or missing."
    )
    answers: Annotated[str, Display(control="column")] = Field(
        "completions", title="Answers", description="Column with the answers: a list of texts, or of objects."
    )
    scores: Annotated[str, Display(control="column")] = Field(
        "", title="Scores", description="Column with the list of their scores; empty where each answer has its own."
    )
    system: Annotated[str, Display(control="column")] = Field(
        "", title="System prompt", description="Column with the system prompt; may be missing."
    )
    tools: Annotated[str, Display(control="column")] = Field(
        "", title="Tools", description="Column with the tools, a list of functions or its JSON text; may be empty."
    )

    @classmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        prompt, answers = pick(columns, *PROMPT_COLUMNS), pick(columns, *ANSWERS)
        first = next((row for row in sample if answers in row), {})
        candidates = from_json(first_value(sample, answers))
        if not prompt or not isinstance(candidates, list) or not candidates or not are_scored(candidates, first):
            return None, "Scored answers need a prompt, and a list of answers with their scores."
        scores = next((name for name in columns if meaning_of(name) == "score" and name != answers), "")
        extra = pick(columns, "input", "context")
        form = cls(
            prompt=prompt, answers=answers, scores="" if isinstance(candidates[0], dict) else scores,
            input=extra if extra != prompt else "", **columns_beside(columns, sample),
        )  # fmt: skip
        return form, f"The answers in {answers!r} have scores."

    def convert(self, row: Row) -> Row:
        scored = sorted(self._scored(row), key=lambda score_and_answer: score_and_answer[0])
        worst, best = (scored[-1], scored[0]) if self._are_ranks(row) else (scored[0], scored[-1])
        if best[0] == worst[0]:
            raise UserError(f"all answers have the score {best[0]:g}: a tie.", "A pair needs a better and a worse one.")
        prompt = asked(cell(row, self.prompt), optional(row, self.input), self.prompt, self.input)
        metadata_columns = {self.answers: json_ready(from_json(row[self.answers]))}
        if self.scores:
            metadata_columns[self.scores] = json_ready(from_json(row[self.scores]))
        metadata = {**metadata_columns, BEST: best[0], WORST: worst[0], MARGIN: abs(best[0] - worst[0])}
        sides = {"chosen": best[1], "rejected": worst[1]}
        return self.complete_row(
            row, {"prompt": with_system(optional(row, self.system), prompt), **sides, METADATA: metadata}
        )

    def _are_ranks(self, row: Row) -> bool:
        """Whether the smallest score is the best: ranks count from the first place."""
        candidates: Any = from_json(row[self.answers])
        key = score_key(candidates[0]) if isinstance(candidates[0], dict) else ""
        return plain_name(key or self.scores) in RANKS

    def _scored(self, row: Row) -> list[tuple[float, list[Message]]]:
        """(score, answer) of every answer. Raises `UserError` where one has no score, or there are fewer than two."""
        candidates: Any = from_json(cell(row, self.answers))
        scores: Any = from_json(optional(row, self.scores))
        if not isinstance(candidates, list) or len(candidates) < 2:
            raise UserError(f"{self.answers} is no list of two answers or more.", "A pair needs two answers.")
        if isinstance(scores, list) and len(scores) == len(candidates):
            numbers = [number_of(score, f"{self.scores}[{index}]") for index, score in enumerate(scores)]
        else:
            numbers = [_own_score(answer, f"{self.answers}[{index}]") for index, answer in enumerate(candidates)]
        return [
            (score, turns_of_role(_own_text(answer), "assistant", self.answers))
            for score, answer in zip(numbers, candidates, strict=True)
        ]


def _own_score(answer: Any, field_name: str) -> float:
    key = score_key(answer) if isinstance(answer, dict) else ""
    if not key:
        raise UserError(f"{field_name} has no score.", "Every answer needs one.")
    return number_of(answer[key], f"{field_name}.{key}")


def _own_text(answer: Any) -> Any:
    """The text of an answer that is an object, or its messages."""
    if not turns_in(answer) or "role" in answer:
        return answer
    names = {plain_name(name): name for name in answer}
    return next((answer[names[name]] for name in TEXTS if name in names), answer)
