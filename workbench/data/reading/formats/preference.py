"""Preference pairs: a prompt, the answer preferred, and the one it was preferred to."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field

from workbench.core.display import ADVANCED, Display
from workbench.core.errors import UserError
from workbench.data.reading.columns import number_of
from workbench.data.reading.format import FORMATS, METADATA, Format, Row, cell, columns_beside, optional, pick
from workbench.data.reading.formats._asking import JSON_TURNS, asked, holds_json_turns, transcript, turns_of_role
from workbench.rows.canonical import Kind, Message, with_system

PROMPT_COLUMNS = ("prompt", "question", "instruction", "query", "input")
SIDES = (
    ("chosen", "rejected"),
    ("chosen_response", "rejected_response"),
    ("response_chosen", "response_rejected"),
    ("chosen_messages", "rejected_messages"),
    ("preferred", "dispreferred"),
    ("preferred_output", "non_preferred_output"),
    ("win", "lose"),
    ("better", "worse"),
)
SCORES = (
    ("score_chosen", "score_rejected"),
    ("chosen_score", "rejected_score"),
    ("chosen_rating", "rejected_rating"),
    ("rating_chosen", "rating_rejected"),
    ("chosen_reward", "rejected_reward"),
    ("reward_chosen", "reward_rejected"),
)
MARGIN = "margin"


def common_prefix(left: list[Message], right: list[Message]) -> int:
    """How many messages two conversations share from the start."""
    return next(
        (index for index, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right))
    )


def pair_of(columns: list[str], names: tuple[tuple[str, str], ...]) -> tuple[str, str]:
    """The first pair of columns that is there as a whole; two empty texts if there is none."""
    pairs = ((pick(columns, left), pick(columns, right)) for left, right in names)
    return next((pair for pair in pairs if all(pair)), ("", ""))


@FORMATS.register
class Preference(Format):
    """A prompt with a chosen and a rejected answer a row, each text or messages.

    Without a prompt column both sides are whole conversations; the messages they share become the prompt. With the
    scores of both sides, their difference becomes metadata.margin.
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
        {"prompt": "Name a tree.", "chosen": "Larch.", "rejected": "Oats.", "score_chosen": 8, "score_rejected": 2.5},
    ]

    prompt: Annotated[str, Display(control="column")] = Field(
        "prompt", title="Prompt", description="Column with the prompt; may be missing when both sides repeat it."
    )
    input: Annotated[str, Display(control="column")] = Field(
        "", title="Input", description="Column with the text that follows the prompt; may be empty or missing."
    )
    chosen: Annotated[str, Display(control="column")] = Field(
        "chosen", title="Chosen answer", description="Column with the preferred answer."
    )
    rejected: Annotated[str, Display(control="column")] = Field(
        "rejected", title="Rejected answer", description="Column with the other answer."
    )
    chosen_score: Annotated[str, Display(control="column")] = Field(
        "", title="Chosen score", description="Column with the score of the preferred answer; may be missing."
    )
    rejected_score: Annotated[str, Display(control="column")] = Field(
        "", title="Rejected score", description="Column with the score of the other answer; may be missing."
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
        chosen, rejected = pair_of(columns, SIDES)
        if not chosen:
            return None, "Preference pairs need the columns chosen and rejected."
        prompt = pick(columns, *PROMPT_COLUMNS)
        scores = pair_of(columns, SCORES)
        extra = pick(columns, "input", "context")
        form = cls(
            prompt=prompt, chosen=chosen, rejected=rejected, input=extra if prompt and extra != prompt else "",
            chosen_score=scores[0], rejected_score=scores[1],
            json_turns=holds_json_turns(sample, *filter(None, (prompt, chosen, rejected))),
            **columns_beside(columns, sample),
        )  # fmt: skip
        return form, f"The columns {chosen!r} and {rejected!r} are a preference pair."

    def turn_keys(self) -> dict[str, tuple[str, str]]:
        return {name: ("role", "content") for name in (self.prompt, self.chosen, self.rejected) if name}

    def convert(self, row: Row) -> Row:
        chosen, rejected = self._side(row, self.chosen), self._side(row, self.rejected)
        question = optional(row, self.prompt)
        if question is None and optional(row, self.input) is not None:
            raise UserError(f"there is no prompt that {self.input!r} could follow.", "Choose the prompt column.")
        if question is None:
            prompt = self._implicit(chosen, rejected)
        else:
            prompt = asked(question, optional(row, self.input), self.prompt, self.input, self.json_turns)
            prompt = _whole_prompt(prompt, chosen, rejected)
        chosen, rejected = _without(prompt, chosen), _without(prompt, rejected)
        prompt = with_system(optional(row, self.system), prompt)
        canonical: Row = {"prompt": prompt, "chosen": chosen, "rejected": rejected}
        if scores := self._scores(row):
            canonical[METADATA] = {**scores, MARGIN: scores[self.chosen_score] - scores[self.rejected_score]}
        return self.complete_row(row, canonical)

    def remarks(self, row: Row) -> Iterator[str]:
        if scores := self._scores(row):
            margin = scores[self.chosen_score] - scores[self.rejected_score]
            if margin == 0:
                yield "Pairs that are ties, both sides having the same score"
            elif margin < 0:
                yield "Pairs that are inverted, the rejected side having the higher score"

    def _scores(self, row: Row) -> dict[str, float]:
        """The scores of both sides by column; {} where one is missing."""
        names = (self.chosen_score, self.rejected_score)
        if not all(optional(row, name) is not None for name in names):
            return {}
        return {name: number_of(row[name], name) for name in names}

    def _side(self, row: Row, column: str) -> list[Message]:
        value: Any = cell(row, column)
        spoken = transcript(value) if isinstance(value, str) and self._has_transcripts(row) else None
        return spoken or turns_of_role(value, "assistant", column, self.json_turns)

    def _has_transcripts(self, row: Row) -> bool:
        """Whether the sides may be transcripts: where the prompt is one, or lies in them."""
        question = optional(row, self.prompt)
        return question is None or (isinstance(question, str) and transcript(question, is_prompt=True) is not None)

    def _implicit(self, chosen: list[Message], rejected: list[Message]) -> list[Message]:
        shared = common_prefix(chosen, rejected)
        if shared == 0:
            raise UserError("there is no prompt, and the two sides share no message.", "Choose the prompt column.")
        if shared == min(len(chosen), len(rejected)):
            raise UserError("one side is the beginning of the other.", "A pair needs two different answers.")
        return chosen[:shared]


def _whole_prompt(prompt: list[Message], chosen: list[Message], rejected: list[Message]) -> list[Message]:
    """The prompt, or what both sides repeat of it with more around it, such as a system prompt or further turns."""
    shared = chosen[: common_prefix(chosen, rejected)]
    holds = shared[-len(prompt) :] == prompt or shared[: len(prompt)] == prompt
    is_asked = len(shared) < min(len(chosen), len(rejected)) and shared and shared[-1]["role"] != "assistant"
    return shared if holds and is_asked else prompt


def _without(prompt: list[Message], side: list[Message]) -> list[Message]:
    """An answer that repeats its prompt (as in UltraFeedback), without the repetition."""
    return side[len(prompt) :] if side[: len(prompt)] == prompt and len(side) > len(prompt) else side
