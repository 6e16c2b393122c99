"""What columns and keys of a message mean by their names, and what their values are: verdicts, scores, weights.

Names are matched whole, whatever their case and with blanks or hyphens for underscores: `text` is not in `context`.
"""

import math
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Literal

from workbench.core.errors import UserError
from workbench.rows.bounds import MOST_COLUMNS
from workbench.rows.turn_extras import EMPTY_VALUES, MEDIA, THOUGHTS, TRAINS, WEIGHT_KEYS
from workbench.rows.values import short

Meaning = Literal["label", "score", "weight", "question", "answer", "conversation", "tools", "thought", "media", ""]

SYSTEM = ("system", "system_prompt", "system_message")
TOOL_COLUMNS = ("tools", "functions", "available_tools")
ROW_WEIGHTS = (*WEIGHT_KEYS, "sample_weight", "row_weight", *TRAINS)
VERDICTS = (
    *("kto_tag", "label", "verdict", "rating", "status", "feedback", "accepted", "is_accepted", "approved", "good"),
    *("is_good", "thumbs", "thumb", "vote", "preferred", "is_preferred", "correct", "is_correct", "score"),
    *("desirable", "is_desirable", "thumbs_up", "liked", "helpful", "is_helpful", "acceptable", "quality"),
)
RANKS = ("rank", "ranks")  # 1 is the best
ASPECTS = ("helpfulness", "correctness", "harmlessness", "honesty")
SAFETY = ("is_toxic", "is_harmful", "harmful", "is_unsafe", "unsafe", "is_safe", "safe")
MASKS = ("mask", "masked", "loss_mask", "loss_scale")
MEANINGS: dict[Meaning, tuple[str, ...]] = {
    "score": ("score", "scores", "rating", "ratings", "reward", "rewards", "rank", "ranks", "stars", "grade", *ASPECTS),
    "label": (
        *VERDICTS,
        *("labels", "verdicts", "class", "better", "winner", "choice", "preference", "judgement", *SAFETY),
    ),
    "weight": (*ROW_WEIGHTS, *MASKS),
    "question": (
        *("prompt", "instruction", "question", "query", "input", "context", "history", "problem", "passage"),
        *("inputs", "choices", "options"),
        *SYSTEM,
    ),
    "answer": (
        *("completion", "completions", "response", "responses", "answer", "answers", "output", "outputs", "solution"),
        *(
            "chosen",
            "rejected",
            "target",
            "targets",
            "summary",
            "summaries",
            "highlights",
            "translation",
            "reply",
            "replies",
            "assistant",
            "generation",
            "generations",
            "generated_solution",
        ),
        *("answer_key", "final_answer", "expected_answer", "correct_answer", "best_answer"),
    ),
    "conversation": ("messages", "conversations", "conversation", "dialogue", "dialog", "role"),
    "tools": (*TOOL_COLUMNS, "tool_calls", "function_call"),
    "thought": (*THOUGHTS, "thought", "thoughts", "chain_of_thought", "cot", "rationale", "scratchpad"),
    "media": MEDIA,
}
ENDINGS: dict[str, Meaning] = {
    "score": "score", "rating": "score", "reward": "score", "label": "label", "verdict": "label", "weight": "weight",
}  # fmt: skip
GOOD = {"true", "1", "1.0", "+1", "yes", "good", "accepted", "accept", "approved", "up", "thumbs_up", "thumbsup", "👍"}
GOOD |= {"positive", "pass", "passed", "correct", "chosen", "liked", "like", "desirable", "success"}
BAD = {
    "false",
    "0",
    "0.0",
    "-1",
    "no",
    "bad",
    "rejected",
    "reject",
    "declined",
    "down",
    "thumbs_down",
    "thumbsdown",
    "👎",
}
BAD |= {"negative", "fail", "failed", "incorrect", "wrong", "disliked", "dislike", "undesirable", "failure"}


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing: None, or the NaN that pandas writes for it."""
    return value is None or (type(value) is float and math.isnan(value))


def is_empty(value: Any) -> bool:
    """As `is_missing`, and for empty texts, lists and objects."""
    return is_missing(value) or (type(value) in (str, list, dict) and value in EMPTY_VALUES)


def plain_name(name: str) -> str:
    """A name as names are compared."""
    return re.sub(r"[\s\-]+", "_", name.strip().lower())


@lru_cache(maxsize=MOST_COLUMNS)
def meaning_of(name: str) -> Meaning:
    """What a column or key of that name means for what is learned; '' when nothing is known of it.

    `answerKey` is `answer_key`, and `response_a` or `response_1` one of several responses.
    """
    plain = re.sub(r"_(a|b|[0-9])$", "", plain_name(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)))
    for meaning, names in MEANINGS.items():
        if plain in names:
            return meaning
    first, last = plain.split("_")[0], plain.split("_")[-1]
    return ENDINGS.get(last) or ("score" if first in ("score", "rating") else "")


def verdict_of(value: Any, field_name: str) -> bool:
    """Whether a cell says good: true or false, 1 or 0, or one of their usual words. Raises `UserError`."""
    word = plain_name(str(value)) if isinstance(value, bool | int | float | str) else ""
    if word in GOOD:
        return True
    if word in BAD:
        return False
    raise UserError(f"{field_name} is {short(value)}, not true or false.", "true means a good completion.")


def are_verdicts(values: Iterable[Any]) -> bool:
    """Whether there are values and all of them say good or bad."""
    words = {plain_name(str(value)) for value in values if isinstance(value, bool | int | float | str)}
    return bool(words) and words <= GOOD | BAD


def number_of(value: Any, field_name: str) -> float:
    """The number of a cell, also where it is written as text, as in CSV. Raises `UserError`."""
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise UserError(
            f"{field_name} is {short(value)}, not a number.", "Write a number there, or leave the column out."
        )
    return number


def row_weight_of(value: Any, field_name: str) -> float:
    """How much a row counts in the loss. Raises `UserError` for less than nothing, and for rows marked as not to be
    trained on."""
    if isinstance(value, bool) or (isinstance(value, str) and plain_name(value) in ("true", "false")):
        if value is False or (isinstance(value, str) and plain_name(value) == "false"):
            raise UserError(
                f"the row is marked {field_name}: false.", "It is not to be trained on, so it is kept aside."
            )
        return 1.0
    weight = number_of(value, field_name)
    if weight < 0:
        raise UserError(f"{field_name} is {weight:g}.", "A weight is a number from 0 on.")
    return weight


def is_row_weight(value: Any) -> bool:
    """Whether a cell is a number from 0 on, or true or false, also where it is written as text."""
    if isinstance(value, bool) or (isinstance(value, str) and plain_name(value) in ("true", "false")):
        return True
    try:
        return number_of(value, "") >= 0
    except UserError:
        return False


def score_key(answer: dict[str, Any]) -> str:
    """The key of a scored answer that holds its score: `overall_score` before others; '' where none does."""
    scores = (name for name in answer if meaning_of(name) == "score" and plain_name(name) not in ASPECTS)
    names = [name for name in scores if type(answer[name]) in (int, float)]
    return min(names, key=lambda name: (plain_name(name) != "overall_score", plain_name(name) != "score"), default="")


def are_scored(answers: list[Any], row: dict[str, Any]) -> bool:
    """Whether each of several answers has a score, in itself or in a list beside them."""
    if all(isinstance(answer, dict) and score_key(answer) for answer in answers):
        return True
    beside = [value for name, value in row.items() if meaning_of(name) == "score" and isinstance(value, list)]
    return any(len(value) == len(answers) for value in beside) and all(isinstance(answer, str) for answer in answers)
