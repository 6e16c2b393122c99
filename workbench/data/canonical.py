"""The canonical rows: four kinds of dataset, how their messages are made, and what each kind demands."""

import json
from collections.abc import Callable
from typing import Any, Literal, get_args

from workbench.errors import UserError

Kind = Literal["conversation", "preference", "text", "prompts"]
KINDS: tuple[str, ...] = get_args(Kind)
Message = dict[str, str]

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "chatgpt": "assistant",
}


def text_of(value: Any, what: str) -> str:
    """The text of one cell: strings and numbers as they are, a list of text parts joined. Raises `UserError`."""
    if isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
        value = "".join(_part(part, what) for part in value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UserError(f"{what} is {_kind_of(value)}, not text.", "Put text there, or choose another column.")
    text = str(value)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise UserError(
            f"{what} holds half of a surrogate pair (such as \\ud83d alone).", "Repair that character in the source."
        ) from None
    return text


def full_text(value: Any, what: str) -> str:
    """As `text_of`, and never blank."""
    text = "" if value is None else text_of(value, what)
    if not text.strip():
        raise UserError(f"{what} is empty.", "Fill it in or leave the row out.")
    return text


def message(role: Any, content: Any, what: str = "message") -> Message:
    """One canonical message; roles are matched whole and by alias (human, gpt, …). Raises `UserError`."""
    name = ROLES.get(role.strip().lower()) if isinstance(role, str) else None
    if name is None:
        known = ", ".join(ROLES)
        raise UserError(f"{what} has the role {short(role)}.", f"Roles understood: {known}.")
    return {"role": name, "content": full_text(content, f"the {name} turn ({what})")}


def message_list(value: Any, what: str, role_key: str = "role", content_key: str = "content") -> list[Message]:
    """Messages from a list of objects (or its JSON text, as in a CSV cell); blank system turns fall away.

    Raises `UserError` naming the first wrong message.
    """
    items = from_json(value)
    if isinstance(items, dict):
        items = [items]
    if not isinstance(items, list) or not items:
        raise UserError(
            f"{what} is {_kind_of(items)}, not a list of messages.", "Choose the column that holds the messages."
        )
    return [
        message(item[role_key], item[content_key], f"{what}[{index}]")
        for index, item in enumerate(items)
        if _has_keys(item, (role_key, content_key), f"{what}[{index}]")
        and not _blank_system(item, role_key, content_key)
    ]


def from_json(value: Any) -> Any:
    """The list or object written as JSON in a text cell; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def with_system(system: Any, messages: list[Message]) -> list[Message]:
    """The messages with the row's system prompt before them, when it has one."""
    if system is None or (isinstance(system, str) and not system.strip()):
        return messages
    if messages and messages[0]["role"] == "system":
        raise UserError("there are two system prompts.", "Keep either the column or the first message.")
    return [message("system", system), *messages]


def check(kind: str, row: Any) -> dict[str, Any]:
    """The row itself if it is a canonical row of that kind; raises `UserError` with the reason otherwise."""
    if kind not in CHECKS:
        raise UserError(f"There is no kind of dataset {kind!r}.", f"Known: {', '.join(KINDS)}.", "kind")
    if not isinstance(row, dict):
        raise UserError(f"the row is {_kind_of(row)}, not an object.")
    CHECKS[kind](row)
    return row


def _conversation(row: dict[str, Any]) -> None:
    _keys(row, {"messages"})
    messages = _canonical(row["messages"], "messages")
    if all(turn["role"] != "assistant" for turn in messages):
        raise UserError("there is no assistant turn.", "A row to train on needs an answer.")


def _preference(row: dict[str, Any]) -> None:
    _keys(row, {"prompt", "chosen", "rejected"})
    _canonical(row["prompt"], "prompt")
    for side in ("chosen", "rejected"):
        turns = _canonical(row[side], side)
        if turns[0]["role"] != "assistant" or turns[-1]["role"] != "assistant":
            raise UserError(f"{side} must begin and end with an assistant turn.", "Put earlier turns into the prompt.")
    if row["prompt"][-1]["role"] == "assistant":
        raise UserError("the prompt ends with an assistant turn.", "It must end where the answers begin.")
    if row["chosen"] == row["rejected"]:
        raise UserError("chosen and rejected are the same.", "A pair needs two different answers.")


def _text(row: dict[str, Any]) -> None:
    _keys(row, {"text"})
    full_text(row["text"], "text")


def _prompts(row: dict[str, Any]) -> None:
    _keys(row, {"prompt"})
    if _canonical(row["prompt"], "prompt")[-1]["role"] != "user":
        raise UserError("the prompt does not end with a user turn.", "Leave out the answer.")


CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {
    "conversation": _conversation,
    "preference": _preference,
    "text": _text,
    "prompts": _prompts,
}


def _keys(row: dict[str, Any], wanted: set[str]) -> None:
    if set(row) != wanted:
        raise UserError(f"the row has {sorted(map(str, row))} where {sorted(wanted)} belong.")


def _canonical(messages: Any, what: str) -> list[Message]:
    made = message_list(messages, what)
    if made != messages:
        raise UserError(f"{what} is not a canonical list of role and content.")
    if any(turn["role"] == "system" for turn in made[1:]):
        raise UserError(f"{what} has a system turn after the first message.", "Move it to the beginning.")
    return made


def _has_keys(item: Any, keys: tuple[str, str], what: str) -> bool:
    if not isinstance(item, dict):
        raise UserError(f"{what} is {_kind_of(item)}, not an object with {keys[0]} and {keys[1]}.")
    missing = [key for key in keys if key not in item]
    if missing:
        raise UserError(f"{what} has no {' and no '.join(map(repr, missing))}.", f"It has {sorted(map(str, item))}.")
    return True


def _blank_system(item: dict[str, Any], role_key: str, content_key: str) -> bool:
    role, content = item[role_key], item[content_key]
    is_system = isinstance(role, str) and ROLES.get(role.strip().lower()) == "system"
    return is_system and (content is None or (isinstance(content, str) and not content.strip()))


def _part(part: dict[str, Any], what: str) -> str:
    if part.get("type", "text") != "text" or not isinstance(part.get("text"), str):
        raise UserError(f"{what} holds a part of type {short(part.get('type'))}.", "Only text can be trained on here.")
    return str(part["text"])


def _kind_of(value: Any) -> str:
    names = {type(None): "empty", bool: "true/false", int: "a number", float: "a number", str: "text"}
    return names.get(type(value), "a list" if isinstance(value, list) else "an object")


def short(value: Any) -> str:
    """A value for an error message, 40 characters at most."""
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"
