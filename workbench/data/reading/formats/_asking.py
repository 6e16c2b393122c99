"""What formats of a question and answers share: texts or messages in a cell, transcripts, and inputs."""

import re
from typing import Any

from workbench.core.errors import UserError
from workbench.data.reading.column_account import turns_in
from workbench.data.reading.columns import is_empty
from workbench.data.reading.format import Row, values_of
from workbench.rows.canonical import ROLES, Message, message, message_list
from workbench.rows.values import from_json, full_text, short, text_of

TRANSCRIPT = re.compile(r"\n\n(Human|Assistant):")
JSON_TURNS = "Whether texts in these columns are JSON of messages, as in a CSV of conversations."


def with_input(question: str, extra: Any, field_name: str) -> str:
    """The question, and after a blank line the text of its input when there is one. Raises `UserError`."""
    if is_empty(extra) or not (more := text_of(extra, field_name)).strip():
        return question
    return f"{question}\n\n{more}"


def turns_of_role(value: Any, role: str, field_name: str, json_turns: bool = False) -> list[Message]:
    """Messages as they are, or a text as the single message of that role.

    A text stays a text whatever it holds, unless it is a prompt that is a transcript, or `json_turns` says that it is
    JSON of messages. Raises `UserError`.
    """
    read = from_json(value) if json_turns else value
    if isinstance(read, dict | list) and _spoken(read):
        return message_list(read, field_name)
    if role == "user" and isinstance(value, str) and (spoken := transcript(value, is_prompt=True)):
        return spoken
    return [message(role, value, field_name)]


def asked(question: Any, extra: Any, prompt: str, input: str, json_turns: bool = False) -> list[Message]:
    """The messages of a prompt and of the input that follows it; `prompt` and `input` name their columns.

    Raises `UserError`, also where an input follows a list of messages.
    """
    if not is_empty(extra) and str(extra).strip():
        question = with_input(full_text(question, prompt), extra, input)
    return turns_of_role(question, "user", prompt, json_turns)


def with_thought(answer: Message, thought: Any, field_name: str) -> Message:
    """The answer with the thought of a column before it, when there is one. Raises `UserError`."""
    if is_empty(thought) or not (text := text_of(thought, field_name)).strip():
        return answer
    if "reasoning_content" in answer:
        raise UserError("there are two thoughts.", f"Keep either the column {field_name} or that of the message.")
    return {**answer, "reasoning_content": text}


def _spoken(value: Any) -> bool:
    first = value[0] if isinstance(value, list) and value else value
    return isinstance(first, dict) and "role" in first


def holds_json_turns(sample: list[Row], *columns: str) -> bool:
    """Whether the texts of all these columns, in every row of the sample, are JSON of messages with known roles."""
    values = [value for column in columns for value in values_of(sample, column)]
    texts = [value for value in values if isinstance(value, str)]
    return bool(texts) and all(any(values_of(sample, column)) for column in columns) and all(map(_is_chat, texts))


def _is_chat(text: str) -> bool:
    messages = turns_in(text)
    return bool(messages) and all(
        str(turn.get("role")).strip().lower() in ROLES and "content" in turn for turn in messages
    )


def transcript(text: str, is_prompt: bool = False) -> list[Message] | None:
    r"""The turns of a '\n\nHuman: … \n\nAssistant: …' transcript, or None when the text is not one.

    A prompt may end with an 'Assistant:' to be answered. https://huggingface.co/datasets/Anthropic/hh-rlhf
    """
    parts = TRANSCRIPT.split("\n\n" + text.lstrip("\n"))
    if len(parts) < 3 or parts[0].strip():
        return None
    spoken = list(zip(parts[1::2], parts[2::2], strict=True))
    if is_prompt and spoken[-1][0] == "Assistant" and not spoken[-1][1].strip():
        spoken.pop()
    if not spoken:
        return None
    return [message(speaker, content.strip(), "transcript") for speaker, content in spoken]


def earlier_turns(pairs: Any, field_name: str) -> list[Message]:
    """The turns of a history of [question, answer] pairs, or of messages. Raises `UserError`."""
    read = from_json(pairs)
    if not isinstance(read, list | str | None) or (isinstance(read, str) and read.strip()):
        raise UserError(
            f"{field_name} is {short(read)}, not a list of [question, answer] pairs.", "Write it as such a list."
        )
    if isinstance(read, list) and read and all(isinstance(turn, dict) and "role" in turn for turn in read):
        return message_list(read, field_name)
    messages: list[Message] = []
    for pair in read or []:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise UserError(
                f"{field_name} holds {short(pair)}, not a [question, answer] pair.", "Write two texts a pair."
            )
        messages += [message("user", pair[0], field_name), message("assistant", pair[1], field_name)]
    return messages
