"""A table of a shelf that may have thousands of rows: searched, sorted and turned page by page on the server."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr
from starlette.responses import Response

from tabs.shell.kit import Lines, Query, component
from tabs.shell.shelves import json_bytes, tag
from workbench.core.notes import NO_NOTES, UserNotes
from workbench.inventory.search import has_words, search_words

ROWS = 20
"""Rows of a page of the table."""


@dataclass(frozen=True)
class Column:
    """A column: its heading and how its cells are drawn, numbers to the right, a status as a chip, a time (ISO 8601) in
    the reader's zone. `sort` gives what a row is sorted by, names in lower case say; None where that makes no sense."""

    title: str
    sort: Callable[[Any], Any] | None = None
    kind: Literal["text", "number", "status", "time"] = "text"


@dataclass(frozen=True)
class TableRow:
    """One row: its cells as texts, and the name or id it is chosen by. `moving` is for one that may change although
    nothing came or went, such as a running job."""

    key: str
    cells: Sequence[str]
    moving: bool = False


def ShelfTable(
    columns: Sequence[Column],
    rows: Callable[[], Sequence[Any]],
    draw: Callable[[Any], TableRow],
    words: Callable[[Any], str],
    empty: Lines,
    size: int = ROWS,
    notes: Callable[[Any], UserNotes] = lambda _: NO_NOTES,
    **options: Any,
) -> gr.HTML:
    """The table; its value is {"key"} of the row clicked last, which triggers 'input'.

    rows: what the shelf has, in the order shown where no column is chosen to sort by. draw: makes a row of what is on
    the page asked for, and only of that. words: the text of one that a search looks through. size: rows of a page.
    notes: the tags and the note of one; its tags are drawn with its first cell, and a search looks through both.
    """

    def page(query: Query) -> Any:
        wanted = search_words(str(query.get("search") or ""))
        every = rows()
        found = [row for row in every if has_words(wanted, words(row), notes(row))] if wanted else every
        found = _in_order(found, columns, query)
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

    drawing = [{"title": one.title, "kind": one.kind, "sorts": one.sort is not None} for one in columns]
    return component("shelf_table", None, {"rows_of": page}, empty, drawing=drawing, **options)


def _in_order(rows: Sequence[Any], columns: Sequence[Column], query: Query) -> Sequence[Any]:
    """The rows as the query's {"sort": number of a column, "descending"} asks; as they are if it asks for none."""
    number = query.get("sort")
    if type(number) is not int or not 0 <= number < len(columns) or not (key := columns[number].sort):
        return rows
    return sorted(rows, key=key, reverse=bool(query.get("descending")))
