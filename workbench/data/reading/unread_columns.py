"""Columns, and keys of messages, that no setting reads and whose name says nothing certain: which need a question.

A word of the name raises it, or what the cells hold: sentences, or verdicts. What somebody said of a column holds.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from workbench.data.reading.column_account import ColumnEntry, Fate, turns_in
from workbench.data.reading.column_hints import hint_of, is_note
from workbench.data.reading.columns import BAD, GOOD, Meaning, is_empty, plain_name
from workbench.data.reading.format import ASKED, METADATA, WHY_ASKED, Format, Row

IN_TEXT: tuple[Meaning, ...] = ("question", "answer", "thought", "conversation", "tools")
SENTENCE_WORDS, SENTENCE_CHARACTERS = 4, 10
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
BARE = {"true", "false", "0", "1", "0.0", "1.0", "-1", "+1", "yes", "no", "up", "down"}
"""Verdicts that as often say something else."""
DIALOGS = ("conversation", "preference", "unpaired")
WHY_MEDIA = "it may be a picture or sound that the question is about"
WHY_SENTENCES = "its texts may belong to the question or the answer"
NESTED_LEVELS = 3


def doubts(form: Format, sample: list[Row]) -> dict[str, Fate]:
    """The columns and keys that the format keeps because their names are not known, and that need a question.

    By path. None where somebody said what becomes of all others.
    """
    if form.others != "ask":
        return {}
    names: dict[str, str] = {}
    cells: dict[str, list[Any]] = {}
    for path, name, value in (cell for row in sample for cell in _cells(form, row)):
        if not is_empty(value):
            names[path] = name
            cells.setdefault(path, []).append(value)
    unread = [path for path in names if path not in form.keep_columns and form.fate(path).use == "kept"]
    reasons = {path: _reason(form.kind, names[path], cells[path]) for path in unread}
    return {
        path: Fate("undecided", f"{form.title} does not read it, and {why}.") for path, why in reasons.items() if why
    }


def questioned(account: Iterable[ColumnEntry], asked: Mapping[str, Fate]) -> list[ColumnEntry]:
    """The account with a question in place of what is kept and doubtful."""
    return [
        ColumnEntry(**{**entry.to_dict(), "use": asked[entry.column].use, "why": asked[entry.column].why})
        if entry.use == "kept" and entry.column in asked
        else entry
        for entry in account
    ]


def may_be_answered(name: str, values: list[Any], meanings: Collection[str]) -> bool:
    """Whether a column beside prompts or texts may be more than a note on them: by a word of its name, if that means
    one of these."""
    meaning = hint_of(name)
    return meaning in meanings and (meaning not in IN_TEXT or any(map(_holds_text, values)))


def are_texts(name: str, values: list[Any]) -> bool:
    """Whether a column holds texts of its own: neither notes on a row, nor a few categories."""
    texts = [value for value in values if isinstance(value, str) and value.strip()]
    if not texts or is_note(name):
        return False
    return any(map(_is_sentence, texts)) or 3 * len(set(texts)) >= len(texts)


def _reason(kind: str, name: str, values: list[Any]) -> str:
    meaning = hint_of(name)
    if meaning == "media":
        return "" if all(isinstance(value, bool) for value in values) else WHY_MEDIA
    if meaning:
        return WHY_ASKED[meaning] if may_be_answered(name, values, ASKED[kind]) else ""
    if kind not in DIALOGS:
        return ""
    if _are_verdicts(values) and "label" in ASKED[kind]:
        return WHY_ASKED["label"]
    return WHY_SENTENCES if not is_note(name) and 2 * sum(map(_holds_sentence, values)) >= len(values) else ""


def _cells(form: Format, row: Row) -> Iterator[tuple[str, str, Any]]:
    """(path, name, value) of every column, and of every key of the messages in those that hold them."""
    for name, value in row.items():
        if name != METADATA:
            yield str(name), str(name), value
    for column in form.turn_keys():
        value = row.get(column)
        if isinstance(value, list | dict) or (form.reads_json_turns and isinstance(value, str)):
            for turn in turns_in(value):
                yield from ((f"{column}.{key}", key, item) for key, item in turn.items())


def _are_verdicts(values: list[Any]) -> bool:
    """Whether all values are words of praise or blame, and none of them could be about anything."""
    words = {plain_name(value) if isinstance(value, str) else "" for value in values}
    return words <= (GOOD | BAD) - BARE


def _is_sentence(value: Any) -> bool:
    if not isinstance(value, str) or value.startswith(("http://", "https://")):
        return False
    return len(value.split()) >= SENTENCE_WORDS or len(UNSPACED.findall(value)) >= SENTENCE_CHARACTERS


def _holds_sentence(value: Any) -> bool:
    return any(map(_is_sentence, _leaves(value)))


def _holds_text(value: Any) -> bool:
    return any(isinstance(leaf, str) and leaf.strip() for leaf in _leaves(value))


def _leaves(value: Any, depth: int = NESTED_LEVELS) -> Iterator[Any]:
    """The values in a cell, as deep as three lists or objects."""
    if isinstance(value, dict | list) and depth:
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item, depth - 1)
    else:
        yield value
