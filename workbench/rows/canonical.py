"""The canonical rows: five kinds of dataset, how their messages are made, and what each kind demands.

Every row may also have `tools` (a list of functions) and `metadata` (an object, whose `weight` says how much the row
counts in the loss). A message is {role, content}, and may have

- `weight` (assistant): how much the turn counts in the loss, a float from 0 on; absent is 1, and 0 is not learned;
- `reasoning_content` (assistant): the thought before the answer, for chat templates that write it;
- `tool_calls` (assistant), `name`, and `tool_call_id` (tool).

What is not used is absent, never None.
"""

from collections.abc import Callable
from typing import Any, Literal, get_args

from workbench.core.errors import UserError
from workbench.rows.tools import tool_calls_of, tools_of
from workbench.rows.turn_extras import NAME_KEYS, check_media, thought_of, weight_of
from workbench.rows.values import as_json, encodable, from_json, full_text, kind_of_value, short, text_of

__all__ = [
    "as_json",
    "check_row",
    "from_json",
    "full_text",
    "message",
    "message_list",
    "short",
    "text_of",
    "with_system",
]

Kind = Literal["conversation", "preference", "unpaired", "text", "prompts"]
KINDS: tuple[str, ...] = get_args(Kind)
EXTRAS = ("tools", "metadata")
Message = dict[str, Any]

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "ai": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "chatgpt": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}
OWN = frozenset(ROLES.values())


def message(role: Any, content: Any, field_name: str = "message") -> Message:
    """One canonical message; roles are matched whole and by alias (human, gpt, …). Raises `UserError`."""
    name = _role(role, field_name)
    return {"role": name, "content": full_text(content, f"the {name} turn ({field_name})")}


def message_list(value: Any, field_name: str, role_key: str = "role", content_key: str = "content") -> list[Message]:
    """Messages from a list of objects (or its JSON text, as in a CSV cell); blank system turns fall away.

    Tool calls are taken from `tool_calls` (or OpenAI's old `function_call`). Raises `UserError` naming the first
    wrong message.
    """
    items = from_json(value)
    if isinstance(items, dict):
        items = [items]
    if not isinstance(items, list) or not items:
        raise UserError(
            f"{field_name} is {kind_of_value(items)}, not a list of messages.",
            "Choose the column that holds the messages.",
        )
    return [
        turn(item, f"{field_name}[{index}]", role_key, content_key)
        for index, item in enumerate(items)
        if _has_keys(item, (role_key, content_key), f"{field_name}[{index}]")
        and not _blank_system(item, role_key, content_key)
    ]


def turn(item: dict[str, Any], field_name: str, role_key: str = "role", content_key: str = "content") -> Message:
    """One message from an object, with all that the module's docstring names where it has it. Raises `UserError`."""
    check_media(item, field_name)
    calls = tool_calls_of(item.get("tool_calls") or item.get("function_call"), f"{field_name}.tool_calls")
    content = item.get(content_key)
    if calls and (content is None or (isinstance(content, str) and not content.strip())):
        canonical: Message = {"role": _role(item[role_key], field_name), "content": ""}
    else:
        canonical = message(item[role_key], content, field_name)
    if calls and canonical["role"] != "assistant":
        raise UserError(f"{field_name} calls tools as {canonical['role']}.", "Only assistant turns call tools.")
    if thought := thought_of(item, canonical["role"], field_name):
        canonical["reasoning_content"] = thought
    if calls:
        canonical["tool_calls"] = calls
    if (weight := weight_of(item, canonical["role"], field_name)) is not None:
        canonical["weight"] = weight
    for key in NAME_KEYS:
        if item.get(key) not in (None, "") and key not in (role_key, content_key):
            canonical[key] = full_text(item[key], f"{field_name}.{key}")
    if "tool_call_id" in canonical and canonical["role"] != "tool":
        raise UserError(f"{field_name} has a tool_call_id as {canonical['role']}.", "Only tool turns answer a call.")
    return canonical


def with_system(system: Any, messages: list[Message]) -> list[Message]:
    """The messages with the row's system prompt before them, when it has one."""
    if system is None or (isinstance(system, str) and not system.strip()):
        return messages
    if messages and messages[0]["role"] == "system":
        raise UserError("there are two system prompts.", "Keep either the column or the first message.")
    return [message("system", system), *messages]


def check_row(kind: str, row: Any) -> dict[str, Any]:
    """The row itself if it is a canonical row of that kind; raises `UserError` with the reason otherwise."""
    if kind not in CHECKS:
        raise UserError(f"There is no kind of dataset {kind!r}.", f"Known: {', '.join(KINDS)}.", "kind")
    if not isinstance(row, dict):
        raise UserError(f"the row is {kind_of_value(row)}, not an object.")
    wanted = COLUMNS[kind]
    if row.keys() != wanted:
        if row.keys() - wanted - {*EXTRAS} or wanted - row.keys():
            raise UserError(f"the row has {sorted(map(str, row))} where {sorted(wanted)} belong.")
        _extras(row)
    CHECKS[kind](row)
    return row


