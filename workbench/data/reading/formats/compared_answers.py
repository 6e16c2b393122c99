"""Two answers to one prompt, and which is better: by a verdict or by a score of each."""

from typing import Annotated, ClassVar, Self

from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import UserError
from workbench.data.reading.columns import number_of, plain_name
from workbench.data.reading.format import (
    FORMATS,
    METADATA,
    Format,
    Row,
    cell,
    columns_beside,
    optional,
    pick,
    values_of,
)
from workbench.data.reading.formats._asking import asked, turns_of_role
from workbench.data.reading.formats.preference import MARGIN, PROMPT_COLUMNS, pair_of
from workbench.rows.canonical import Kind, with_system
from workbench.rows.values import json_ready, short

STEMS = ("response", "answer", "completion", "output", "model")
MARKS = (("a", "b"), ("0", "1"), ("1", "2"))
SIDES = tuple((f"{stem}_{first}", f"{stem}_{second}") for stem in STEMS for first, second in MARKS)
SCORES = tuple(
    pair
    for name in ("score", "rating", "reward")
    for first, second in MARKS
    for pair in ((f"{name}_{first}", f"{name}_{second}"), (f"{first}_{name}", f"{second}_{name}"))
)
WINNERS = ("better_response_id", "winner", "better", "choice", "preference", "preferred", "chosen", "label")
TIES = ("tie", "both", "neither", "equal", "same", "draw")


@FORMATS.register
class ComparedAnswers(Format):
    """A prompt, two answers, and the name of the better one or a score of each a row.

    Ties are kept aside. https://huggingface.co/datasets/PKU-Alignment/PKU-SafeRLHF
    """

    method = "compared_answers"
    title = "Two answers and which is better"
    kind: ClassVar[Kind] = "preference"
    rank: ClassVar[int] = 4
    examples: ClassVar[list[Row]] = [
        {"prompt": "Name a tree.", "response_a": "Granite.", "response_b": "Larch.", "winner": "b"},
        {"prompt": "Name a tree.", "response_0": "Larch.", "response_1": "Granite.", "score_0": 4, "score_1": 1.5},
    ]

    prompt: Annotated[str, Display(control="column")] = Field(
        "prompt", title="Prompt", description="Column with the prompt."
    )
    first: Annotated[str, Display(control="column")] = Field(
        "response_a", title="First answer", description="Column with one answer."
    )
    second: Annotated[str, Display(control="column")] = Field(
        "response_b", title="Second answer", description="Column with the other answer."
    )
    winner: Annotated[str, Display(control="column")] = Field(
        "", title="Winner", description="Column with the name of the better one; empty where scores decide."
    )
    first_score: Annotated[str, Display(control="column")] = Field(
        "", title="First score", description="Column with the score of the first answer; may be missing."
    )
    second_score: Annotated[str, Display(control="column")] = Field(
        "", title="Second score", description="Column with the score of the second answer; may be missing."
    )
    system: Annotated[str, Display(control="column")] = Field(
        "", title="System prompt", description="Column with the system prompt; may be missing."
    )
    tools: Annotated[str, Display(control="column")] = Field(
        "", title="Tools", description="Column with the tools, a list of functions or its JSON text; may be empty."
    )

    @classmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        prompt, (first, second), scores = (
            pick(columns, *PROMPT_COLUMNS),
            pair_of(columns, SIDES),
            pair_of(columns, SCORES),
        )
        form = cls(first=first, second=second)
        names = (name for name in (pick(columns, winner) for winner in WINNERS) if name and first)
        winner = next((name for name in names if form.names_sides(values_of(sample, name))), "")
        if not (prompt and first and (winner or all(scores))):
            return None, "Compared answers need a prompt, two answers, and which is better or a score of each."
        form = cls(
            prompt=prompt, first=first, second=second, winner=winner, first_score=scores[0], second_score=scores[1],
            **columns_beside(columns, sample),
        )  # fmt: skip
        return form, f"The columns {first!r} and {second!r} are compared."

    def turn_keys(self) -> dict[str, tuple[str, str]]:
        return dict.fromkeys((self.prompt, self.first, self.second), ("role", "content"))

    @property
    def reads_json_turns(self) -> bool:
        return False

    def names_sides(self, values: list[object]) -> bool:
        """Whether all values name one of the two answers, or neither."""
        return bool(values) and all(self._side(value) is not None for value in values)

    def convert(self, row: Row) -> Row:
        prompt = asked(cell(row, self.prompt), None, self.prompt, "")
        sides = [turns_of_role(cell(row, name), "assistant", name) for name in (self.first, self.second)]
        scores = self._scores(row)
        metadata: Row = {}
        if scores:
            metadata |= dict(zip((self.first_score, self.second_score), scores, strict=True))
        side = self._by_winner(row) if self.winner else self._by_scores(scores)
        if self.winner:
            metadata[self.winner] = json_ready(row[self.winner])
        if scores:
            metadata[MARGIN] = (scores[0] - scores[1]) * (1 if side == 0 else -1)
        pair = {"chosen": sides[side], "rejected": sides[1 - side]}
        return self.complete_row(
            row, {"prompt": with_system(optional(row, self.system), prompt), **pair, METADATA: metadata}
        )

    def remarks(self, row: Row) -> list[str]:
        scores = self._scores(row)
        if not self.winner or not scores:
            return []
        better = scores[0] - scores[1] if self._side(row[self.winner]) == 0 else scores[1] - scores[0]
        return ["Pairs that are inverted, the rejected side having the higher score"] if better < 0 else []

    def _scores(self, row: Row) -> list[float]:
        names = [self.first_score, self.second_score]
        if any(optional(row, name) is None for name in names):
            return []
        return [number_of(row[name], name) for name in names]

    def _by_scores(self, scores: list[float]) -> int:
        if not scores or scores[0] == scores[1]:
            raise UserError("both answers have the same score: a tie.", "A pair needs a better and a worse one.")
        return 0 if scores[0] > scores[1] else 1

    def _by_winner(self, row: Row) -> int:
        side = self._side(cell(row, self.winner))
        if side is None:
            raise UserError(
                f"{self.winner} is {short(row[self.winner])}, no name of an answer.", "Name one of the two."
            )
        if side < 0:
            raise UserError(f"{self.winner} says that it is a tie.", "A pair needs a better and a worse one.")
        return side

    def _side(self, value: object) -> int | None:
        """0 or 1 for the answer named, -1 for a tie, None for anything else."""
        word = plain_name(str(value))
        if word in TIES or word.startswith("tie"):
            return -1
        for index, name in enumerate((self.first, self.second)):
            plain = plain_name(name)
            if word in (plain, plain.rpartition("_")[2], plain.replace("response", "model")):
                return index
        return None
