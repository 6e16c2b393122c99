"""What a message may carry beside role and content: how much its turn is learned, its thought, and media.

OpenAI's `weight` (https://developers.openai.com/api/docs/guides/supervised-fine-tuning), axolotl's `train`
(https://docs.axolotl.ai/docs/dataset-formats/conversation.html), LLaMA-Factory's `loss_weight`, ms-swift's `loss`, and
the thought as chat templates call it (`reasoning_content` or `thinking`).
"""

import math
import re
from typing import Any

from workbench.core.errors import UserError
from workbench.rows.values import encodable, short

WEIGHT_KEYS = ("weight", "loss_weight")
TRAINS = ("train", "train_on_turn", "training")
TURN_TRAINS = (*TRAINS, "loss")  # of a row, `loss` is a figure that somebody has measured
THOUGHTS = ("reasoning_content", "thinking", "reasoning")
CALLS = ("tool_calls", "function_call")
NAME_KEYS = ("name", "tool_call_id")
MEDIA = ("image", "images", "audio", "audios", "video", "videos")
PLACEHOLDER_STARTS = ("<image", "<video", "<audio", "<|image", "<|video", "<|audio", "<|vision", "<ImageHere>", "[IM")
PLACEHOLDER = r"<(?:image|video|audio)(?:_?\d+)?>|<\|(?:image|video|audio|vision)[a-z_]*\|>|<ImageHere>|\[IM(?:G|AGE)\]"
PLACEHOLDER_AT_END = re.compile(rf"^(?:{PLACEHOLDER})|(?:{PLACEHOLDER})$")
UNREADABLE = {"train_detail": "marks pieces of a turn", "refusal": "holds a refusal in place of an answer"}
READ = frozenset((*WEIGHT_KEYS, *TURN_TRAINS, *THOUGHTS, *CALLS, *NAME_KEYS))
EMPTY_VALUES: tuple[Any, ...] = (None, "", [], {})


def weight_of(item: dict[str, Any], role: str, field_name: str) -> float | None:
    """How much an assistant turn counts in the loss; None for the usual 1, and for turns of others.

    `train: false` is the weight 0. Raises `UserError` for what is no number from 0 on, and for two that disagree.
    """
    marks = {key: _number(item[key], f"{field_name}.{key}") for key in WEIGHT_KEYS if item.get(key) is not None}
    marks |= {key: float(_flag(item[key], f"{field_name}.{key}")) for key in TURN_TRAINS if item.get(key) is not None}
    if role != "assistant" or not marks:
        return None
    weights = {value for key, value in marks.items() if key in WEIGHT_KEYS} or set(marks.values())
    if len(weights) > 1 or (0.0 in marks.values() and any(weights - {0.0})):
        listed = ", ".join(f"{key} {value:g}" for key, value in marks.items())
        raise UserError(f"{field_name} has marks that disagree: {listed}.", "Keep one of them.")
    (weight,) = weights
    return None if weight == 1 else weight


def thought_of(item: dict[str, Any], role: str, field_name: str) -> str:
    """The thought before an answer, '' where there is none.

    Raises `UserError` for what is no text, and for two thoughts that differ.
    """
    thoughts: dict[str, str] = {}
    for key in THOUGHTS:
        value = item.get(key)
        if value in EMPTY_VALUES:
            continue
        if not isinstance(value, str):
            raise UserError(f"{field_name}.{key} is {short(value)}, not text.", "Write the thought as text.")
        if not value.strip():
            continue
        if role != "assistant":
            raise UserError(f"{field_name} thinks as {role}.", "Only assistant turns think.")
        thoughts.setdefault(value.strip(), encodable(value, f"{field_name}.{key}"))
    if len(thoughts) > 1:
        raise UserError(f"{field_name} has two thoughts that differ.", f"Keep one of {', '.join(THOUGHTS)}.")
    return next(iter(thoughts.values()), "")


def check_media(holder: dict[str, Any], field_name: str) -> None:
    """Raises `UserError` when a message or row carries pictures, sound, or marks that cannot be honoured here."""
    for key in MEDIA:
        if holder.get(key) not in EMPTY_VALUES:
            raise UserError(f"{field_name} has {key}.", "Only text can be trained on here; take such rows out.")
    for key, means in UNREADABLE.items():
        if holder.get(key) not in EMPTY_VALUES:
            raise UserError(f"{field_name} has {key}, which {means}.", "That is not learned from here; take it out.")


def placeholder_of(row: dict[str, Any]) -> str:
    """The placeholder of a picture, sound or video that begins or ends a user turn of a canonical row; '' if none.

    In the middle of a text it may as well be HTML that is spoken of.
    """
    turns = row.get("messages") or row.get("prompt") or ()
    marks = (PLACEHOLDER_AT_END.search(turn["content"].strip()) for turn in turns if turn["role"] == "user")
    return next((mark.group() for mark in marks if mark), "")


def _number(value: Any, field_name: str) -> float:
    if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
        raise UserError(
            f"{field_name} is {short(value)}, not a number from 0 on.", "1 is the usual weight, 0 learns nothing."
        )
    return float(value)


def _flag(value: Any, field_name: str) -> bool:
    if type(value) is not bool and value not in (0, 1):
        raise UserError(f"{field_name} is {short(value)}, not true or false.", "false learns nothing of that turn.")
    return bool(value)
