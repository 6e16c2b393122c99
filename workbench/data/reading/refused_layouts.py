"""Layouts that are known by name and cannot be read as rows of one conversation: each is refused with what to do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workbench.data.reading.column_account import turns_in
from workbench.data.reading.columns import are_scored, meaning_of, plain_name
from workbench.rows.values import from_json

Row = dict[str, Any]


@dataclass(frozen=True)
class _Layout:
    """`fits` looks at one row whose columns have plain names."""

    title: str
    remedy: str
    fits: Callable[[Row], bool]


def refusal_of(sample: list[Row]) -> str:
    """Why the rows are refused, by the name of their layout and with what to do; '' where they are none of these."""
    rows = [{plain_name(str(name)): value for name, value in row.items()} for row in sample]
    for layout in LAYOUTS:
        if all(layout.fits(row) for row in rows):
            return f"These rows are {layout.title}. {layout.remedy}"
    return ""


def _is_list(value: Any) -> bool:
    return isinstance(from_json(value), list)


def _is_stepwise(row: Row) -> bool:
    return _is_list(row.get("completions")) and _is_list(row.get("labels"))


def _is_label_studio(row: Row) -> bool:
    return isinstance(row.get("data"), dict) and any(_is_list(row.get(name)) for name in ("annotations", "completions"))


def _is_argilla(row: Row) -> bool:
    return isinstance(row.get("fields"), dict) and bool({"responses", "suggestions", "records"} & row.keys())


def _is_tree(row: Row) -> bool:
    """A tree of OpenAssistant, or a message of one: https://huggingface.co/datasets/OpenAssistant/oasst1."""
    prompt = row.get("prompt")
    has_replies = isinstance(prompt, dict) and "replies" in prompt
    return has_replies or {"message_id", "parent_id", "role"} <= row.keys()


def _is_ragged_pairs(row: Row) -> bool:
    """Several answers a row, with or without scores, none of them marked as chosen."""
    answers = next((from_json(row[name]) for name in ("completions", "responses", "answers") if name in row), None)
    if not isinstance(answers, list) or len(answers) < 2 or "chosen" in row or are_scored(answers, row):
        return False
    return "tools" not in row and not all(isinstance(answer, dict) and "name" in answer for answer in answers)


def _is_classification(row: Row) -> bool:
    names = [name for name in row if meaning_of(name) == "label"]
    return set(row) - {"id", "idx", *names} in ({"sentence"}, {"premise", "hypothesis"}, {"sentence1", "sentence2"})


def _has_media(row: Row) -> bool:
    messages = [turn for value in row.values() if isinstance(value, list) for turn in turns_in(value)]
    parts = [block for turn in messages for block in turns_in(turn.get("content"))]
    return any(str(block.get("type", "text")).split("_")[-1] in ("image", "audio", "video", "url") for block in parts)


LAYOUTS = (
    _Layout(
        "stepwise supervision (prompt, completions, labels)",
        "Each step has a label of its own, which trains a reward model, and that is not done here. To learn the "
        "steps, join them to one completion; to learn which are good, write one row a step: prompt, completion, label.",
        _is_stepwise,
    ),
    _Layout(
        "Label Studio tasks (data, annotations)",
        "Export them from Label Studio as JSON-MIN, which has one column a field and one a choice.",
        _is_label_studio,
    ),
    _Layout(
        "Argilla records (fields, responses)",
        "Export them from Argilla with Dataset.to_datasets(), which has one column a field and one a question.",
        _is_argilla,
    ),
    _Layout(
        "trees of messages, as OpenAssistant's",
        "One question has several answers there. Write each path from a question to the answer you want as a row of "
        "messages; answers with a rank can be pairs of chosen and rejected.",
        _is_tree,
    ),
    _Layout(
        "made of pictures, sound or video",
        "Only text can be trained on here: leave those rows out.",
        _has_media,
    ),
    _Layout(
        "sentences to classify",
        "Classifiers are not trained here. Write the sentence as a prompt and its class as the completion.",
        _is_classification,
    ),
    _Layout(
        "several answers to one prompt",
        "Which one is to be learned is not said. Write one row an answer, chosen and rejected, or a score to each.",
        _is_ragged_pairs,
    ),
)