def _conversation(row: dict[str, Any]) -> None:
    messages = _canonical(row["messages"], "messages")
    answers = [turn for turn in messages if turn["role"] == "assistant"]
    if not answers:
        raise UserError("there is no assistant turn.", "A row to train on needs an answer.")
    if all(turn.get("weight") == 0 for turn in answers):
        raise UserError("no assistant turn is to be learned.", "All of them are marked with the weight 0.")


def _preference(row: dict[str, Any]) -> None:
    _asked(row["prompt"])
    for side in ("chosen", "rejected"):
        _answered(row[side], side)
    if row["chosen"] == row["rejected"]:
        raise UserError("chosen and rejected are the same.", "A pair needs two different answers.")


def _unpaired(row: dict[str, Any]) -> None:
    _asked(row["prompt"])
    _answered(row["completion"], "completion")
    if not isinstance(row["label"], bool):
        raise UserError(f"the label is {short(row['label'])}, not true or false.", "true means a good completion.")


def _text(row: dict[str, Any]) -> None:
    if not isinstance(row["text"], str):
        raise UserError(f"text is {kind_of_value(row['text'])}, not text.", "Put text there.")
    full_text(row["text"], "text")


def _prompts(row: dict[str, Any]) -> None:
    if _canonical(row["prompt"], "prompt")[-1]["role"] != "user":
        raise UserError("the prompt does not end with a user turn.", "Leave out the answer.")


CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {
    "conversation": _conversation,
    "preference": _preference,
    "unpaired": _unpaired,
    "text": _text,
    "prompts": _prompts,
}
COLUMNS: dict[str, set[str]] = {
    "conversation": {"messages"},
    "preference": {"prompt", "chosen", "rejected"},
    "unpaired": {"prompt", "completion", "label"},
    "text": {"text"},
    "prompts": {"prompt"},
}


def _asked(prompt: Any) -> None:
    if _canonical(prompt, "prompt")[-1]["role"] == "assistant":
        raise UserError("the prompt ends with an assistant turn.", "It must end where the answers begin.")


def _answered(messages: Any, side: str) -> None:
    turns = _canonical(messages, side)
    if turns[0]["role"] != "assistant" or turns[-1]["role"] != "assistant":
        raise UserError(f"{side} must begin and end with an assistant turn.", "Put earlier turns into the prompt.")


def _extras(row: dict[str, Any]) -> None:
    if "tools" in row and (not row["tools"] or tools_of(row["tools"]) != row["tools"]):
        raise UserError("tools is not a canonical list of functions.", "Leave it out where there are none.")
    if "metadata" in row:
        if not isinstance(row["metadata"], dict):
            raise UserError(f"metadata is {kind_of_value(row['metadata'])}, not an object.", "Leave it out if unused.")
        as_json(row["metadata"], "metadata")


def _canonical(messages: Any, field_name: str) -> list[Message]:
    if not (type(messages) is list and messages and all(map(_is_plain, messages))):
        canonical = message_list(messages, field_name)
        if canonical != messages:
            raise UserError(f"{field_name} is not a canonical list of role and content.")
    if any(turn["role"] == "system" for turn in messages[1:]):
        raise UserError(f"{field_name} has a system turn after the first message.", "Move it to the beginning.")
    return list(messages)


def _is_plain(turn: Any) -> bool:
    """Whether a message is canonical at first sight: nothing but an own role and text. Most are."""
    if type(turn) is not dict or len(turn) != 2:
        return False
    role, content = turn.get("role"), turn.get("content")
    if type(role) is not str or role not in OWN or type(content) is not str:
        return False
    return bool(content) and not content.isspace() and (content.isascii() or bool(encodable(content, "a message")))


def _role(role: Any, field_name: str) -> str:
    name = ROLES.get(role.strip().lower()) if isinstance(role, str) else None
    if name is None:
        raise UserError(f"{field_name} has the role {short(role)}.", f"Roles understood: {', '.join(ROLES)}.")
    return name


def _has_keys(item: Any, keys: tuple[str, str], field_name: str) -> bool:
    if not isinstance(item, dict):
        raise UserError(f"{field_name} is {kind_of_value(item)}, not an object with {keys[0]} and {keys[1]}.")
    calls = item.get("tool_calls") or item.get("function_call")
    missing = [key for key in keys if key not in item and not (key == keys[1] and calls)]
    if missing:
        raise UserError(
            f"{field_name} has no {' and no '.join(map(repr, missing))}.", f"It has {sorted(map(str, item))}."
        )
    return True


def _blank_system(item: dict[str, Any], role_key: str, content_key: str) -> bool:
    role, content = item[role_key], item.get(content_key)
    is_system = isinstance(role, str) and ROLES.get(role.strip().lower()) == "system"
    return is_system and (content is None or (isinstance(content, str) and not content.strip()))
