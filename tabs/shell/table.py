"""A table of a shelf that may have thousands of rows: searched and turned page by page on the server."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from starlette.responses import Response

from tabs.shell.kit import Lines, Query, component
from tabs.shell.shelves import json_bytes, tag
from workbench.core.notes import NO_NOTES, UserNotes
from workbench.inventory.search import has_words, search_words

ROWS = 20
"""Rows of a page of the table."""


@dataclass(frozen=True)
class TableRow:
    """One row: its cells as texts, and the name or id it is chosen by. `moving` is for one that may change although
    nothing came or went, such as a running job."""

    key: str
    cells: Sequence[str]
    moving: bool = False


def ShelfTable(
    columns: Sequence[str],
    rows: Callable[[], Sequence[Any]],
    draw: Callable[[Any], TableRow],
    words: Callable[[Any], str],
    empty: Lines,
    numbers: Sequence[int] = (),
    chip: int | None = None,
    size: int = ROWS,
    notes: Callable[[Any], UserNotes] = lambda _: NO_NOTES,
    **options: Any,
) -> gr.HTML:
    """The table; its value is {"key"} of the row clicked last, which triggers 'input'.

    rows: what the shelf has, in the order shown. draw: makes a row of what is on the page asked for, and only of that.
    words: the text of one that a search looks through. numbers: columns set to the right. chip: the column that has a
    status, drawn as a chip. size: rows of a page. notes: the tags and the note of one; its tags are drawn with its
    first cell, and a search looks through both.
    """

    def page(query: Query) -> Any:
        wanted = search_words(str(query.get("search") or ""))
        every = rows()
        found = [row for row in every if has_words(wanted, words(row), notes(row))] if wanted else every
        pages = max(1, -(-len(found) // size))
        asked = query.get("page")
        number = min(max(0, asked), pages - 1) if isinstance(asked, int) else 0
        shown = found[number * size : (number + 1) * size]
        drawn = [draw(one) for one in shown]
        reply = {
            "total": len(found), "page": number, "pages": pages, "moving": any(row.moving for row in drawn),
            "rows": [
                {"key": row.key, "cells": list(row.cells), "tags": list(notes(one).tags)}
                for one, row in zip(shown, drawn, strict=True)
            ],
        }  # fmt: skip
        data = json_bytes(reply)
        if tag(data) == query.get("have"):
            return {"have": query["have"], "moving": reply["moving"]}
        return Response(json_bytes({**reply, "have": tag(data)}), media_type="application/json")

    drawing = {"columns": list(columns), "numbers": list(numbers), "chip": chip}
    return component("shelf_table", None, {"rows_of": page}, empty, drawing=drawing, **options)
