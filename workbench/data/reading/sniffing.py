"""Guesses what a text is by its looks: JSON, JSON lines, a table, or paragraphs."""

import csv
import json
import re

from workbench.core.errors import UserError
from workbench.data.reading.tabular import ANKI

TABBED_LINES = 50
JSON_ROWS = re.compile(r'\s*(\[\s*)?\{\s*"[^"\n]*"\s*:')
COLUMNS = {
    *("messages", "conversations", "prompt", "completion", "response", "chosen", "rejected", "text"),
    *("instruction", "input", "output", "question", "answer", "query", "system"),
}


def pasted(text: str) -> str:
    """The form of pasted text: 'json', 'jsonl', 'csv', 'tsv' or 'txt'; raises `UserError` when it is blank."""
    head = text.removeprefix("\ufeff").lstrip()
    if not head:
        raise UserError("The pasted text is empty.", "Paste some rows, or choose a file.", "source")
    if head[0] in "[{":
        return json_or_jsonl(head, "json")
    for form, delimiter in (("tsv", "\t"), ("csv", ",")):
        header = next(csv.reader([head.splitlines()[0]], delimiter=delimiter))
        names = {name.strip().lower() for name in header}
        if len(names) > 1 and names & COLUMNS:
            return form
    return "txt"


def text_or_table(head: str) -> str:
    """What a text file is by its beginning: 'json', 'jsonl', 'cards' (Anki's, or lines of tabs) or 'txt'."""
    text = head.removeprefix("\ufeff").lstrip("\r\n")
    if JSON_ROWS.match(text):
        return json_or_jsonl(text, "json")
    if text.lower().startswith(ANKI):
        return "cards"
    lines = [line for line in text.splitlines()[:TABBED_LINES] if line.strip()]
    tabs = {line.strip("\r\n").count("\t") for line in (lines[:-1] or lines)}  # the last one may be cut
    return "cards" if len(tabs) == 1 and 0 not in tabs else "txt"


def json_or_jsonl(head: str, form: str) -> str:
    """Which of the two a file is, whatever its suffix says: files of both kinds travel under both names."""
    text = head.removeprefix("\ufeff").lstrip()
    if text.startswith("["):
        return "json" if form == "json" or not _is_json(text.splitlines()[0]) else "jsonl"
    first, _, rest = text.partition("\n")
    if form == "json" and _is_json(first) and rest.strip().startswith("{"):
        return "jsonl"
    if form == "jsonl" and first.strip() == "{":
        return "json"
    return form


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
