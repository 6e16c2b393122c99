"""What axolotl's `type` says of rows: the columns of each prompt strategy, for conversations, pairs and verdicts.

https://github.com/axolotl-ai-cloud/axolotl/tree/main/src/axolotl/prompt_strategies
"""

from typing import Any

from workbench.core.errors import Problems, UserError
from workbench.data.sources.entry import UNSET, Entry, EntryKeys, unsupported
from workbench.rows.canonical import ROLES
from workbench.rows.turn_extras import READ, THOUGHTS, TRAINS

OWN_ROLES = ("user", "assistant", "system", "tool")
PAIRED = ("dpo", "ipo", "orpo", "simpo")
FORMATTED = "prompts are written by the chat template; the columns are joined with a blank line."
FIELDS = EntryKeys(
    honoured={
        "field_system": "The column of the system prompt.",
        "field_instruction": "The column of the question.",
        "field_input": "The column of the input that follows it.",
        "field_output": "The column of the answer.",
    },
    refused={
        "system_prompt": "add a system prompt with a step after the import.",
        "system_format": FORMATTED,
        "format": FORMATTED,
        "no_input_format": FORMATTED,
    },
)
PAIR_FIELDS = EntryKeys(
    honoured={
        "field_system": "The column of the system prompt.",
        "field_prompt": "The column of the question.",
        "field_chosen": "The column of the preferred answer.",
        "field_rejected": "The column of the other answer.",
    },
    refused=dict.fromkeys(("prompt_format", "chosen_format", "rejected_format"), FORMATTED),
)
VERDICT_FIELDS = EntryKeys(
    honoured={
        "field_system": "The column of the system prompt.",
        "field_prompt": "The column of the question.",
        "field_completion": "The column of the answer.",
        "field_label": "The column of the verdict.",
    },
    refused=dict.fromkeys(("prompt_format", "completion_format"), FORMATTED),
)
ARGILLA = {"prompt": "instruction", "chosen": "chosen_response", "rejected": "rejected_response"}
WHOLE = {"prompt": "", "system": ""}
PAIRS: dict[str, dict[str, str]] = {
    "argilla": ARGILLA,
    "argilla_chat": WHOLE,
    "icr": {"prompt": "input"},
    "intel": {"prompt": "question"},
    "prompt_pairs": {"prompt": "prompt"},
    "ultra": {"prompt": "prompt"},
}
"""The columns of the strategies under chatml. and llama3., where they differ from prompt, chosen and rejected."""
VERDICTS = {"argilla": "instruction", "intel": "question", "prompt_pairs": "prompt", "ultra": "prompt"}
Form = tuple[dict[str, Any], list[str]]


def axolotl_format(entry: Entry, rl: str) -> Form:
    """The settings of our format, and remarks. Raises `UserError` for a type or a way of training not known here."""
    kind = entry.get("type")
    if rl and rl not in (*PAIRED, "kto"):
        raise UserError(
            f"rl is {rl!r}, which needs other rows than are trained on here.",
            f"Known: {', '.join(PAIRED)} (pairs) and kto (verdicts).",
            "rl",
        )
    if isinstance(kind, dict):
        return _by_fields(kind, rl), []
    if rl in PAIRED:
        return _pairs(entry, str(kind or ""), rl), []
    if rl == "kto":
        return _verdicts(str(kind or "")), []
    return _learned(entry, str(kind or ""))


# ---- columns named one by one --------------------------------------------------------------------------------


def _by_fields(kind: dict[str, Any], rl: str) -> dict[str, Any]:
    """The settings for a type that is an object of column names."""
    problems, keys = Problems(), VERDICT_FIELDS if rl == "kto" else PAIR_FIELDS if rl else FIELDS
    settings = {name: value for name, value in kind.items() if not _is_plain(name, value)}
    keys.check(problems, settings, "type.")
    problems.check()
    system = {"system": kind.get("field_system") or ""}
    if not rl:
        names = ("instruction", "input", "output")
        return {"method": "alpaca", **{name: kind.get(f"field_{name}") or "" for name in names}, **system}
    names = ("prompt", "completion", "label") if rl == "kto" else ("prompt", "chosen", "rejected")
    named = {name: kind.get(f"field_{name}") or name for name in names}
    return {"method": "unpaired" if rl == "kto" else "preference", **named, **system}


def _is_plain(name: str, value: Any) -> bool:
    """Whether a format of a prompt is what is done anyhow: the text of its columns and nothing more."""
    plain = ("{instruction}\n\n{input}", "{instruction}", "{system}", "{prompt}", "{chosen}", "{rejected}")
    return name.endswith("format") and value in (*plain, "{completion}")


# ---- preferences ---------------------------------------------------------------------------------------------


