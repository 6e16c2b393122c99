"""The format of what is imported, and what a look at it found."""

from typing import Any

import gradio as gr
from markupsafe import Markup

from tabs.shell.elements import error_box, facts, hint, rejected_card, render_html, row_card
from tabs.shell.kit import component
from workbench.core.described import DescribedField, describe
from workbench.data.reading.detection import completed
from workbench.data.reading.format import FORMATS, Format
from workbench.data.recipes.previewing import Preview

Value = dict[str, Any]
SHOWN_ROWS, RAW_CHARACTERS = 5, 300
SIDES = ("messages", "prompt", "chosen", "rejected", "completion")


def format_choice() -> gr.HTML:
    """The format, and what becomes of the columns; its value is {method, settings, columns, detected, account, turn}.

    With `hidden` it is not shown: of several datasets each has its own. `turn` counts the changes by hand, so that an
    answer to an earlier one does not undo a later one.
    """
    catalogue = [
        {
            "method": form.method, "title": form.title, "kind": form.kind, "summary": form.summary(),
            "fields": [_field(field) for field in describe(form).fields],
        }
        for form in FORMATS
    ]  # fmt: skip
    return component("data_format", {}, {}, ("", "", ""), catalogue=catalogue, elem_id="data-format")


def _field(field: DescribedField) -> Value:
    """A setting: a column of the file, several (chosen in the account of columns), text, or one of a few choices."""
    kind = {"column": "column", "columns": "list"}.get(field.control, "text")
    return {
        "name": field.name, "label": field.full_label, "help": field.help, "kind": kind, "labels": field.labels,
        "choices": [False, True] if field.type == "boolean" else list(field.choices), "default": field.default,
    }  # fmt: skip


def chosen(value: Value | None) -> Format | None:
    """The format chosen by hand, None where it is to be detected. Raises `SpecError`."""
    if not value or not value.get("method") or value.get("detected"):
        return None
    return FORMATS.get(str(value["method"])).parse(value.get("settings") or {})


def guessed(value: Value, found: Preview) -> Format:
    """A format just picked by hand, its columns filled in from the first rows as far as they tell."""
    return completed(FORMATS.parse(value["method"]), found.raw)


def value_of(form: Format | None, columns: list[str], detected: bool) -> Value:
    """What to show of a format."""
    if form is None:
        return {"method": "", "settings": None, "columns": columns, "detected": False, "account": []}
    return {
        "method": form.method, "settings": form.settings(), "columns": columns, "detected": detected, "account": [],
    }  # fmt: skip


# ---- what was found ------------------------------------------------------------------------------------------


def preview_html(found: Preview) -> Markup:
    """Format, reason, counts, the first bad rows with line and reason, and the first good ones."""
    if not found.format:
        columns = f"Columns: {', '.join(found.columns) or 'none'}."
        return error_box(found.reason, f"{columns} Choose the format and its columns above.")
    more = "" if found.complete else " (of the first 20,000)"
    others = [form.title for form in found.candidates if form.method != found.format.method]
    rows = [
        ("Format", f"{found.format.title} → {found.format.kind}"),
        ("Why", found.reason),
        *([("Fits too", ", ".join(others))] if others else []),
        ("Good rows", f"{found.good:,}{more}"),
        ("Bad rows", f"{found.bad:,}{' – kept aside with their reasons' if found.bad else ''}"),
        *[("Note", remark) for remark in found.remarks],
    ]
    more_bad = f"… and {found.bad - SHOWN_ROWS:,} more; all are listed after the import."
    return render_html(
        facts(rows), map(_bad, found.rejected[:SHOWN_ROWS]), hint(more_bad) if found.bad > SHOWN_ROWS else None,
        map(canonical_card, found.rows[:2]),
    )  # fmt: skip


def _bad(one: Any) -> Markup:
    where = one.where[:1].upper() + one.where[1:] if not one.file else one.where
    return rejected_card(where, one.reason, one.raw[:RAW_CHARACTERS])


def canonical_card(row: dict[str, Any]) -> Markup:
    """One canonical row as a card: every turn with its role, sides of a pair marked."""
    turns = []
    for key in SIDES:
        for turn in row.get(key) or []:
            not_learned = " · not learned" if turn.get("weight") == 0 else ""
            role = key if key in ("chosen", "rejected") else turn["role"]
            if key == "completion":
                role = "good" if row.get("label") else "bad"
            calls = ", ".join(f"{call['function']['name']}()" for call in turn.get("tool_calls", []))
            thought = turn.get("reasoning_content", "")[:2000]
            said = "\n".join(
                filter(None, [thought and f"thinks {thought}", turn["content"][:2000], calls and f"calls {calls}"])
            )
            turns.append((role, role + not_learned, said))
    if "text" in row:
        turns.append(("text", "text", row["text"][:2000]))
    return row_card(turns)