def _pairs(entry: Entry, kind: str, rl: str) -> dict[str, Any]:
    sides = {side: entry.get(f"field_{side}") or side for side in ("chosen", "rejected")}
    family, _, name = kind.partition(".")
    if family == "chat_template" and name in ("argilla", "argilla_chat"):
        return {"method": "preference", **sides, "prompt": "prompt" if name == "argilla" else "", "system": ""}
    if family == "chat_template" and name in ("", "default"):
        return {**_turns(entry), "method": "sharegpt_pairs", **sides}
    if family in ("chatml", "llama3") and name in PAIRS:
        return {"method": "preference", **PAIRS[name]}
    raise _unknown(
        kind,
        rl,
        ["chat_template.default", "chat_template.argilla", *(f"chatml.{dataset_type}" for dataset_type in PAIRS)],
    )


def _verdicts(kind: str) -> dict[str, Any]:
    family, _, name = kind.partition(".")
    if family in ("chatml", "llama3") and name in VERDICTS:
        return {"method": "unpaired", "prompt": VERDICTS[name]}
    if family in ("chatml", "llama3") and name == "argilla_chat":
        names = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
        return {"method": "sharegpt_unpaired", "conversations": "completion", **names, "label": "label"}
    raise _unknown(kind, "kto", [*(f"chatml.{dataset_type}" for dataset_type in VERDICTS), "chatml.argilla_chat"])


def _unknown(kind: str, rl: str, dataset_types: list[str]) -> UserError:
    under = f" under rl: {rl}" if rl else ""
    return UserError(
        f"The type {kind!r} is not understood here{under}.",
        f"Understood: {', '.join(dataset_types)}, or an object of field_… names.",
        "type",
    )


# ---- conversations and texts ---------------------------------------------------------------------------------


def _learned(entry: Entry, kind: str) -> Form:
    name, style = kind.partition(":")[::2]
    notes = [f"type: the style {style!r} is not taken over. The chat template is chosen in training."] if style else []
    if name == "alpaca":
        return {"method": "alpaca"}, notes
    if name in ("completion", "pretrain"):
        return {"method": "plain_text", "text": entry.get("field") or entry.get("text_column") or "text"}, notes
    if name == "sharegpt":
        return {"method": "sharegpt", "conversations": entry.get("field_messages") or "conversations"}, notes
    if name == "chat_template":
        return {**_turns(entry), "method": "sharegpt"}, notes
    if name.startswith("chat_template."):
        raise UserError(f"The type {kind!r} is one of pairs, and rl is not set.", "Set rl, such as rl: dpo.", "type")
    raise _unknown(kind, "", ["alpaca", "chat_template", "completion", "sharegpt"])


def _turns(entry: Entry) -> dict[str, Any]:
    """The settings for a column of turns: its name, the keys in it, who is called what."""
    keys = entry.get("message_property_mappings") or {}
    for name, key in keys.items():
        if name not in ("role", "content") and not (name == key and name in READ):
            raise unsupported(f"message_property_mappings.{name}", "rename that key in the file.")
    _check_names(entry)
    role = keys.get("role") or entry.get("message_field_role") or "role"
    content = keys.get("content") or entry.get("message_field_content") or "content"
    tags = {"role_tag": role, "content_tag": content, **_roles(entry.get("roles") or {})}
    beside = {key: entry.get(f"field_{key}") or "" for key in ("system", "tools")}
    return {"conversations": entry.get("field_messages") or "messages", **tags, **beside}


def _check_names(entry: Entry) -> None:
    """Raises `UserError` for keys of turns under names that are not read."""
    names_by_key = {"field_thinking": THOUGHTS, "message_field_training": TRAINS, "message_field_training_detail": ()}
    for key, names in names_by_key.items():
        value = entry.get(key)
        if value not in UNSET and value not in (*names, "train_detail" if not names else ""):
            raise unsupported(key, f"it is {value!r}; read is {' or '.join(names or ('train_detail',))}.")
    spoken = {ROLES.get(str(name).strip().lower()) for name in entry.get("roles_to_train") or ["assistant"]}
    assistants = {str(name) for name in _several((entry.get("roles") or {}).get("assistant"))}
    if spoken != {"assistant"} and not {*(entry.get("roles_to_train") or [])} <= {"assistant", *assistants}:
        raise unsupported("roles_to_train", "only answers of the assistant are learned, or all of a row: see training.")


def _roles(roles: Any) -> dict[str, str]:
    """The tags of the speakers; the canonical names and their usual aliases stay known."""
    tags = {"user_tag": "user", "assistant_tag": "assistant"}
    for ours, speakers in roles.items():
        if ours not in OWN_ROLES:
            raise UserError(f"roles.{ours} is no role.", f"Roles: {', '.join(OWN_ROLES)}.", "roles")
        names = [str(name) for name in _several(speakers)]
        if any("," in name for name in names):
            raise UserError(f"roles.{ours} has a name with a comma.", "Rename that speaker in the file.", "roles")
        tags["observation_tag" if ours == "tool" else f"{ours}_tag"] = ",".join(names)
    return tags


def _several(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value] if value not in UNSET else []
